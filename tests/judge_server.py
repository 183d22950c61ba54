"""A real loopback judge: answers POST /v1/chat/completions and GET /v1/models over a socket, and faults on request.

    with JudgeServer() as server:
        server.script("500", "reset", "ok")        # the faults of the next requests, in order of arrival
        server.mix({"500": 0.1, "html": 0.1})      # after the script: a share of each fault, drawn from a seed
        building.judge(name="judge", base_url=server.base_url)

It counts what it is asked, and notices when it is asked again for what it has already answered. Started as a program it
serves until its standard input closes, and prints its address first.
"""

from __future__ import annotations

import asyncio
import email.utils
import hashlib
import json
import random
import re
import socket
import struct
import sys
import threading
import time
import zlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, cast

import uvicorn
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Message, Receive, Scope, Send

Answer = Callable[[str], str]


def last_number_answer(prompt: str) -> str:
    """1 if the model answer's last number is the correct answer's; the blind judge takes even numbers for right."""
    fields = dict(re.findall(r"^(Question|Correct Answer|Model Answer): (.*)$", prompt, re.MULTILINE))
    numbers = re.findall(r"-?\d+", json.loads(fields["Model Answer"]))
    if "Correct Answer" not in fields:
        return str(int(bool(numbers) and int(numbers[-1]) % 2 == 0))
    return str(int(numbers[-1:] == re.findall(r"-?\d+", json.loads(fields["Correct Answer"]))[-1:]))


class JudgeServer:
    """One judge on an ephemeral port of 127.0.0.1, in a thread.

    Attributes:
        answer: Prompt -> text of the reply.
        model: The model name that replies carry; None repeats the name that was asked for.
        refuses: Parameters that are answered by 400, as OpenAI's reasoning models do.
        logprobs: Text of the reply -> its tokens with their likeliest alternatives; None sends none.
        echoes: Whether every answer repeats the Authorization header, in its headers and its body.
        latency_seconds: Time every request takes.
        requests: Requests received.
        answered: Hash of a request's body -> usable replies sent for it.
        billed: Requests that a provider may bill: all but those that were refused with a status in NOT_BILLED.
        arrivals: time.monotonic() of every request.
        bodies: The decoded requests.
        authorization: The Authorization header of the last request.
        headers: The names of all headers of the last request, in small letters.
        models: The body that GET /v1/models is answered with, or a status; the default is a server without that route.
        listed: How often it was asked for.
    """

    def __init__(self, answer: Answer = last_number_answer) -> None:
        # With the protocol named, asyncio switches Nagle's algorithm off; else every reply takes 40 ms.
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._socket.bind(("127.0.0.1", 0))
        self.base_url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/v1"
        # One fixed protocol and loop: what uvicorn picks by itself depends on what else is installed.
        config = uvicorn.Config(
            self._app,
            interface="asgi3",
            loop="asyncio",
            http="h11",
            lifespan="off",
            log_level="critical",
            proxy_headers=False,
        )
        config.timeout_graceful_shutdown = 1
        self._uvicorn = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._serve)
        self.reset(answer)

    def reset(self, answer: Answer = last_number_answer) -> None:
        """Forgets everything: as just started."""
        self.answer = answer
        self.model: str | None = None
        self.refuses: set[str] = set()
        self.logprobs: Callable[[str], list[dict[str, Any]]] | None = None
        self.echoes = False
        self.latency_seconds = 0.0
        self.requests = 0
        self.answered: dict[str, int] = {}
        self.billed = 0
        self.arrivals: list[float] = []
        self.bodies: list[dict[str, Any]] = []
        self.authorization = ""
        self.headers: set[str] = set()
        self.faulty_body = b""
        self.models: Any = 404
        self.listed = 0
        self._script: list[str] = []
        self._mix: dict[str, float] = {}
        self._random = random.Random(0)

    def script(self, *faults: str) -> None:
        self._script = list(faults)

    def mix(self, shares: Mapping[str, float], seed: int = 0) -> None:
        self._mix, self._random = dict(shares), random.Random(seed)

    @property
    def asked_again(self) -> int:
        """Usable replies sent for a request that already had one: each is money spent twice."""
        return sum(count - 1 for count in self.answered.values())

    def __enter__(self) -> JudgeServer:
        self._thread.start()
        while not self._uvicorn.started:
            time.sleep(0.005)
        return self

    def __exit__(self, *_: object) -> None:
        self._uvicorn.should_exit = True
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        asyncio.run(self._uvicorn.serve(sockets=[self._socket]))

    def _next_fault(self) -> str:
        if self._script:
            return self._script.pop(0)
        drawn = self._random.random()
        for fault, share in self._mix.items():
            drawn -= share
            if drawn < 0:
                return fault
        return "ok"

    async def _app(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        body = await request.body()
        if (request.method, request.url.path) == ("GET", "/v1/models"):
            self.listed += 1
            await self._models()(scope, receive, send)
            return
        if (request.method, request.url.path) != ("POST", "/v1/chat/completions"):
            await Response(status_code=405)(scope, receive, send)
            return
        self.requests += 1
        self.arrivals.append(time.monotonic())
        asked = json.loads(body)
        self.bodies.append(asked)
        self.authorization = request.headers.get("authorization", "")
        self.headers = set(request.headers.keys())
        fault, _, value = self._next_fault().partition(":")
        self.billed += fault not in NOT_BILLED and not self.refuses & asked.keys()
        if self.latency_seconds:
            await asyncio.sleep(self.latency_seconds)
        if fault in _BREAKS:
            await _BREAKS[fault](_Wire(scope, receive, send))
            return
        if refused := sorted(self.refuses & asked.keys()):
            await _unsupported(refused[0])(scope, receive, send)
            return
        if fault in _REPLIES or fault == "ok":
            digest = hashlib.sha256(body).hexdigest()
            self.answered[digest] = self.answered.get(digest, 0) + 1
            headers = {"x-echo": self.authorization} if self.echoes else None
            await JSONResponse(self._reply(fault, asked), headers=headers)(scope, receive, send)
            return
        await self._refusal(fault, value)(scope, receive, send)

    def _models(self) -> Response:
        if isinstance(self.models, int):
            return _error(self.models, f"scripted {self.models}")
        if isinstance(self.models, str):
            return Response(self.models, media_type="text/html")
        return JSONResponse(self.models)

    def _reply(self, kind: str, asked: Mapping[str, Any]) -> dict[str, Any]:
        """A usable reply: an ordinary one, or one without text."""
        message: dict[str, Any] = {"role": "assistant", "content": self.answer(asked["messages"][-1]["content"])}
        choice: dict[str, Any] = {"index": 0, "message": message, "finish_reason": "stop"}
        if self.logprobs and asked.get("logprobs"):
            choice["logprobs"] = {"content": self.logprobs(message["content"])}
        if self.echoes:
            message["content"] += self.authorization
            choice["echo"] = self.authorization
        if kind != "ok":
            _REPLIES[kind](choice)
        return {
            "id": f"chatcmpl-{self.requests}",
            "object": "chat.completion",
            "created": 0,
            "model": (self.model or asked["model"]) + (self.authorization if self.echoes else ""),
            "choices": [choice],
            "usage": {"prompt_tokens": PROMPT_TOKENS, "completion_tokens": COMPLETION_TOKENS},
        } | {key: value for key, value in choice.pop("instead", {}).items()}

    def _refusal(self, fault: str, value: str) -> Response:
        """A whole HTTP response without a usable reply in it."""
        if fault == "seconds":
            return _error(429, "slow down", headers={"retry-after": value})
        if fault == "ms":
            return _error(429, "slow down", headers={"retry-after-ms": value, "retry-after": "60"})
        if fault == "date":
            date = email.utils.formatdate(time.time() + float(value), usegmt=True)
            return _error(429, "slow down", headers={"retry-after": date})
        if fault == "redirect":
            return Response(status_code=307, headers={"location": value})
        if fault == "quota":
            return _error(429, "You exceeded your current quota", code="insufficient_quota")
        if fault == "401":
            return _error(401, f"Incorrect API key provided: {self.authorization.removeprefix('Bearer ')}")
        if fault == "body":
            return Response(self.faulty_body, media_type="application/json")
        bodies = {
            "badjson": (b'{"choices": [{"message": {"content": "1"', "application/json"),
            "badbytes": (b'{"choices": [{"message": {"content": "\xff\xfe"}}]}', "application/json"),
            "html": (b"<html><body>1</body></html>", "text/html"),
            "nochoices": (b'{"id": "x", "model": "m", "choices": []}', "application/json"),
            "nested": (b"[" * 200_000, "application/json"),
        }
        if fault in bodies:
            content, media_type = bodies[fault]
            return Response(content, media_type=media_type)
        return _error(int(fault), f"scripted {fault} {self.authorization if self.echoes else ''}")


class _Wire:
    """The connection under a request, for faults that no well-formed response can show."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._cycle = cast(Any, send).__self__  # uvicorn's request cycle: the application stands directly upon it
        self.transport: asyncio.Transport = self._cycle.transport

    @property
    def gone(self) -> bool:
        return self._cycle.disconnected

    async def closed(self) -> None:
        """Returns when the connection is closed, so that uvicorn does not try to answer in our place."""
        message: Message = {"type": ""}
        while message["type"] != "http.disconnect":
            message = await self._receive()

    async def reset(self) -> None:
        self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()
        await self.closed()


_HALF = b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 400\r\n\r\n{"choices": [{"message": '


async def _midbody(wire: _Wire) -> None:
    wire.transport.write(_HALF)
    await asyncio.sleep(0.02)
    await wire.reset()


async def _shortbody(wire: _Wire) -> None:
    wire.transport.write(_HALF)
    wire.transport.close()
    await wire.closed()


async def _hang(wire: _Wire) -> None:
    """Nothing comes, until the client has enough."""
    await wire.closed()


async def _endless(wire: _Wire) -> None:
    """A body that does not end, as fast as the client reads it."""
    wire.transport.write(b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{"choices": [')
    while not wire.gone and not wire.transport.is_closing():
        if wire.transport.get_write_buffer_size() < 1 << 20:
            wire.transport.write(b" " * (1 << 18))
        await asyncio.sleep(0)
    await wire.closed()


async def _bomb(wire: _Wire) -> None:
    """A small body that is 40 MB when it is decompressed."""
    squeeze = zlib.compressobj(1, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    body = b"".join(squeeze.compress(b" " * (1 << 20)) for _ in range(40)) + squeeze.flush()
    head = f"content-type: application/json\r\ncontent-encoding: gzip\r\ncontent-length: {len(body)}\r\n\r\n"
    wire.transport.write(b"HTTP/1.1 200 OK\r\n" + head.encode() + body)
    await asyncio.sleep(0.5)
    await wire.reset()


async def _drip(wire: _Wire) -> None:
    """A byte every 20 ms: no single read is slow, the whole is."""
    wire.transport.write(_HALF)
    for _ in range(250):
        if wire.gone:
            return
        wire.transport.write(b" ")
        await asyncio.sleep(0.02)
    await wire.reset()


_BREAKS: dict[str, Callable[[_Wire], Awaitable[None]]] = {
    "reset": _Wire.reset,
    "midbody": _midbody,
    "shortbody": _shortbody,
    "drip": _drip,
    "hang": _hang,
    "endless": _endless,
    "bomb": _bomb,
}
_REPLIES: dict[str, Callable[[dict[str, Any]], object]] = {
    "nousage": lambda choice: choice.update(instead={"usage": None}),
    "oddusage": lambda choice: choice.update(instead={"usage": {"prompt_tokens": -3, "completion_tokens": "1"}}),
    "null": lambda choice: choice["message"].update(content=None),
    "refusal": lambda choice: choice["message"].update(content=None, refusal="I cannot help with that."),
    "refusal_as_reason": lambda choice: choice.update(finish_reason="refusal"),
    "length": lambda choice: choice.update(finish_reason="length"),
    "content_filter": lambda choice: choice.update(finish_reason="content_filter"),
}
NOT_BILLED = (
    *("400", "401", "402", "403", "404", "405", "408", "409", "413", "422", "429", "501", "503", "529"),
    *("quota", "redirect", "seconds", "ms", "date"),
)
PROMPT_TOKENS, COMPLETION_TOKENS = 100, 1  # of every reply
TRANSPORT_FAULTS = ("500", "503", "408", "409", "reset", "midbody", "shortbody", "badjson", "badbytes", "html")
RETRIED_FAULTS = (*TRANSPORT_FAULTS, "nochoices", "nested")


def _error(status: int, message: str, code: str | None = None, headers: Mapping[str, str] | None = None) -> Response:
    return JSONResponse({"error": {"message": message, "type": code, "code": code}}, status, headers=headers)


def _unsupported(parameter: str) -> Response:
    instead = " Use 'max_completion_tokens' instead." if parameter == "max_tokens" else ""
    message = f"Unsupported parameter: '{parameter}' is not supported with this model.{instead}"
    error = {"message": message, "type": "invalid_request_error", "param": parameter, "code": "unsupported_parameter"}
    return JSONResponse({"error": error}, 400)


if __name__ == "__main__":
    with JudgeServer() as main_server:
        print(main_server.base_url, flush=True)
        sys.stdin.read()
