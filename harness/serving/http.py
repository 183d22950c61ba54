"""An ASGI application on loopback, which answers every mistake of a client in OpenAI's JSON form.

Takes routes; gives an application, and serves one until the process is asked to end. Does not depend on policies,
verifiers or JAX.

Only requests to loopback host names with JSON bodies are answered, so that no web page can use the server.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import h11
import uvicorn
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Router
from starlette.types import ASGIApp, Lifespan, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from restem.harness.serving.errors import BadRequest, error_reply

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
MAX_BODY_BYTES = 1_000_000
REQUEST_SECONDS = 30.0  # for a client to send the head of a request, and again for its body
END_SECONDS = 10.0  # for the server to end after its parent


def application(routes: Sequence[BaseRoute], lifespan: Lifespan[Starlette] | None = None) -> Starlette:
    """The ASGI application of these routes."""
    app = Starlette(
        routes=routes,
        lifespan=lifespan,
        exception_handlers={
            BadRequest: _refuse,
            HTTPException: _refuse,
            ClientDisconnect: _nobody_reads,
            Exception: _failed,
        },
        # A web page whose own host name points to this machine (DNS rebinding) still sends that name.
        middleware=[Middleware(_LoopbackOnly)],
    )
    router: Router = app.router
    router.redirect_slashes = False
    return app


class _LoopbackOnly:
    """Refuses requests whose host name is not this machine's."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            host = Headers(scope=scope).get("host", "")
            name = host[: host.find("]") + 1] if host.startswith("[") else host.partition(":")[0]
            if name not in LOOPBACK:
                message = f"the host {host[:80]!r} is not this machine; this server answers on {LOOPBACK[0]} alone"
                await _reply(BadRequest(message, code="invalid_host"))(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _reply(error: BadRequest) -> JSONResponse:
    return JSONResponse(error_reply(error), status_code=error.status)


async def _refuse(request: Request, error: Exception) -> Response:
    if isinstance(error, BadRequest):
        return _reply(error)
    assert isinstance(error, HTTPException)
    place = f"{request.method[:20]} {request.url.path[:80]}"
    if error.status_code == 405:
        reply = _reply(BadRequest(f"{place}: this route has no such method", status=405, code="method_not_allowed"))
    elif error.status_code == 404:
        reply = _reply(BadRequest(f"{place}: no such route here", status=404, code="unknown_url"))
    else:
        reply = _reply(BadRequest(f"{place}: {error.detail}", status=error.status_code))
    reply.headers.update(error.headers or {})
    return reply


async def _failed(_: Request, error: Exception) -> Response:
    return _reply(BadRequest(f"the server failed: {type(error).__name__}", status=500, code="server_error"))


async def _nobody_reads(_: Request, __: Exception) -> Response:
    return Response(status_code=499)  # nginx's number for a client that has gone


async def json_body(request: Request, most: int = MAX_BODY_BYTES) -> dict[str, Any]:
    """The JSON object in the body of a request, of at most that many bytes.

    Raises:
        BadRequest: It is not one, it is not valid Unicode, it is too large, or it does not come in time.
        ClientDisconnect: The client has gone.
    """
    if request.headers.get("content-type", "").split(";")[0].strip() != "application/json":
        raise BadRequest("the body must be application/json", status=415, code="invalid_content_type")
    raw = bytearray()
    try:
        async with asyncio.timeout(REQUEST_SECONDS):
            async for chunk in request.stream():
                raw += chunk
                if len(raw) > most:
                    raise BadRequest(f"the body is over {most} bytes", status=413, code="request_too_large")
    except TimeoutError:
        message = f"the body did not arrive within {REQUEST_SECONDS:g} s"
        raise BadRequest(message, status=408, code="request_timeout") from None
    return parse_body(bytes(raw))


def parse_body(raw: bytes) -> dict[str, Any]:
    """The JSON object of a body.

    Raises:
        BadRequest: It is not one, it is not valid Unicode, or it holds a number that JSON cannot carry.
    """
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        raise BadRequest("the body is not JSON", code="invalid_json") from None
    if not isinstance(body, dict):
        raise BadRequest("the body must be a JSON object", code="invalid_json")
    try:
        json.dumps(body, ensure_ascii=False, allow_nan=False).encode()
    except UnicodeEncodeError:
        message = "the body holds half a surrogate pair, which is not valid Unicode"
        raise BadRequest(message, code="invalid_json") from None
    except ValueError:  # Python reads NaN, Infinity and 1e999, but no reply can hold them
        raise BadRequest("the body holds NaN or an infinite number", code="invalid_json") from None
    return body


class _TimedProtocol(H11Protocol):
    """HTTP/1.1 that closes a connection whose request does not have a whole head in time; uvicorn waits for ever."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget()
        super().connection_lost(exc)

    def _watch(self) -> None:
        if self.conn.their_state is not h11.IDLE:
            self._forget()
        elif self._deadline is None:
            self._deadline = self.loop.call_later(REQUEST_SECONDS, self._close)

    def _forget(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _close(self) -> None:
        self._deadline = None
        if self.conn.their_state is h11.IDLE and not self.transport.is_closing():
            self.transport.close()


def listen(app: Starlette, port: int, announce: Callable[[str], dict[str, Any]], while_stdin_open: bool) -> None:
    """Listens on loopback, prints one JSON line, and serves until SIGINT or SIGTERM.

    Args:
        app: What answers.
        port: 0: any free one.
        announce: The address without a path -> what the line says.
        while_stdin_open: Whether to end when standard input closes, too.

    Raises:
        OSError: The port is taken.
    """
    listener = bind(port)
    print(json.dumps(announce(f"http://{LOOPBACK[0]}:{listener.getsockname()[1]}")), flush=True)
    if while_stdin_open:
        threading.Thread(target=_end_with_stdin, daemon=True).start()
    server(app).run(sockets=[listener])


def bind(port: int) -> socket.socket:
    """A listening socket of this port on loopback; 0 takes any free one.

    Raises:
        OSError: The port is taken.
    """
    # The protocol is named because asyncio switches Nagle's delay off only where it sees TCP: 40 ms a reply otherwise.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((LOOPBACK[0], port))
    listener.listen(1024)
    return listener


def server(app: Starlette) -> uvicorn.Server:
    """A server of this application, which is not running yet."""
    config = uvicorn.Config(app, http=_TimedProtocol, log_level="warning", access_log=False, timeout_keep_alive=120)
    return uvicorn.Server(config)


def _end_with_stdin() -> None:
    # Not sys.stdin: a daemon thread inside its lock crashes the interpreter at exit.
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    # The signal may come while the server starts, in a callback whose exceptions are ignored.
    time.sleep(END_SECONDS)
    os._exit(128 + signal.SIGTERM)
