"""What requests to /v1/chat/completions and /v1/completions ask for: prompts as token ids, decoding, seed.

Takes the JSON object of a body and a policy; gives a `Request`. Does not depend on the server or on how prompts are
decoded. parameters.py says which parameters there are.
"""

from __future__ import annotations

import collections
import dataclasses
import hashlib
import json
import os
from typing import Any

from restem.harness.model.policy import Policy
from restem.harness.serving import parameters
from restem.harness.serving.errors import BadRequest, invalid

ROLES = {"system": "user", "developer": "user", "user": "user", "assistant": "model"}  # Gemma has two


@dataclasses.dataclass(frozen=True, kw_only=True)
class Request:
    """What a body asks for.

    Attributes:
        chat: Whether it came to the chat route.
        prompts: Token ids.
        before: Tokens that the server put before each prompt, which an echo leaves out.
        limits: Tokens that may be drawn after each prompt; 0: none.
        choices: Choices for each prompt.
        temperature: 0: the likeliest token.
        top_k: How many of the likeliest tokens may be drawn.
        top_p: The share of the probability that may be drawn.
        stops: Texts that end a response.
        alternatives: Likeliest tokens given with each token; None: no log-probabilities.
        echo: Whether a choice begins with the prompt.
        stream: Whether the reply comes in parts.
        stream_usage: Whether the last part is the usage.
        token_ids: Whether a choice has the ids of its tokens.
    """

    chat: bool
    prompts: list[list[int]]
    before: list[int]
    limits: list[int]
    choices: int
    temperature: float
    top_k: int
    top_p: float
    stops: tuple[str, ...] = ()
    alternatives: int | None = None
    echo: bool = False
    stream: bool = False
    stream_usage: bool = False
    token_ids: bool = False

    @property
    def greedy(self) -> bool:
        """Whether the likeliest token is taken, whatever the seed."""
        return self.temperature < parameters.MIN_TEMPERATURE or self.top_k == 1


def read(policy: Policy, body: dict[str, Any], *, chat: bool) -> Request:
    """What a body asks for.

    Raises:
        BadRequest: It asks for what is not supported, a value is out of range, or a prompt fills the context.
    """
    parameters.check_known(body, "chat" if chat else "completions")
    prompts, before = (chat_prompts if chat else completion_prompts)(policy, body)
    echo = parameters.flag(body, "echo") and not chat
    stream = parameters.flag(body, "stream")
    if echo and stream:
        raise BadRequest("echo cannot be streamed", "echo", code="unsupported_value")
    token_ids = parameters.flag(body, "return_token_ids")
    if token_ids and stream:
        raise BadRequest("token ids cannot be streamed", "return_token_ids", code="unsupported_value")
    parameters.check_stop_ids(body, policy.tokenizer.stop_ids)
    return Request(
        chat=chat,
        prompts=prompts,
        before=before,
        limits=[limit_of(policy, body, len(prompt), 0 if echo else 1) for prompt in prompts],
        choices=parameters.choice_count(body, len(prompts)),
        temperature=parameters.number(body, "temperature", 2),
        top_k=parameters.top_k(body, policy.tokenizer.vocab_size),
        top_p=parameters.number(body, "top_p", 1) or 1e-6,  # OpenAI's 0: the likeliest token alone
        stops=parameters.stops(body),
        alternatives=parameters.alternatives(body, "chat" if chat else "completions"),
        echo=echo,
        stream=stream,
        stream_usage=parameters.usage_wanted(body),
        token_ids=token_ids,
    )


def chat_prompts(policy: Policy, body: dict[str, Any]) -> tuple[list[list[int]], list[int]]:
    """The one prompt of a chat request, and that an echo would leave none of it out.

    The policy's turn begins after the last message, whosever it is. With `continue_final_message` (vLLM's name) a last
    message of the assistant is the beginning of the policy's own turn.

    Raises:
        BadRequest: `messages` is not a list of messages with text.
    """
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise invalid("messages", "a non-empty list", messages)
    turns: list[tuple[str, str]] = []
    for index, message in enumerate(messages):
        role, content = _turn(message, index)
        if turns and turns[-1][0] == role:  # Gemma has no system turn: its text goes before the user's
            turns[-1] = (role, f"{turns[-1][1]}\n{content}")
        else:
            turns.append((role, content))
    prefill = parameters.flag(body, "continue_final_message")
    if parameters.flag(body, "add_generation_prompt", not prefill) == prefill:
        raise BadRequest(
            "a chat ends with the policy's turn: add_generation_prompt is the opposite of continue_final_message",
            "add_generation_prompt",
            code="unsupported_value",
        )
    if not prefill:
        return [policy.tokenizer.encode_chat(turns)], [0]
    if len(turns) < 2 or turns[-1][0] != "model" or policy.tokenizer.few_shot is not None:
        raise BadRequest(
            "continue_final_message needs a last message of the assistant after one of the user, and a chat policy",
            "continue_final_message",
            code="invalid_value",
        )
    return [[*policy.tokenizer.encode_chat(turns[:-1]), *policy.tokenizer.encode(turns[-1][1])]], [0]


def _turn(message: Any, index: int) -> tuple[str, str]:
    """Role and text of a message."""
    role = message.get("role") if isinstance(message, dict) else None
    place = f"messages[{index}]"
    if not isinstance(role, str) or role not in ROLES:
        raise invalid("messages", f"messages with the roles {', '.join(ROLES)} ({place}.role)", role)
    content = message.get("content")
    if content is None and role == "assistant":
        content = ""
    if isinstance(content, list):
        content = "".join(_part(part, f"{place}.content") for part in content)
    if not isinstance(content, str):
        raise invalid("messages", f"messages with a text ({place}.content)", content)
    for name in ("tool_calls", "function_call", "audio"):
        if message.get(name):
            raise BadRequest(f"{place}.{name} is not supported", "messages", code="unsupported_value")
    return ROLES[role], content


def _part(part: Any, place: str) -> str:
    text = part.get("text") if isinstance(part, dict) and part.get("type") == "text" else None
    if not isinstance(text, str):
        raise invalid("messages", f"parts of type text alone ({place})", part)
    return text


def completion_prompts(policy: Policy, body: dict[str, Any]) -> tuple[list[list[int]], list[int]]:
    """The prompts of a completion request, from texts or token ids, and the tokens put before each.

    A text gets the token that begins every sequence before it; token ids are taken as they are.

    Raises:
        BadRequest: `prompt` is neither.
    """
    prompt = body.get("prompt")
    items = prompt if isinstance(prompt, list) and prompt and isinstance(prompt[0], str | list) else [prompt]
    prompts, before = [], []
    for item in items:
        if isinstance(item, str):
            start = [policy.tokenizer.bos_id] if parameters.flag(body, "add_special_tokens", True) else []
            ids = [*start, *policy.tokenizer.encode(item)]
        else:
            start, ids = [], token_ids(policy, item, "prompt")
        if not ids:
            raise invalid("prompt", "a text that is not empty", item)
        prompts.append(ids)
        before.append(len(start))
    if len(prompts) > parameters.MAX_SAMPLES:
        raise invalid("prompt", f"at most {parameters.MAX_SAMPLES} prompts", len(prompts))
    return prompts, before


def token_ids(policy: Policy, value: Any, name: str) -> list[int]:
    """Ids of the policy's vocabulary.

    Raises:
        BadRequest: The value is not a list of them; true is no id.
    """
    if not isinstance(value, list) or not value or not all(type(id) is int for id in value):
        raise invalid(name, "a text, a list of token ids, or a list of those", value)
    if not all(0 < id < policy.tokenizer.vocab_size for id in value):
        raise BadRequest(f"a token id is outside the vocabulary of {policy.tokenizer.vocab_size}", name)
    return value


def limit_of(policy: Policy, body: dict[str, Any], prompt: int, least: int) -> int:
    """The tokens that may be drawn after a prompt of this many: as asked for, and at most up to the context.

    Raises:
        BadRequest: The prompt leaves no room in the context.
    """
    context = policy.architecture.context_length
    if context - prompt < least:
        raise BadRequest(
            f"the prompt has {prompt} tokens; the context holds {context}, and at least {least} must follow",
            "messages" if "messages" in body else "prompt",
            code="context_length_exceeded",
        )
    name = "max_completion_tokens" if body.get("max_completion_tokens") is not None else "max_tokens"
    return min(parameters.integer(body, name, context, least, 2**31), context - prompt)


def seed_of(body: dict[str, Any], repeats: collections.Counter[str]) -> int:
    """The seed of a request's samples, random where the body has none; counts the request in `repeats`.

    The n-th request with the same body and seed gives the n-th seed of that body: clients that ask for k samples with k
    equal requests would otherwise get one sample k times. `"restem_sample": n` asks for the n-th in one request.
    """
    sample = parameters.integer(body, "restem_sample", 0, 1, 2**31)
    body = {name: value for name, value in body.items() if name != "restem_sample"}
    if body.get("seed") is None:
        if sample:
            raise BadRequest("restem_sample needs a seed", "restem_sample", code="invalid_value")
        return int.from_bytes(os.urandom(8))
    seed = parameters.integer(body, "seed", 0, -(2**63), 2**63)
    digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
    if not sample:
        repeats[digest] += 1
        sample = repeats[digest]
    return int(hashlib.sha256(f"{seed}\n{digest}\n{sample}".encode()).hexdigest()[:15], 16)
