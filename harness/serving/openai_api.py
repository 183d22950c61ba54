"""Requests and replies of OpenAI's routes /v1/chat/completions and /v1/completions.

Takes the bytes or the JSON of a request's body; gives prompts, decoding and seed, and the JSON of the reply. Does not
depend on the server or on how prompts are decoded.

What is not supported is refused with an error in OpenAI's form; nothing is ignored.
"""

from __future__ import annotations

import collections
import hashlib
import json
import os
import time
from collections.abc import Sequence
from typing import Any

from restem.harness.model.policy import Policy
from restem.harness.sampling.sampler import GREEDY_TOP_K, Decoding

MAX_BODY_BYTES = 1_000_000
MAX_CHOICES = 64
MAX_SAMPLES = 1024  # prompts times choices of a request
DEFAULT_NEW_TOKENS = 64
# At lower temperatures the quotient leaves the range of floats, and every draw is the greedy one anyway.
MIN_TEMPERATURE = 0.01
LIMITS = ("max_tokens", "max_completion_tokens")
ACCEPTED = {"model", "messages", "prompt", *LIMITS, "temperature", "top_p", "n", "seed", "stream"}


class BadRequest(Exception):
    """The request cannot be fulfilled.

    Args:
        message: Why.
        param: The field of the body that is at fault.
        status: The HTTP status.
    """

    def __init__(self, message: str, param: str | None = None, status: int = 400) -> None:
        super().__init__(message)
        self.param, self.status = param, status


def parse_body(raw: bytes) -> dict[str, Any]:
    """The JSON object of a body.

    Raises:
        BadRequest: It is not one, it is not valid Unicode, or it asks for something that is not supported.
    """
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        raise BadRequest("the body is not JSON") from None
    if not isinstance(body, dict):
        raise BadRequest("the body must be a JSON object")
    for key, value in body.items():
        if key not in ACCEPTED and value is not None:
            raise BadRequest(f"{key[:80]!r} is not supported", key[:80])
    if not _is_unicode(raw):
        raise BadRequest("the body holds half a surrogate pair, which is not valid Unicode")
    if body.get("stream"):
        raise BadRequest("streaming is not supported", "stream")
    return body


def _is_unicode(raw: bytes) -> bool:
    """Whether every string of a JSON body is valid Unicode; an escaped lone surrogate is not."""
    try:
        json.dumps(json.loads(raw), ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def chat_prompts(policy: Policy, body: dict[str, Any]) -> list[list[int]]:
    """The one prompt of a chat request.

    Raises:
        BadRequest: `messages` is not a list of messages with text.
    """
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
        if turns and turns[-1][0] == role:  # Gemma has no system turn: its text goes before the user's
            turns[-1] = (role, f"{turns[-1][1]}\n{content}")
        else:
            turns.append((role, content))
    return [policy.tokenizer.encode_chat(turns)]


def completion_prompts(policy: Policy, body: dict[str, Any]) -> list[list[int]]:
    """The prompts of a completion request, from texts or token ids.

    Raises:
        BadRequest: `prompt` is neither.
    """
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


def decoding_of(policy: Policy, body: dict[str, Any], longest: int) -> Decoding:
    """How the request's responses are decoded, when its longest prompt has this many tokens.

    Raises:
        BadRequest: A setting is out of range, or prompt and response exceed the context.
    """
    room = policy.architecture.context_length - longest
    if room < 1:
        raise BadRequest(f"the prompt has {longest} tokens; the context holds {longest + room}", "messages")
    name = "max_completion_tokens" if body.get("max_completion_tokens") is not None else "max_tokens"
    limit = _integer(body, name, min(room, DEFAULT_NEW_TOKENS), 1, 1_000_000)
    if limit > room:
        raise BadRequest(
            f"{name}={limit} and a prompt of {longest} tokens exceed the context of {longest + room}", name
        )
    temperature = _number(body, "temperature", 2)
    greedy = temperature < MIN_TEMPERATURE
    return Decoding(
        temperature=1.0 if greedy else temperature,
        top_k=GREEDY_TOP_K if greedy else policy.tokenizer.vocab_size,
        top_p=_number(body, "top_p", 1) or 1e-6,  # OpenAI's 0: the likeliest token alone
        max_new_tokens=limit,
        stop_ids=policy.tokenizer.stop_ids,
    )


def choice_count(body: dict[str, Any], prompts: int) -> int:
    """The number of choices for each of this many prompts.

    Raises:
        BadRequest: It is out of range.
    """
    choices = _integer(body, "n", 1, 1, MAX_CHOICES)
    if prompts * choices > MAX_SAMPLES:
        raise BadRequest(f"prompts times n may not exceed {MAX_SAMPLES}", "n")
    return choices


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


def seed_of(body: dict[str, Any], repeats: collections.Counter[str]) -> int:
    """The seed of a request's samples, random where the body has none; counts the request in `repeats`.

    The same body and seed sent again gives another seed: clients that ask for k samples with k equal requests would
    otherwise get one sample k times.
    """
    if body.get("seed") is None:
        return int.from_bytes(os.urandom(8))
    seed = _integer(body, "seed", 0, -(2**63), 2**63)
    digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
    repeats[digest] += 1
    return int(hashlib.sha256(f"{seed}\n{digest}\n{repeats[digest]}".encode()).hexdigest()[:15], 16)


def reply(
    chat: bool, model: str, prompts: Sequence[Sequence[int]], choices: Sequence[tuple[str, str, int]]
) -> dict[str, Any]:
    """The JSON of a reply; choices are (text, finish reason, tokens drawn)."""
    items = [
        {"index": i, "finish_reason": reason, "logprobs": None}
        | ({"message": {"role": "assistant", "content": text, "refusal": None}} if chat else {"text": text})
        for i, (text, reason, _) in enumerate(choices)
    ]
    prompt_tokens, drawn = sum(map(len, prompts)), sum(length for _, _, length in choices)
    return {
        "id": f"cmpl-{os.urandom(8).hex()}",
        "object": "chat.completion" if chat else "text_completion",
        "created": int(time.time()),
        "model": model,
        "choices": items,
        "usage": {"prompt_tokens": prompt_tokens, "completion_tokens": drawn, "total_tokens": prompt_tokens + drawn},
    }


def error_reply(error: BadRequest) -> dict[str, Any]:
    """The JSON of a refusal, in OpenAI's form."""
    kind = "invalid_request_error" if error.status < 500 else "server_error"
    return {"error": {"message": str(error), "type": kind, "param": error.param, "code": None}}
