"""A policy behind OpenAI's routes on loopback: /v1/models, /v1/chat/completions, /v1/completions, /health.

Takes a Policy; gives an ASGI application, or runs it. openai_api.py reads the bodies, engine.py decodes.

Only requests to loopback host names with JSON bodies are answered, so that no web page can use the server.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import json
import os
import signal
import socket
import threading
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from restem.harness.model.policy import Policy, params_hash
from restem.harness.sampling.sampler import sample_key
from restem.harness.serving import openai_api
from restem.harness.serving.engine import DecodingFailed, Engine
from restem.harness.serving.openai_api import BadRequest

LOOPBACK = ["127.0.0.1", "localhost"]


def serve(policy: Policy, name: str, port: int, while_stdin_open: bool) -> None:
    """Listens on loopback, prints the address as one JSON line, and serves until SIGINT or SIGTERM.

    Args:
        policy: What answers.
        name: Its name in requests.
        port: 0: any free one.
        while_stdin_open: Whether to end when standard input closes, too.

    Raises:
        OSError: The port is taken.
    """
    # The protocol is named because asyncio switches Nagle's delay off only where it sees TCP: 40 ms a reply otherwise.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(1024)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
    print(json.dumps({"base_url": url, "model": served_name(policy, name)}), flush=True)
    if while_stdin_open:
        threading.Thread(target=_end_with_stdin, daemon=True).start()
    config = uvicorn.Config(application(policy, name), log_level="warning", access_log=False, timeout_keep_alive=120)
    uvicorn.Server(config).run(sockets=[listener])


def _end_with_stdin() -> None:
    # Not sys.stdin: a daemon thread inside its lock crashes the interpreter at exit.
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def served_name(policy: Policy, name: str) -> str:
    """The model's name in replies: `name@<first 8 digits of the parameters' hash>`."""
    return f"{name}@{params_hash(policy.params)[:8]}"


def application(policy: Policy, name: str) -> Starlette:
    """The ASGI application; requests may call the model `name` or by its `served_name`."""
    routes = _Routes(policy, name)
    return Starlette(
        routes=[
            Route("/v1/models", routes.models),
            Route("/health", routes.health),
            Route("/v1/chat/completions", routes.chat, methods=["POST"]),
            Route("/v1/completions", routes.completions, methods=["POST"]),
        ],
        lifespan=routes.lifespan,
        exception_handlers={BadRequest: _refuse},
        # A web page whose own host name points to this machine (DNS rebinding) still sends that name.
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=LOOPBACK)],
    )


class _Routes:
    """The handlers of the routes, and the state that they share."""

    def __init__(self, policy: Policy, name: str) -> None:
        self._policy, self._name, self._model = policy, name, served_name(policy, name)
        self._engine = Engine(policy)
        self._repeats: collections.Counter[str] = collections.Counter()

    @contextlib.asynccontextmanager
    async def lifespan(self, _: Starlette) -> AsyncIterator[None]:
        worker = asyncio.create_task(self._engine.run())
        yield
        worker.cancel()

    async def models(self, _: Request) -> JSONResponse:
        return JSONResponse({"object": "list", "data": [{"id": self._model, "object": "model", "owned_by": "restem"}]})

    async def health(self, _: Request) -> JSONResponse:
        return JSONResponse({"status": "ok"})

    async def chat(self, request: Request) -> JSONResponse:
        return await self._complete(request, chat=True)

    async def completions(self, request: Request) -> JSONResponse:
        return await self._complete(request, chat=False)

    async def _complete(self, request: Request, *, chat: bool) -> JSONResponse:
        body = await _body(request)
        if body.get("model") not in (None, self._name, self._model):
            raise BadRequest(f"no model {str(body.get('model'))[:80]!r} here; this is {self._model!r}", "model", 404)
        prompts_of = openai_api.chat_prompts if chat else openai_api.completion_prompts
        prompts = prompts_of(self._policy, body)
        decoding = openai_api.decoding_of(self._policy, body, max(map(len, prompts)))
        count = openai_api.choice_count(body, len(prompts))
        seed = openai_api.seed_of(body, self._repeats)
        futures = [
            self._engine.submit(prompt, np.array([sample_key(seed, index, k) for k in range(count)]), decoding)
            for index, prompt in enumerate(prompts)
        ]
        try:
            choices = [choice for choices in await asyncio.gather(*futures) for choice in choices]
        except DecodingFailed as error:
            raise BadRequest(str(error), status=500) from error
        return JSONResponse(openai_api.reply(chat, self._model, prompts, choices))


async def _refuse(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, BadRequest)
    return JSONResponse(openai_api.error_reply(error), status_code=error.status)


async def _body(request: Request) -> dict[str, Any]:
    if request.headers.get("content-type", "").split(";")[0].strip() != "application/json":
        raise BadRequest("the body must be application/json", status=415)
    raw = b""
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > openai_api.MAX_BODY_BYTES:
            raise BadRequest(f"the body is over {openai_api.MAX_BODY_BYTES} bytes", status=413)
    return openai_api.parse_body(raw)
