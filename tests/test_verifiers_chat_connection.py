"""The judge's connections: proxies and certificates of the environment, and the headers that the user set there.

A loopback proxy stands for every other host: it answers as the judge, behind TLS where the client asks for a tunnel.
"""

from __future__ import annotations

import base64
import http.server
import json
import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from restem.verifiers.chat.endpoint import ChatRequest
from restem.verifiers.chat.models import list_models
from restem.verifiers.chat.reply import ChatReply
from restem.verifiers.verdict import JudgeUnavailable
from tests import building
from tests.judge_server import JudgeServer

REPLY = {"choices": [{"message": {"content": "1"}}], "usage": {"prompt_tokens": 9, "completion_tokens": 1}}
LOGIN = "Basic " + base64.b64encode(b"me:p@ss").decode()
PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


class _Handler(http.server.BaseHTTPRequestHandler):
    """One connection to the proxy."""

    protocol_version = "HTTP/1.1"
    proxy: Proxy

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self._note()
        body = json.dumps(REPLY).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_CONNECT(self) -> None:
        self._note()
        self.send_response(200)
        self.end_headers()
        assert self.proxy.certificate
        try:
            self.connection = self.proxy.certificate.wrap_socket(self.connection, server_side=True)
        except OSError:  # the client does not take the certificate
            self.close_connection = True
            return
        self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", 0)

    def finish(self) -> None:
        super().finish()
        self.connection.close()  # TLS has taken the server's socket over

    def _note(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.proxy.seen.append((f"{self.command} {self.path}", headers))

    def log_message(self, format: str, *args: Any) -> None:
        pass


class Proxy:
    """A proxy on a loopback port: what it was asked, and the certificate of the judge behind its tunnels."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, dict[str, str]]] = []
        self.certificate: ssl.SSLContext | None = None
        handler = type("Handler", (_Handler,), {"proxy": self})
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.address = f"me:p%40ss@127.0.0.1:{self.server.server_port}"


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    for name in PROXY_VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    proxy = Proxy()
    thread = threading.Thread(target=proxy.server.serve_forever, args=(0.01,))
    thread.start()
    yield proxy
    proxy.server.shutdown()
    thread.join()
    proxy.server.server_close()


def ask(base_url: str, count: int = 1, **options: Any) -> list[Any]:
    chat = building.chat(
        model="m", base_url=base_url, backoff_seconds=0.01, max_attempts=2, timeout_seconds=5.0, **options
    )
    return chat.ask([ChatRequest(messages=[{"role": "user", "content": str(index)}]) for index in range(count)])


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
@pytest.mark.parametrize("scheme", ["", "http://"])
def test_every_request_goes_through_the_proxy_with_its_login(
    proxy: Proxy, monkeypatch: pytest.MonkeyPatch, variable: str, scheme: str
) -> None:
    monkeypatch.setenv(variable, scheme + proxy.address)
    replies = ask("http://judge.invalid/v1", count=5, concurrency=1)
    assert [type(reply) for reply in replies] == [ChatReply] * 5
    asked = [(line, headers.get("proxy-authorization"), headers["host"]) for line, headers in proxy.seen]
    assert asked == [("POST http://judge.invalid/v1/chat/completions", LOGIN, "judge.invalid")] * 5


@pytest.mark.parametrize("hosts", ["judge.invalid", ".invalid", "a.b, judge.invalid:8000", "*"])
def test_a_server_that_needs_no_proxy_is_not_asked_through_one(
    proxy: Proxy, monkeypatch: pytest.MonkeyPatch, hosts: str
) -> None:
    monkeypatch.setenv("HTTP_PROXY", proxy.address)
    monkeypatch.setenv("NO_PROXY", hosts)
    with pytest.raises(JudgeUnavailable, match="no connection"):
        ask("http://judge.invalid:8000/v1")
    assert not proxy.seen


@pytest.mark.parametrize("address", ["socks5://me:secret@127.0.0.1:1080", "http://", "http://me:secret@host:port"])
def test_a_proxy_that_cannot_be_used_is_one_line_without_its_password(
    proxy: Proxy, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", address)
    with pytest.raises(JudgeUnavailable, match="HTTPS_PROXY") as caught:
        ask("https://judge.invalid/v1")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("OPENAI_ORG_ID", "\u00f6rg"),
        ("OPENAI_PROJECT_ID", "a\nb"),
        ("OPENAI_CUSTOM_HEADERS", "\u00dc: secret"),
        ("OPENAI_CUSTOM_HEADERS", "x y: secret"),
        ("OPENAI_CUSTOM_HEADERS", ": secret"),
    ],
)
def test_a_header_that_cannot_be_sent_is_one_line_with_the_variable(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(JudgeUnavailable, match=variable) as asked:
        ask("http://127.0.0.1:9/v1")
    with pytest.raises(JudgeUnavailable, match=variable) as listed:
        list_models(building.chat(base_url="http://127.0.0.1:9/v1").endpoint)
    assert "secret" not in f"{asked.value}{listed.value}"


@pytest.mark.skipif(shutil.which("openssl") is None, reason="makes a certificate with openssl")
def test_a_certificate_is_checked_with_those_that_the_environment_names(
    proxy: Proxy, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    options = "-x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=judge.invalid -addext subjectAltName=DNS:judge.invalid"
    command = ["openssl", "req", *options.split(), "-keyout", key, "-out", certificate]
    subprocess.run(command, check=True, capture_output=True)
    proxy.certificate = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    proxy.certificate.load_cert_chain(certificate, key)
    monkeypatch.setenv("HTTPS_PROXY", proxy.address)
    with pytest.raises(JudgeUnavailable, match=r"no connection .*Certificate"):
        ask("https://judge.invalid/v1")
    proxy.seen.clear()

    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    assert len(ask("https://judge.invalid/v1", count=3, concurrency=1)) == 3
    (tunnel, opening), *requests = proxy.seen
    assert (tunnel, opening["proxy-authorization"]) == ("CONNECT judge.invalid:443", LOGIN)
    assert [line for line, _ in requests] == ["POST /v1/chat/completions"] * 3
    assert not any("proxy-authorization" in headers for _, headers in requests)  # the judge does not see the login
    assert "authorization" not in opening  # and the proxy not the key


def test_what_the_openai_package_reads_from_the_environment_is_sent(
    running: JudgeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    running.reset(answer=lambda prompt: prompt)
    monkeypatch.setenv("OPENAI_ORG_ID", "org-1")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-1")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Route: fast\nno header\nAuthorization: Basic gateway")
    ask(running.base_url)
    assert {"openai-organization", "openai-project", "x-route"} <= running.headers
    assert running.authorization == "Basic gateway"
