"""Reads one answer of a chat server: a usable reply, or a fault and what has to follow.

Takes bodies, statuses and stored rows; gives `ChatReply` or `Fault`. It sends nothing and waits for nothing. Bodies are
not trusted: one that cannot be read is a fault.
"""

from __future__ import annotations

import dataclasses
import email.utils
import json
import math
import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias, TypeGuard

from restem.verifiers.chat.budget import NOTHING, Charge

MAX_TEXT = 16_000  # a judge is asked for one character or a few sentences; more is not worth storing
# The tags around the reasoning of DeepSeek, Qwen, Seed and others; Mistral writes [THINK], Kimi \u25c1think\u25b7.
REASONING_TAG = re.compile(r"[<\[\u25c1](/?)(?:seed:)?(?:think|thinking|thought|reasoning)[>\]\u25b7]", re.IGNORECASE)
LEFT_OUT = "\n\u2026\n"
MOST_TOKENS = 2**53
# A server that says so has not begun; 500, 502 and 504 may come after the model has answered.
NOT_DONE = (501, 503, 529)

Redactor: TypeAlias = Callable[[str], str]


@dataclasses.dataclass(frozen=True, kw_only=True)
class ChatReply:
    """One usable reply.

    Attributes:
        text: The message's content; empty where there was none.
        finish_reason: Why the model stopped; `refusal` where it refused, whatever the server's field holds.
        refusal: The model's refusal, or None.
        model: The model name that the server returned; empty where it returned none.
        seconds: Time spent in requests, without the waits between them.
        attempts: Every try: `result` and `seconds`. Empty for a reply that came out of the store.
        logprob_1: Log-probability of `1` where the last `1` or `0` of the reply stands; None where not
            requested or not returned.
        logprob_0: The same of `0`.
    """

    text: str
    finish_reason: str | None
    refusal: str | None
    model: str
    prompt_tokens: int
    completion_tokens: int
    seconds: float
    attempts: list[dict[str, Any]]
    logprob_1: float | None = None
    logprob_0: float | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rejected:
    """A request that will have no reply: the server rejects it (400, 413, 422), or its reply is not stored and the
    options are offline. Other requests are not affected."""

    reason: str
    seconds: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fault:
    """Why one try gave no usable reply, and what has to follow.

    Attributes:
        result: What happened.
        wait_seconds: How long the server asked to wait.
        limited: Too many requests: wait, then send it again.
        overloaded: Fewer requests at once would help.
        rejected: The server will never accept this request.
        fatal: The server will accept no request.
        refused_parameter: The server accepts the request without this parameter.
        status: The HTTP status; 0 where there is none, or where it is not an error.
        html: A web page came in place of a reply.
        maybe_billed: The provider may bill this try, although it gave no usable reply.
    """

    result: str
    wait_seconds: float = 0.0
    limited: bool = False
    overloaded: bool = False
    rejected: bool = False
    fatal: bool = False
    refused_parameter: str | None = None
    status: int = 0
    html: bool = False
    maybe_billed: bool = False


def is_html(body: bytes) -> bool:
    """Whether a body is a web page."""
    return re.match(rb"\s*<(?:!doctype\s+html|html|head|body)\b", body[:1000], re.IGNORECASE) is not None


def refused(status: int, headers: Mapping[str, str], body: bytes, redacted: Redactor) -> Fault:
    """The fault of a status outside 2xx: try again, wait, give up this request, or give up."""
    fault = fault_of(status, _error_in(body), redacted)
    wait = retry_after(headers) if fault.limited else 0.0
    return dataclasses.replace(fault, wait_seconds=wait, status=status, html=is_html(body))


def _error_in(body: bytes) -> dict[str, Any]:
    """The error in a body: under `error` as OpenAI writes it, or the body itself; at least a `message`."""
    text = body.decode("utf-8", "replace")
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return {"message": text.strip()}
    error = data.get("error", data) if isinstance(data, dict) else data
    known = error if isinstance(error, dict) else {}
    return known | {"message": known.get("message") or (error if isinstance(error, str) else text.strip())}


def fault_of(status: int, error: Mapping[str, Any], redacted: Redactor) -> Fault:
    """The fault of a status and the error in its body."""
    # Redacted before it is cut: a part of a key is a secret too. repr keeps control characters off the terminal.
    result = f"{status} {redacted(str(error.get('message')))[:200]!r}"
    if "insufficient_quota" in (error.get("code"), error.get("type")):
        return Fault(result=result, fatal=True)
    if status == 429:
        return Fault(result=result, limited=True, overloaded=True)
    if status in (408, 409) or status >= 500:
        return Fault(result=result, overloaded=status == 503, maybe_billed=status >= 500 and status not in NOT_DONE)
    if status == 400 and (parameter := _refused_parameter(error)):
        return Fault(result=result, rejected=True, refused_parameter=parameter)
    rejected = status in (400, 413, 422)
    return Fault(result=result, rejected=rejected, fatal=not rejected)


def _refused_parameter(error: Mapping[str, Any]) -> str | None:
    """The parameter that the model does not support, or whose value it refuses, if the request can omit it."""
    named, message = error.get("param"), str(error.get("message"))
    if named in ("max_tokens", "temperature", "seed"):
        return named if error.get("code") in ("unsupported_parameter", "unsupported_value") else None
    # The message of servers that fill in neither code nor parameter.
    return "max_tokens" if "'max_tokens'" in message and "'max_completion_tokens' instead" in message else None


def retry_after(headers: Mapping[str, str]) -> float:
    """Seconds that a server asks to wait: `retry-after-ms`, or `retry-after` in seconds or as a date; else 0."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        text = headers.get(name, "")
        try:
            seconds = float(text) * unit
        except ValueError:
            seconds = _seconds_until(text)
        if math.isfinite(seconds) and seconds > 0:
            return seconds
    return 0.0


def _seconds_until(date: str) -> float:
    try:
        return email.utils.parsedate_to_datetime(date).timestamp() - time.time()
    except (ValueError, OverflowError):
        return 0.0


def usable(data: object) -> TypeGuard[dict[str, Any]]:
    """Whether a body has what is read: a first choice with a message whose content is text, null or left out."""
    match data:
        case {"choices": [{"message": {**message}}, *_]}:
            return isinstance(message.get("content"), str | None)
    return False


def reported_tokens(data: Mapping[str, Any]) -> tuple[int, int] | None:
    """Prompt and completion tokens by the server's own count; None where it sent no such count."""
    match data.get("usage"):
        case {"prompt_tokens": int(prompt), "completion_tokens": int(completion)}:
            # A prompt has a token. `True` is an int too; no provider means it.
            credible = 0 < prompt < MOST_TOKENS and 0 <= completion < MOST_TOKENS
            return (prompt, completion) if credible and not {type(prompt), type(completion)} - {int} else None
    return None


def reply_in(
    data: Mapping[str, Any], attempts: list[dict[str, Any]], redacted: Redactor, most: Charge = NOTHING
) -> ChatReply:
    """The reply in a usable body, with the tokens of `most` where the server reported none."""
    choice = data["choices"][0]
    prompt_tokens, completion_tokens = reported_tokens(data) or (most.prompt_tokens, most.completion_tokens)

    def text(value: object) -> str:
        return redacted(value)[:MAX_TEXT] if isinstance(value, str) else ""

    whole, refusal = redacted(choice["message"].get("content") or ""), text(choice["message"].get("refusal"))
    content = without_middle_of_reasoning(whole)
    finish_reason = "refusal" if refusal else text(choice.get("finish_reason")) or None
    refused = finish_reason == "refusal"
    if len(content) > MAX_TEXT:
        content, finish_reason = content[:MAX_TEXT], "length"  # a text that was cut here may end like a verdict
    logprob_1, logprob_0 = verdict_logprobs(choice)
    return ChatReply(
        text="" if refused else content,
        finish_reason=finish_reason,
        refusal=refusal or content if refused else None,
        model=text(data.get("model")),
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
        seconds=total_seconds(attempts),
        attempts=attempts,
        logprob_1=logprob_1,
        logprob_0=logprob_0,
    )


def without_middle_of_reasoning(text: str) -> str:
    """A text of more than MAX_TEXT characters without the middle of its reasoning, where that makes it short enough.

    All that stands after the reasoning is kept, because a verdict is read from it. A text with further tags in the part
    that would be left out stays as it is.
    """
    if len(text) <= MAX_TEXT:
        return text
    tags = list(REASONING_TAG.finditer(text))
    head = MAX_TEXT // 2
    if not tags or not tags[-1][1] or len(text) - tags[-1].start() > head - len(LEFT_OUT):
        return text
    return text if any(tag.end() > head for tag in tags[:-1]) else text[:head] + LEFT_OUT + text[tags[-1].start() :]


def verdict_logprobs(choice: Mapping[str, Any]) -> tuple[float | None, float | None]:
    """Log-probabilities of `1` and of `0`, with or without a space before, at the last token that is one of them."""
    match choice.get("logprobs"):
        case {"content": [*tokens]}:
            for token in reversed(tokens):
                if _digit(token) is not None and isinstance(token.get("top_logprobs"), list):
                    return _alternatives(token["top_logprobs"])
    return None, None


def _alternatives(top_logprobs: Sequence[object]) -> tuple[float | None, float | None]:
    chances: dict[str, list[float]] = {"1": [], "0": []}
    for token in top_logprobs[:64]:
        digit = _digit(token)
        value = token.get("logprob") if isinstance(token, dict) else None
        if digit is not None and isinstance(value, int | float) and -1e6 < value < 1e-3:
            chances[digit].append(math.exp(value))
    ones, zeros = (math.fsum(chances[digit]) for digit in "10")
    return math.log(ones) if ones else None, math.log(zeros) if zeros else None


def _digit(token: object) -> str | None:
    text = token.get("token") if isinstance(token, dict) else None
    return text.strip() if isinstance(text, str) and text.strip() in ("0", "1") else None


def total_seconds(attempts: Sequence[Mapping[str, Any]]) -> float:
    """Time spent in all tries."""
    return sum(attempt["seconds"] for attempt in attempts)


def reply_of_row(row: Mapping[str, Any]) -> ChatReply:
    """The reply that a stored row holds."""
    refused = row["finish_reason"] == "refusal"
    reply = row["reply"] or ""
    return ChatReply(
        text="" if refused else reply,
        finish_reason=row["finish_reason"],
        refusal=reply if refused else None,
        model=row["model"] or "",
        prompt_tokens=row["prompt_tokens"],
        completion_tokens=row["completion_tokens"],
        seconds=row["seconds"],
        attempts=[],
        logprob_1=row["logprob_1"],
        logprob_0=row["logprob_0"],
    )
