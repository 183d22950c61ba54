"""A policy behind the OpenAI routes on loopback: /v1/models, /v1/chat/completions, /v1/completions, /health.

Takes a Policy; gives an ASGI application. Requests that arrive together are decoded together: one batch at a time, in
one worker thread, grouped by how they decode. A prompt is computed once for all its choices, and what all prompts of a
batch begin with, as a judge's instructions, once for the batch. What is not supported is refused with 400 in OpenAI's
error form, never ignored. Only loopback hosts are answered, and only JSON bodies, so that no web page can use the
server.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import dataclasses
import hashlib
import json
import logging
import os
import time
from collections.abc import AsyncIterator
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import UInt32
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from restem.harness.model.policy import Policy, params_hash
from restem.harness.sampling.sampler import GREEDY_TOP_K, PREFIX_BUCKET, Decoding, row_key, sample, shared_prefix

_log = logging.getLogger(__name__)

MAX_BODY_BYTES = 1_000_000
MAX_CHOICES = 64
BATCH_SIZES = (8, 64)
PROMPT_STEP = 32
MAX_ROWS = 1024
LOOPBACK = ["127.0.0.1", "localhost"]
COLDEST = 0.01  # below it logits over temperature leave the range of floats, and the draw is the greedy one
LIMITS = ("max_tokens", "max_completion_tokens")
ACCEPTED = {"model", "messages", "prompt", *LIMITS, "temperature", "top_p", "n", "seed", "stream"}


class BadRequest(Exception):
    """What the client asked cannot be done."""

    def __init__(self, message: str, param: str | None = None, status: int = 400) -> None:
        super().__init__(message)
        self.param, self.status = param, status


Answers: TypeAlias = list[tuple[str, str, int]]  # of every choice: text, finish reason, tokens drawn


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Ask:
    """One prompt, a key for each of its choices, and the future that waits for them."""

    prompt: list[int]
    keys: UInt32[np.ndarray, "K 2"]
    decoding: Decoding
    answer: asyncio.Future[Answers]

    @property
    def shape(self) -> tuple[Decoding, int, int]:
        """What prompts of one batch have in common: how they decode, the padded length, and the number of choices."""
        return self.decoding, -(-len(self.prompt) // PROMPT_STEP) * PROMPT_STEP, len(self.keys)


class Engine:
    """Decodes waiting rows in batches of fixed shapes."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self._waiting: list[_Ask] = []
        self._arrived = asyncio.Event()

    def submit(self, prompt: list[int], keys: UInt32[np.ndarray, "K 2"], decoding: Decoding) -> asyncio.Future[Answers]:
        """Queues the choices of one prompt."""
        answer = asyncio.get_running_loop().create_future()
        self._waiting.append(_Ask(prompt=prompt, keys=keys, decoding=decoding, answer=answer))
        self._arrived.set()
        return answer

    async def serve(self) -> None:
        """Answers rows until cancelled."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while self._waiting:
                await asyncio.sleep(0)  # lets requests that are already on the wire join the batch
                batch = self._next_batch()
                try:
                    answers = await asyncio.to_thread(self._decode, batch)
                except Exception as error:  # whatever it was: logged, a 500 for these requests, and the next is served
                    _log.exception("decoding a batch of %d failed", len(batch))
                    for ask in batch:
                        if not ask.answer.done():
                            ask.answer.set_exception(BadRequest(f"decoding failed: {type(error).__name__}", status=500))
                    continue
                for ask, answer in zip(batch, answers, strict=True):
                    if not ask.answer.done():
                        ask.answer.set_result(answer)

    def _next_batch(self) -> list[_Ask]:
        shape = self._waiting[0].shape
        batch = [ask for ask in self._waiting if ask.shape == shape][: max(1, BATCH_SIZES[-1] // shape[2])]
        taken = set(map(id, batch))
        self._waiting = [ask for ask in self._waiting if id(ask) not in taken]
        return batch

    def _decode(self, batch: list[_Ask]) -> list[Answers]:
        tokenizer, answers = self.policy.tokenizer, []
        decoding, padded_length, choices = batch[0].shape
        prompts = [ask.prompt for ask in batch]
        for _, draws in sample(
            self.policy.model,
            self.policy.params,
            prompts,
            np.stack([ask.keys for ask in batch]),
            decoding,
            padded_length=padded_length,
            context_length=self.policy.architecture.context_length,
            rows=next((size for size in BATCH_SIZES if len(batch) * choices <= size), BATCH_SIZES[-1]),
            prefix_length=_known_prefix(prompts),
        ):
            for ids, lengths, stopped in zip(draws.ids, draws.lengths, draws.stopped, strict=True):
                texts = [tokenizer.decode(row[:length]) for row, length in zip(ids, lengths, strict=True)]
                reasons = ["stop" if stop else "length" for stop in stopped]
                answers.append([*zip(texts, reasons, map(int, lengths), strict=True)])
        return answers


def _known_prefix(prompts: list[list[int]]) -> int:
    """Tokens that all prompts begin with: one of few numbers, as each is compiled for; 0 for a single prompt."""
    buckets = shared_prefix(prompts) // PREFIX_BUCKET if len(prompts) > 1 else 0
    return PREFIX_BUCKET << (buckets.bit_length() - 1) if buckets else 0


def application(policy: Policy, name: str) -> Starlette:
    """The ASGI application; the served model is called `name@<first 8 digits of the parameters' hash>`."""
    model = f"{name}@{params_hash(policy.params)[:8]}"
    engine = Engine(policy)
    repeats: collections.Counter[str] = collections.Counter()

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        worker = asyncio.create_task(engine.serve())
        yield
        worker.cancel()

    async def models(_: Request) -> JSONResponse:
        return JSONResponse({"object": "list", "data": [{"id": model, "object": "model", "owned_by": "restem"}]})

    async def health(_: Request) -> JSONResponse:
        return JSONResponse({"status": "ok"})

    async def complete(request: Request) -> JSONResponse:
        chat = request.url.path.endswith("/chat/completions")
        body = await _body(request)
        if body.get("model") not in (None, name, model):
            raise BadRequest(f"no model {str(body.get('model'))[:80]!r} here; this is {model!r}", "model", 404)
        prompts = _chat_prompt(policy, body) if chat else _plain_prompts(policy, body)
        decoding = _decoding(policy, body, max(map(len, prompts)))
        choices = _integer(body, "n", 1, 1, MAX_CHOICES)
        if len(prompts) * choices > MAX_ROWS:
            raise BadRequest(f"prompts times n may not exceed {MAX_ROWS}", "n")
        seed = _seed(body, repeats)
        futures = [
            engine.submit(prompt, np.array([row_key(seed, index, choice) for choice in range(choices)]), decoding)
            for index, prompt in enumerate(prompts)
        ]
        answers = [answer for of_prompt in await asyncio.gather(*futures) for answer in of_prompt]
        return JSONResponse(_reply(chat, model, prompts, answers))

    routes = [
        Route("/v1/models", models),
        Route("/health", health),
        Route("/v1/chat/completions", complete, methods=["POST"]),
        Route("/v1/completions", complete, methods=["POST"]),
    ]
    return Starlette(
        routes=routes,
        lifespan=lifespan,
        exception_handlers={BadRequest: _refuse},
        # A page that has its own name point to this machine (DNS rebinding) still sends that name.
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=LOOPBACK)],
    )


async def _refuse(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, BadRequest)
    kind = "invalid_request_error" if error.status < 500 else "server_error"
    detail = {"message": str(error), "type": kind, "param": error.param, "code": None}
    return JSONResponse({"error": detail}, status_code=error.status)


async def _body(request: Request) -> dict[str, Any]:
    if request.headers.get("content-type", "").split(";")[0].strip() != "application/json":
        raise BadRequest("the body must be application/json", status=415)
    raw = b""
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > MAX_BODY_BYTES:
            raise BadRequest(f"the body is over {MAX_BODY_BYTES} bytes", status=413)
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        raise BadRequest("the body is not JSON") from None
    if not isinstance(body, dict):
        raise BadRequest("the body must be a JSON object")
    for key, value in body.items():
        if key not in ACCEPTED and value is not None:
            raise BadRequest(f"{key[:80]!r} is not supported", key[:80])
    if not _is_text(raw):
        raise BadRequest("the body holds half a surrogate pair, which is no text")
    if body.get("stream"):
        raise BadRequest("streaming is not supported", "stream")
    return body


def _is_text(raw: bytes) -> bool:
    """Whether every string of a JSON body is valid Unicode: an escaped lone surrogate is not."""
    try:
        json.dumps(json.loads(raw), ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _chat_prompt(policy: Policy, body: dict[str, Any]) -> list[list[int]]:
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise BadRequest("messages must be a non-empty list", "messages")
    turns: list[tuple[str, str]] = []
    for message in messages:
        role = message.get("role") if isinstance(message, dict) else None
        content = message.get("content") if isinstance(message, dict) else None
        if role not in ("system", "user", "assistant") or not isinstance(content, str):
            raise BadRequest("a message needs a role (system, user, assistant) and a text content", "messages")
        role = "model" if role == "assistant" else "user"
        if turns and turns[-1][0] == role:  # Gemma has no system turn: it goes before the user's words
            turns[-1] = (role, f"{turns[-1][1]}\n{content}")
        else:
            turns.append((role, content))
    return [policy.tokenizer.encode_chat(turns)]


def _plain_prompts(policy: Policy, body: dict[str, Any]) -> list[list[int]]:
    prompt = body.get("prompt")
    prompts = prompt if isinstance(prompt, list) and prompt and not isinstance(prompt[0], int) else [prompt]
    encoded: list[list[int]] = []
    for item in prompts:
        if isinstance(item, str):
            encoded.append([policy.tokenizer.bos_id, *policy.tokenizer.encode(item)])
        elif isinstance(item, list) and item and all(isinstance(i, int) for i in item):
            if not all(0 < i < policy.tokenizer.vocab_size for i in item):
                raise BadRequest("a token id is outside the vocabulary", "prompt")
            encoded.append(item)
        else:
            raise BadRequest("prompt must be a text, a list of token ids, or a list of those", "prompt")
    return encoded


def _decoding(policy: Policy, body: dict[str, Any], longest: int) -> Decoding:
    room = policy.architecture.context_length - longest
    if room < 1:
        raise BadRequest(f"the prompt has {longest} tokens; the context holds {longest + room}", "messages")
    name = "max_completion_tokens" if body.get("max_completion_tokens") is not None else "max_tokens"
    asked = _integer(body, name, min(room, 64), 1, 1_000_000)
    if asked > room:
        raise BadRequest(
            f"{name}={asked} and a prompt of {longest} tokens exceed the context of {longest + room}", name
        )
    temperature = _number(body, "temperature", 2)
    greedy = temperature < COLDEST
    return Decoding(
        temperature=1.0 if greedy else temperature,
        top_k=GREEDY_TOP_K if greedy else policy.tokenizer.vocab_size,
        top_p=_number(body, "top_p", 1) or 1e-6,  # 0 as OpenAI has it: the likeliest token alone
        max_new_tokens=asked,
        stop_ids=policy.tokenizer.stop_ids,
    )


def _number(body: dict[str, Any], name: str, high: int) -> float:
    """A number from 0 to `high`; 1 where none is given."""
    value = body.get(name)
    value = 1.0 if value is None else value
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= high:
        raise BadRequest(f"{name} must be between 0 and {high}", name)
    return float(value)


def _integer(body: dict[str, Any], name: str, default: int, low: int, high: int) -> int:
    value = body.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise BadRequest(f"{name} must be a whole number from {low} to {high}", name)
    return value


def _seed(body: dict[str, Any], repeats: collections.Counter[str]) -> int:
    """A number for this request. The same body and seed sent again draws the next samples, not the same ones:
    clients that ask for k samples with k equal requests would otherwise get one sample k times."""
    if body.get("seed") is None:
        return int.from_bytes(os.urandom(8))
    seed = _integer(body, "seed", 0, -(2**63), 2**63)
    digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
    repeats[digest] += 1
    return int(hashlib.sha256(f"{seed}\n{digest}\n{repeats[digest]}".encode()).hexdigest()[:15], 16)


def _reply(chat: bool, model: str, prompts: list[list[int]], answers: list[tuple[str, str, int]]) -> dict[str, Any]:
    choices = [
        {"index": i, "finish_reason": reason, "logprobs": None}
        | ({"message": {"role": "assistant", "content": text, "refusal": None}} if chat else {"text": text})
        for i, (text, reason, _) in enumerate(answers)
    ]
    prompt_tokens, drawn = sum(map(len, prompts)), sum(length for _, _, length in answers)
    return {
        "id": f"cmpl-{os.urandom(8).hex()}",
        "object": "chat.completion" if chat else "text_completion",
        "created": int(time.time()),
        "model": model,
        "choices": choices,
        "usage": {"prompt_tokens": prompt_tokens, "completion_tokens": drawn, "total_tokens": prompt_tokens + drawn},
    }
