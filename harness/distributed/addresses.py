"""Where the leader of a run listens, and how an address is written.

Takes and gives host names, IP addresses and ports. Does not depend on what is sent.
"""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import os
import socket

from restem.harness.errors import ConfigError


def bind_host(host: str) -> str | None:
    """The address of ours that the leader listens at; None: all, because a name may mean another one to itself."""
    with contextlib.suppress(ValueError):
        address = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
        with contextlib.suppress(OSError), socket.create_server((str(address), 0), family=_family(str(address))):
            return str(address)  # not where another machine has it and forwards its port to us
    return None


def listen(host: str | None, port: int) -> socket.socket:
    """A listener at one address of ours, or at all of them.

    Raises:
        ConfigError: The port is taken.
    """
    try:
        if host is not None:
            return socket.create_server((host, port), family=_family(host))
        if socket.has_dualstack_ipv6():
            return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)
        return socket.create_server(("", port))
    except OSError as error:
        why = os.strerror(error.errno or errno.EADDRINUSE).lower()
        raise ConfigError(f"--coordinator: port {port}: {why}; give another free port of host 0") from None


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def parse_address(text: str) -> tuple[str, int]:
    """Host name and port of HOST:PORT, or [IPV6]:PORT.

    Raises:
        ConfigError: It is neither.
    """
    host, _, port = text.rpartition(":")
    name = host.removeprefix("[").removesuffix("]")
    if not name or not port.isdecimal() or not 0 < int(port[:6]) < 2**16:
        raise ConfigError(f"--coordinator: found {text[:200]!r}, expected HOST:PORT of the leader")
    return name, int(port)


def address_text(address: tuple[str, int]) -> str:
    """HOST:PORT, or [IPV6]:PORT."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
