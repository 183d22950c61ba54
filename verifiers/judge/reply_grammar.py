"""The verdict in a judge's replies: 1, 0, or none.

Takes usable replies; gives an outcome, a score and a reason. It does not depend on prompts or on the transport.

Two grammars, each a full match, so that no part of a reply is mistaken for a verdict:
- Without reasons, the whole reply is `1` or `0`, perhaps in bold, with a full stop, or after `Verdict:`.
- With reasons, the last line is `VERDICT: 1` or `VERDICT: 0`, and no line before it holds a verdict.
Any other reply is undecided, never wrong.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Sequence

from restem.verifiers.chat.reply import ChatReply, Rejected
from restem.verifiers.verdict import Outcome

_INVISIBLE = "\\s\u200b-\u200d\u2060\ufeff"
NOTHING = re.compile(f"[{_INVISIBLE}]*")
_BARE = re.compile(
    f"[{_INVISIBLE}*]*+(?:verdict[{_INVISIBLE}*]*+:[{_INVISIBLE}*]*+)?([01])[{_INVISIBLE}*.]*+", re.IGNORECASE
)
_LAST_LINE = re.compile(
    f"[{_INVISIBLE}*]*+verdict[{_INVISIBLE}*]*+:[{_INVISIBLE}*]*+([01])[{_INVISIBLE}*.]*+", re.IGNORECASE
)
_VERDICT_LABEL = re.compile(f"verdict[{_INVISIBLE}*]*+:", re.IGNORECASE)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Vote:
    """The vote in one reply.

    Attributes:
        value: 1, 0, or None where the reply gives neither.
        score: The probability of 1, from log-probabilities where they were requested and returned, else the value.
        soft: Whether the score comes from log-probabilities.
        reason: Why there is no value.
    """

    value: int | None
    score: float | None = None
    soft: bool = False
    reason: str | None = None


def read_vote(reply: ChatReply | Rejected, *, reasons: bool) -> Vote:
    """The vote in one reply."""
    if isinstance(reply, Rejected):
        return Vote(value=None, reason=reply.reason)
    value, reason = read_reply(reply, reasons=reasons)
    if value is None:
        return Vote(value=None, reason=reason)
    score = soft_score(reply.logprob_1, reply.logprob_0)
    if score is None or score == 1 - value:  # a score that excludes the written digit is not of this reply
        return Vote(value=value, score=float(value))
    return Vote(value=value, score=score, soft=True)


def read_reply(reply: ChatReply, *, reasons: bool = False) -> tuple[int | None, str | None]:
    """1 or 0 and no reason, or None and the reason."""
    if reply.refusal is not None:
        return None, f"the judge refused: {reply.refusal[:80]!r}"
    if reply.finish_reason in ("length", "content_filter"):
        return None, f"the judge's reply was cut off ({reply.finish_reason})"
    if NOTHING.fullmatch(reply.text):
        return None, "the judge's reply is empty"
    if not reasons:
        match = _BARE.fullmatch(reply.text)
        return (int(match[1]), None) if match else (None, f"unreadable reply of the judge: {reply.text[:80]!r}")
    lines = [line for line in reply.text.splitlines() if not NOTHING.fullmatch(line)]
    match = _LAST_LINE.fullmatch(lines[-1])
    if match is None:
        return None, f"the judge's last line is no verdict: {lines[-1][-80:]!r}"
    if len(_VERDICT_LABEL.findall(reply.text)) > 1:
        return None, "the judge's reply says more than one verdict"
    return int(match[1]), None


def soft_score(logprob_1: float | None, logprob_0: float | None) -> float | None:
    """p(1) / (p(1) + p(0)), p = 0 for a digit that is not among the likeliest tokens; None where both are missing."""
    if logprob_1 is None:
        return None if logprob_0 is None else 0.0
    if logprob_0 is None:
        return 1.0
    return 1.0 / (1.0 + math.exp(min(logprob_0 - logprob_1, 700.0)))


def majority(votes: Sequence[Vote]) -> tuple[Outcome, float | None, str | None]:
    """Outcome, score and reason by the majority of the decided votes; a tie is undecided.

    The score is their mean: the share of ones, or the mean probability of 1 where votes are soft.
    """
    decided = [vote for vote in votes if vote.value is not None]
    if not decided:
        return Outcome.UNDECIDED, None, votes[0].reason
    ones = sum(vote.value == 1 for vote in decided)
    zeros = len(decided) - ones
    if ones == zeros:
        return Outcome.UNDECIDED, None, f"tie {ones}:{zeros}"
    score = math.fsum(vote.score or 0.0 for vote in decided) / len(decided)
    return (Outcome.CORRECT if ones > zeros else Outcome.WRONG), score, None
