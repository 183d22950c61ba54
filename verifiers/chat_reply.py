"""What one answer of a chat server means: a usable reply, or a fault and what it asks for.

Takes decoded bodies, the openai client's errors and stored rows; gives `ChatReply` or `Fault`. Sends nothing, waits for
nothing, trusts nothing in a body: whatever a server sends is either read or a fault.
"""

from __future__ import annotations

import dataclasses
import email.utils
import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeGuard

import openai

MAX_TEXT = 4_000  # a judge is asked for one character; what a broken server adds is not worth storing

type Redactor = Callable[[str], str]


@dataclasses.dataclass(frozen=True, kw_only=True)
class ChatReply:
    """One usable reply.

    Attributes:
        text: The message's content; empty where there was none.
        finish_reason: Why the model stopped; `refusal` where it refused, whatever the server said.
        refusal: The model's refusal, or None.
        model: The model name that the server returned; empty where it returned none.
        seconds: Time spent in requests, without the waits between them.
        attempts: Every try: `result` and `seconds`. Empty for a reply that came out of the store.
    """

    text: str
    finish_reason: str | None
    refusal: str | None
    model: str
    prompt_tokens: int
    completion_tokens: int
    seconds: float
    attempts: list[dict[str, Any]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rejected:
    """The server will not take this request (400, 413, 422); other requests are not affected."""

    reason: str
    seconds: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fault:
    """Why one try gave no usable reply, and what it asks for."""

    result: str
    wait_seconds: float = 0.0
    limited: bool = False
    rejected: bool = False
    fatal: bool = False


def status_fault(error: openai.APIStatusError, redacted: Redactor) -> Fault:
    """What a status outside 2xx asks for: another try, a wait, giving up this request, or giving up."""
    status = error.status_code
    # Redacted before it is cut: half a key is still a secret. repr keeps control characters off the terminal.
    result = f"{status} {redacted(error.message)[:200]!r}"
    if "insufficient_quota" in (error.code, error.type):
        return Fault(result=result, fatal=True)
    if status == 429:
        return Fault(result=result, limited=True, wait_seconds=retry_after(error.response.headers))
    if status in (408, 409) or status >= 500:
        return Fault(result=result)
    rejected = status in (400, 413, 422)
    return Fault(result=result, rejected=rejected, fatal=not rejected)


def retry_after(headers: Mapping[str, str]) -> float:
    """Seconds that a server asks to wait: `retry-after-ms`, or `retry-after` in seconds or as a date; 0 if unsaid."""
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
    """Whether a body has what we read: a first choice with a message whose content is text, null or left out."""
    match data:
        case {"choices": [{"message": {**message}}, *_]}:
            return isinstance(message.get("content"), str | None)
    return False


def reply_in(data: Mapping[str, Any], attempts: list[dict[str, Any]], redacted: Redactor) -> ChatReply:
    """The reply in a usable body."""
    choice = data["choices"][0]
    usage = data.get("usage")
    counts = usage if isinstance(usage, dict) else {}

    def text(value: object) -> str:
        return redacted(value)[:MAX_TEXT] if isinstance(value, str) else ""

    content, refusal = text(choice["message"].get("content")), text(choice["message"].get("refusal"))
    finish_reason = "refusal" if refusal else text(choice.get("finish_reason")) or None
    refused = finish_reason == "refusal"
    return ChatReply(
        text="" if refused else content,
        finish_reason=finish_reason,
        refusal=refusal or content if refused else None,
        model=text(data.get("model")),
        prompt_tokens=_count(counts.get("prompt_tokens")),
        completion_tokens=_count(counts.get("completion_tokens")),
        seconds=total_seconds(attempts),
        attempts=attempts,
    )


def _count(value: object) -> int:
    """A token count; 0 where the server sent none that can be one."""
    return value if isinstance(value, int) and 0 <= value < 2**53 else 0


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
    )
