"""Which hosts of a run are there: they meet before JAX starts, and each notices within seconds when another is gone.

Takes the leader's address, this host's number, and facts that must be equal on all hosts; ends the process with one
line when a host is lost. Does not depend on JAX, policies or messages of a run (messages.py).

Every host holds one TCP connection to the leader. Each end sends a line a second, from a thread, so a host counts as
present while its process works for minutes: on a compilation, a collective, a judge's replies. A host is lost when its
connection ends before it took its leave, or when nothing came for SILENCE_SECONDS. Only time in which this process ran
itself counts, so a process that was stopped blames no other one.

What follows a loss, on every host: the main thread gets `HostLost`, so that it can store what it was given; after
GRACE_SECONDS at the latest the process ends, even from inside a native call. Nothing of JAX is shut down then: its
client would wait for the lost host, or abort the process.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import selectors
import signal
import socket
import sys
import threading
import time
from collections.abc import Mapping
from typing import Any

from restem.harness.distributed.addresses import address_text, bind_host, listen
from restem.harness.errors import ConfigError, HostFailed, HostLost, RestemError

BEAT_SECONDS = 1.0
# Hosts at a load of 28 on two cores beat in time. A process that other work starves for longer than this is taken for
# lost: at nice 12 beside work at nice -8, gaps of 45 to 68 s were seen.
SILENCE_SECONDS = 20.0
GRACE_SECONDS = 6.0  # with the silence this stays below half a minute
SETTLE_SECONDS = 3.0  # the loss of a host is known this long after the error that it caused here, at the latest
# Hosts may be started by hand, or by a scheduler that fetches images first; JAX waits as long.
MEET_SECONDS = 300.0
NOTICE_SECONDS = 10.0  # a host that waits longer says for whom
LONGEST_LINE = 2**20
GO_ON = "start the same command on every host to go on from here"


class Link:
    """A connection to another host, which sends and receives whole lines; it never blocks."""

    def __init__(self, connection: socket.socket, name: str) -> None:
        connection.setblocking(False)
        self.connection, self.name = connection, name
        self.silent = 0.0  # seconds in which this process ran and nothing came
        self.leaves = False  # True: the other host has taken its leave, and the connection may end
        self._received = b""

    def send(self, kind: str, content: Any = None) -> None:
        """Sends a line; a connection that is broken is noticed when it is read."""
        with contextlib.suppress(OSError):
            self.connection.send(json.dumps([kind, content]).encode() + b"\n")

    def receive(self) -> list[tuple[str, Any]] | None:
        """The lines that have come; None: the connection has ended.

        Raises:
            ValueError: Something came that no host sends.
        """
        try:
            received = self.connection.recv(2**16)
        except BlockingIOError:
            return []
        except OSError:
            return None
        if not received:
            return None
        self.silent = 0.0
        *lines, self._received = (self._received + received).split(b"\n")
        if len(self._received) > LONGEST_LINE:
            raise ValueError("a line is too long")
        return [(str(kind), content) for kind, content in map(json.loads, lines)]


class Peers:
    """The other hosts, from the view of one: those that it is connected with, and whether one is lost.

    Args:
        address: Host name and port of the leader.
        count: Number of hosts.
        index: This host's number; 0 leads.
        facts: What must be equal on all hosts, by name.
        meet_seconds: How long the hosts wait for each other at the start.
    """

    def __init__(
        self,
        address: tuple[str, int],
        count: int,
        index: int,
        facts: Mapping[str, Any],
        meet_seconds: float = MEET_SECONDS,
    ) -> None:
        self.count, self.index = count, index
        self.lost: str | None = None  # why this process has to end
        self._address, self._meet_seconds = address, meet_seconds
        self._facts: dict[str, Any] = json.loads(json.dumps({"--hosts": count, **facts}))
        self._links: dict[int, Link] = {}
        self._service: int | None = None
        self._refused: str | None = None
        self._leaving = False
        self._met, self._left, self._may_print = threading.Event(), threading.Event(), threading.Lock()
        self._selector = selectors.DefaultSelector()

    def meet(self) -> None:
        """Waits until all hosts are connected with the leader.

        Raises:
            ConfigError: The port is taken, the host has another's number, or its facts differ from the leader's.
            HostFailed: A host does not come.
        """
        signal.signal(signal.SIGURG, self._raise_lost)  # ignored by default, so that no other use is disturbed
        deadline = time.monotonic() + self._meet_seconds
        if self.index == 0:
            self._selector.register(listen(bind_host(self._address[0]), self._address[1]), selectors.EVENT_READ)
        else:
            link = Link(self._connect(deadline), f"host 0 ({address_text(self._address)})")
            link.send("join", [self.index, socket.gethostname(), self._facts])
            self._links[0] = link
            self._selector.register(link.connection, selectors.EVENT_READ, link)
        threading.Thread(target=self._watch, daemon=True, name="liveness").start()
        notice = time.monotonic() + NOTICE_SECONDS
        while not self._met.wait(0.2):
            if self._refused is not None:
                raise ConfigError(self._refused)
            if time.monotonic() > notice and self.index == 0:
                print(f"waiting for {self._missing()} at {address_text(self._address)}", file=sys.stderr)
                notice = float("inf")
            if time.monotonic() > deadline and self.index == 0:
                raise HostFailed(
                    f"{self._missing()} of {self.count} did not connect to {address_text(self._address)} within "
                    f"{self._meet_seconds:.0f} s; start the same command on every host, each with its --host-index"
                )

    def announce(self, port: int) -> None:
        """Tells the other hosts, as the leader, at which port JAX's service will be."""
        for link in self._links.values():
            link.send("service", port)

    @property
    def service(self) -> int:
        """The port that the leader announced."""
        assert self._service is not None
        return self._service

    def leave(self, error: BaseException | None = None) -> None:
        """Takes leave of the other hosts; with an error they end too, with its text.

        Does not return when this error comes from the loss of another host: the process then ends with that line.
        """
        self._leaving = True
        clear = isinstance(error, RestemError) and not isinstance(error, HostFailed)
        unclear = isinstance(error, Exception) and not clear
        deadline = time.monotonic() + (SETTLE_SECONDS if unclear else 0)  # it may come from the loss of a host
        while self.lost is None and time.monotonic() < deadline:
            time.sleep(0.05)
        if self.lost is not None:
            self._end()
        self._left.set()
        for link in self._links.values():
            link.send("bye") if error is None else link.send("failed", _reason(error))
        if error is not None:
            # JAX's exit handler would wait for the other hosts, which are ending too, and print their loss as a
            # traceback. This one comes before it; the timer is for threads that Python would wait for.
            atexit.register(os._exit, _exit_code(error))
            timer = threading.Timer(GRACE_SECONDS, os._exit, [_exit_code(error)])
            timer.daemon = True
            timer.start()

    # What follows runs in the thread.

    def _watch(self) -> None:
        beat, before = 0.0, time.monotonic()
        while not self._left.is_set():
            ready = self._selector.select(BEAT_SECONDS / 2)
            now = time.monotonic()
            ran, before = min(now - before, 2 * BEAT_SECONDS), now
            for link in self._links.values():
                link.silent += ran
                if now - beat >= BEAT_SECONDS:
                    link.send("beat")
            beat = now if now - beat >= BEAT_SECONDS else beat
            for key, _ in ready:
                self._read(key.data) if key.data else self._accept(key.fileobj)
            for link in self._links.values():
                if link.silent > SILENCE_SECONDS and not link.leaves:
                    self._lose(f"{link.name} has not answered for {SILENCE_SECONDS:.0f} s: stopped, or cut off")

    def _accept(self, listener: Any) -> None:
        with contextlib.suppress(OSError):
            connection, (name, *_) = listener.accept()
            self._selector.register(connection, selectors.EVENT_READ, Link(connection, name))

    def _read(self, link: Link) -> None:
        """Handles what a host, or a stranger, has sent."""
        joined = link in self._links.values()
        try:
            lines = link.receive()
            for kind, content in lines or ():
                self._handle(link, kind, content, joined=joined)
        except (ValueError, TypeError, AttributeError):  # not JSON, or not of our form
            lines = None
            if joined and self.index:
                self._lose(f"{link.name} is no leader of a run: something else answers there")
        if lines is None:
            self._selector.unregister(link.connection)
            link.connection.close()
            if joined and not link.leaves and self._refused is None:
                self._lose(f"{link.name} is gone: its process has ended, or its connection was cut")

    def _handle(self, link: Link, kind: str, content: Any, *, joined: bool) -> None:
        if not joined:
            if kind == "join":
                self._join(link, *content)
            return
        match kind:
            case "refused":
                self._refused = str(content)
            case "service":
                self._service = int(content)
                self._met.set()
            case "bye":
                link.leaves = True
            case "failed":
                self._lose(f"{link.name} {content}")
            case "lost":
                self._lose(str(content))

    def _join(self, link: Link, index: int, name: str, facts: dict[str, Any]) -> None:
        who = f"host {int(index)} ({name}, {link.name})"
        if differing := [key for key, value in self._facts.items() if facts.get(key) != value]:
            values = (f"{key}: {facts.get(key)!r}, host 0 has {self._facts[key]!r}" for key in differing[:3])
            text = f"other settings than host 0: {'; '.join(values)}; all hosts need the same"
            link.send("refused", text)
            self._lose(f"{who} has {text}")
        elif index in self._links or not 0 < index < self.count:
            taken = self._links[index].name if index in self._links else f"one of {self.count} hosts, 1 to the last,"
            link.send("refused", f"--host-index {index}: {taken} has this number already")
        else:
            link.name = who
            self._links[index] = link
            if len(self._links) == self.count - 1:
                self._met.set()

    def _missing(self) -> str:
        return " and ".join(f"host {index}" for index in range(1, self.count) if index not in self._links)

    def _lose(self, line: str) -> None:
        """Ends this process, and as the leader all others, because a host is gone."""
        if self._left.is_set():
            return
        self.lost = line
        for link in self._links.values():
            link.send("lost", line)
        if (main := threading.main_thread().ident) is not None:
            signal.pthread_kill(main, signal.SIGURG)
        if not self._left.wait(GRACE_SECONDS):
            self._end()

    def _raise_lost(self, *_: object) -> None:
        if self.lost is not None and not self._leaving:
            atexit.register(self._end)  # where this exception comes before or after the context that calls `leave`
            raise HostLost(1, signal.SIGURG)

    def _end(self) -> None:
        """Prints why, once, and ends the process without the exit handlers of JAX."""
        with self._may_print:
            os.write(2, f"restem: {self.lost}; {GO_ON}\n".encode())
            os._exit(1)

    def _connect(self, deadline: float) -> socket.socket:
        """A connection to the leader, which may be started later than this host."""
        notice = time.monotonic() + NOTICE_SECONDS
        while True:
            try:
                return socket.create_connection(self._address, timeout=5)
            except OSError as error:
                text = f"the leader at {address_text(self._address)}: {error}"
            if time.monotonic() > deadline:
                raise HostFailed(f"--coordinator: no answer from {text}; {self._meet_seconds:.0f} s were waited")
            if time.monotonic() > notice:
                print(f"waiting for {text}", file=sys.stderr)
                notice = float("inf")
            time.sleep(0.5)


def _exit_code(error: BaseException) -> int:
    """The code with which the command line ends because of this error."""
    if isinstance(error, ConfigError):
        return 2
    if isinstance(error, KeyboardInterrupt):
        return 128 + signal.SIGINT
    return error.code if isinstance(error, SystemExit) and isinstance(error.code, int) else 1


def _reason(error: BaseException) -> str:
    """What another host prints about the error that ended this one."""
    if isinstance(error, KeyboardInterrupt):
        return "was stopped by SIGINT"
    if isinstance(error, SystemExit) and isinstance(error.code, int) and error.code > 128:
        return f"was stopped by {signal.Signals(error.code - 128).name}"
    return " ".join(f"failed: {type(error).__name__}: {error}".split())[:1000]
