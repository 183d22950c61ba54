"""A policy behind OpenAI's routes on loopback, and vLLM's routes for its tokenizer.

Takes a Policy; gives an ASGI application, or runs it. requests.py reads the bodies, engine.py decodes, replies.py
writes the replies, http.py refuses what is no request.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import importlib.metadata
import json
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from restem.harness.errors import RestemError
from restem.harness.model.policy import Policy
from restem.harness.sampling.keys import sample_key
from restem.harness.serving import http, replies, requests, tokens
from restem.harness.serving.engine import Answer, DecodingFailed, Engine
from restem.harness.serving.errors import BadRequest, error_reply, invalid
from restem.harness.serving.replies import Replies
from restem.harness.serving.slots import Scores
from restem.harness.serving.update import with_params_of


def serve(policy: Policy, name: str, port: int, while_stdin_open: bool, updates: Path | None = None) -> None:
    """Listens on loopback, prints the address as one JSON line, and serves until SIGINT or SIGTERM.

    Args:
        policy: What answers.
        name: Its name in requests.
        port: 0: any free one.
        while_stdin_open: Whether to end when standard input closes, too.
        updates: The folder below which a request may have other weights loaded from; None: none is loaded.

    Raises:
        OSError: The port is taken.
    """
    served = served_name(policy, name)
    app = application(policy, name, updates)
    http.listen(app, port, lambda url: {"base_url": f"{url}/v1", "model": served}, while_stdin_open)


def served_name(policy: Policy, name: str) -> str:
    """The model's name in replies: `name@<first 8 digits of the parameters' hash>`."""
    return f"{name}@{policy.params_sha256[:8]}"


def application(policy: Policy, name: str, updates: Path | None = None) -> Starlette:
    """The ASGI application; requests may call the model `name` or by its `served_name`."""
    routes = _Routes(policy, name, updates)
    return http.application(
        [
            Route("/health", routes.health),
            Route("/version", routes.version),
            Route("/update_weights_from_disk", routes.update, methods=["POST"]),
            Route("/v1/models", routes.models),
            Route("/v1/models/{name:path}", routes.model),
            Route("/v1/chat/completions", routes.chat, methods=["POST"]),
            Route("/v1/completions", routes.completions, methods=["POST"]),
            Route("/tokenizer_info", routes.tokenizer_info),
            Route("/tokenize", routes.tokenize, methods=["POST"]),
            Route("/detokenize", routes.detokenize, methods=["POST"]),
        ],
        routes.lifespan,
    )


class _Routes:
    """The handlers of the routes, and the state that they share."""

    def __init__(self, policy: Policy, name: str, updates: Path | None) -> None:
        self._policy, self._name, self._model = policy, name, served_name(policy, name)
        self._updates = updates
        self._engine = Engine(policy)
        self._repeats: collections.Counter[str] = collections.Counter()
        self._started = int(time.time())

    @contextlib.asynccontextmanager
    async def lifespan(self, _: Starlette) -> AsyncIterator[None]:
        worker = asyncio.create_task(self._engine.run())
        yield
        worker.cancel()

    async def health(self, _: HttpRequest) -> JSONResponse:
        return JSONResponse({"status": "ok"})

    async def version(self, _: HttpRequest) -> JSONResponse:
        return JSONResponse({"version": importlib.metadata.version("restem-harness")})

    async def update(self, request: HttpRequest) -> JSONResponse:
        """Loads other weights of the same shape, by SGLang's route and with its answer."""
        path = await self._permitted(request)

        try:
            self._policy = await self._engine.replace(lambda: with_params_of(self._policy, path))
        except RestemError as error:
            return JSONResponse({"success": False, "message": str(error)}, status_code=400)
        self._model = served_name(self._policy, self._name)
        return JSONResponse({"success": True, "message": f"{self._model} answers from now on"})

    async def _permitted(self, request: HttpRequest) -> Path:
        """The folder that a request names, where it may be loaded."""
        body = await http.json_body(request)
        if self._updates is None:
            message = "this server loads no other weights; --allow-update FOLDER lets it load those below a folder"
            raise BadRequest(message, status=403, code="not_permitted")
        name = body.get("model_path")
        if not isinstance(name, str) or not name:
            raise invalid("model_path", "a folder", name)
        path = Path(name).resolve()
        if not path.is_relative_to(self._updates.resolve()):
            raise BadRequest(f"model_path is not below {self._updates}", "model_path", 403, "not_permitted")
        return path

    async def models(self, _: HttpRequest) -> JSONResponse:
        return JSONResponse({"object": "list", "data": [self._card()]})

    async def model(self, request: HttpRequest) -> JSONResponse:
        self._check_name(request.path_params["name"])
        return JSONResponse(self._card())

    def _card(self) -> dict[str, Any]:
        context = self._policy.architecture.context_length
        card = {"id": self._model, "object": "model", "created": self._started, "owned_by": "restem"}
        return card | {"max_model_len": context}

    def _check_name(self, name: Any) -> None:
        if name not in (None, self._name, self._model):
            message = f"no model {str(name)[:80]!r} here; this is {self._model!r}"
            raise BadRequest(message, "model", 404, "model_not_found")

    async def tokenizer_info(self, _: HttpRequest) -> JSONResponse:
        return JSONResponse(tokens.tokenizer_info(self._policy))

    async def tokenize(self, request: HttpRequest) -> JSONResponse:
        return JSONResponse(tokens.tokenize(self._policy, await self._body(request)))

    async def detokenize(self, request: HttpRequest) -> JSONResponse:
        return JSONResponse(tokens.detokenize(self._policy, await self._body(request)))

    async def chat(self, request: HttpRequest) -> Response:
        return await self._complete(request, chat=True)

    async def completions(self, request: HttpRequest) -> Response:
        return await self._complete(request, chat=False)

    async def _body(self, request: HttpRequest) -> dict[str, Any]:
        body = await http.json_body(request)
        self._check_name(body.get("model"))
        return body

    async def _complete(self, http_request: HttpRequest, *, chat: bool) -> Response:
        body = await self._body(http_request)
        request = requests.read(self._policy, body, chat=chat)
        seed = requests.seed_of(body, self._repeats)
        keys = [sample_key(seed, p, k) for p in range(len(request.prompts)) for k in range(request.choices)]
        scores = [self._engine.score(prompt) for prompt in request.prompts] if replies.wants_scores(request) else []
        answer = self._engine.submit(request, keys)
        reply = Replies(self._model, self._policy.tokenizer, answer)
        if request.stream:
            return StreamingResponse(_events(answer, reply), media_type="text/event-stream")
        work = asyncio.ensure_future(self._whole(answer, reply, scores))
        gone = asyncio.ensure_future(_gone(http_request))
        try:
            await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                raise ClientDisconnect
            return JSONResponse(work.result())
        except DecodingFailed as error:
            raise BadRequest(str(error), status=500, code="server_error") from error
        finally:
            answer.give_up()
            work.cancel()
            gone.cancel()

    async def _whole(self, answer: Answer, reply: Replies, scores: Sequence[asyncio.Future[Scores]]) -> dict[str, Any]:
        scored = await asyncio.gather(*scores)
        await answer.whole()
        return reply.whole(scored or [None] * len(answer.request.prompts))


async def _gone(request: HttpRequest) -> None:
    """Returns when the client has gone; the body must have been read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _events(answer: Answer, reply: Replies) -> AsyncIterator[str]:
    """The events of a stream; one that cannot end as it should ends with an error."""
    try:
        while not answer.ended:
            await answer.grown()
            for part in reply.parts():
                yield _event(part)
        for part in reply.parts():  # of sequences that had no room for a token
            yield _event(part)
        if answer.request.stream_usage:
            yield _event(reply.last_part())
        yield "data: [DONE]\n\n"
    except DecodingFailed as error:
        yield _event(error_reply(BadRequest(str(error), status=500, code="server_error")))
    finally:
        answer.give_up()


def _event(content: dict[str, Any]) -> str:
    return f"data: {json.dumps(content)}\n\n"
