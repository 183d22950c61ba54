"""The verdict in a judge's replies: 1, 0, or none.

Takes usable replies; gives an outcome, a score and a reason. It does not depend on prompts or on the transport.

The reasoning of a reasoning model, in tags such as `<think>`, is removed first; a reply whose reasoning does not end
has no verdict. Two grammars read the rest, each a full match, so that no part of a reply is mistaken for a verdict:
- Without reasons, the whole reply is a JSON object (`{"verdict": 1}`), or statements that agree: at most one digit
  (`1`, `**1**`, `Verdict: 1`) and judgements in words (`Correct.`, `The answer is not correct`).
- With reasons, the last line is `VERDICT: 1` or `VERDICT: 0`, and no line before it holds a verdict.
Any other reply is undecided, never wrong.
"""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Sequence
from typing import Any

from restem.verifiers.chat.reply import REASONING_TAG, ChatReply, Rejected
from restem.verifiers.verdict import Outcome

_INVISIBLE = "\\s\u200b-\u200d\u2060\ufeff"
NOTHING = re.compile(f"[{_INVISIBLE}]*")
_LAST_LINE = re.compile(
    f"[{_INVISIBLE}*`]*+verdict[{_INVISIBLE}*`]*+:[{_INVISIBLE}*`]*+([01])[{_INVISIBLE}*`.]*+", re.IGNORECASE
)
_VERDICT_LABEL = re.compile(f"verdict[{_INVISIBLE}*`]*+:", re.IGNORECASE)

# Characters that are removed before a reply without reasons is read: emphasis, code marks, quotes, invisible ones.
_MARKS = re.compile("[*_`\"'\u2018\u2019\u201c\u201d\u200b-\u200d\u2060\ufeff]")
# "Answer" is no label: what follows it may be the answer to the question and not the verdict.
_LABEL = (
    r"(?:(?:my|the|final|overall)\s+){0,2}"
    r"(?:verdict|judge?ment|decision|evaluation|assessment|score|grade|rating|reply)\s*(?::|\bis\b|=)\s*"
)
_SUBJECT = (
    r"(?:(?:the|this|that|its|given|provided|final|model|models|students?)\s+){0,4}"
    r"(?:it|this|that|answer|response|solution|result|model|conclusion)\s+is"
)
_STATEMENT = re.compile(
    rf"(?:{_LABEL})?(?:(?P<digit>[01])(?![0-9])|(?:{_SUBJECT}(?P<isnt>nt)?\s+)?(?P<words>(?:not\s+)?(?:correct|right)|"
    r"incorrect|wrong)\b)[\s.,:;!()\u2013\u2014-]*+",
    re.IGNORECASE,
)
LONGEST = 200  # characters of a reply without reasons that is examined: a longer one holds more than a verdict

_CODE_BLOCK = re.compile(r"```(?:json)?\s*+(\{.*\})\s*+```", re.DOTALL | re.IGNORECASE)
_JSON_LABELS = ("verdict", "judgment", "judgement", "score", "grade")
_JSON_VALUES = {"1": 1, "0": 0, "true": 1, "false": 0, "correct": 1, "incorrect": 0, "right": 1, "wrong": 0}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Vote:
    """The vote in one reply.

    Attributes:
        value: 1, 0, or None where the reply gives neither.
        score: The probability of 1, from log-probabilities where they were requested and returned, else the value.
        soft: Whether the score comes from log-probabilities.
        reason: Why there is no value.
        unreadable: Whether the reply is neither a verdict nor a refusal; it may be cut off for its length.
    """

    value: int | None
    score: float | None = None
    soft: bool = False
    reason: str | None = None
    unreadable: bool = False


def read_vote(reply: ChatReply | Rejected, *, reasons: bool) -> Vote:
    """The vote in one reply."""
    if isinstance(reply, Rejected):
        return Vote(value=None, reason=reply.reason)
    value, reason = read_reply(reply, reasons=reasons)
    if value is None:
        refused = reply.refusal is not None or reply.finish_reason == "content_filter"
        return Vote(value=None, reason=reason, unreadable=not refused)
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
    text = without_reasoning(reply.text)
    if text is None:
        return None, "the judge's reasoning does not end"
    if NOTHING.fullmatch(text):
        return None, "the judge's reply is empty"
    if reasons:
        return _last_line(text)
    value = _statements(text)
    if value is None:
        value = _json_verdict(text)
    return (value, None) if value is not None else (None, f"unreadable reply of the judge: {text.strip()[:80]!r}")


def without_reasoning(text: str) -> str | None:
    """The text without what stands in tags of reasoning; None where such a tag is not closed.

    A closing tag without an opening one ends a reasoning that the server began in the prompt.
    """
    kept: list[str] = []
    start, depth = 0, 0
    for tag in REASONING_TAG.finditer(text):
        if not tag[1]:
            if depth == 0:
                kept.append(text[start : tag.start()])
            depth = 1
        else:
            if depth == 0:
                kept.clear()
            depth = 0
        start = tag.end()
    return None if depth else "\n".join([*kept, text[start:]])


def _last_line(text: str) -> tuple[int | None, str | None]:
    """The verdict in the last line of a reply with reasons, or the reason why there is none."""
    lines = [line for line in text.splitlines() if not NOTHING.fullmatch(line)]
    match = _LAST_LINE.fullmatch(lines[-1])
    if match is None:
        return None, f"the judge's last line is no verdict: {lines[-1][-80:]!r}"
    if len(_VERDICT_LABEL.findall(text)) > 1:
        return None, "the judge's reply says more than one verdict"
    return int(match[1]), None


def _statements(text: str) -> int | None:
    """The value of a text that consists of statements that agree, with at most one digit among them; else None."""
    bare = _MARKS.sub("", text).strip()
    if len(bare) > LONGEST:
        return None
    values: list[int] = []
    digits, place = 0, 0
    while place < len(bare):
        match = _STATEMENT.match(bare, place)
        if match is None:
            return None
        if match["digit"]:
            digits += 1
            values.append(int(match["digit"]))
        else:
            words = " ".join(match["words"].casefold().split())
            if match["isnt"] and words not in ("correct", "right"):
                return None  # a double negation
            values.append(int(words in ("correct", "right") and not match["isnt"]))
        place = match.end()
    return values[0] if digits <= 1 and len(set(values)) == 1 else None


def _json_verdict(text: str) -> int | None:
    """The value of a text that is one JSON object, perhaps in a code block, with a verdict in it; else None."""
    bare = text.strip()
    block = _CODE_BLOCK.fullmatch(bare)
    try:
        pairs = json.loads(block[1] if block else bare, object_pairs_hook=_Pairs)
    except (ValueError, RecursionError):
        return None
    if not isinstance(pairs, _Pairs):
        return None
    values: list[int | None] = []
    for key, value in pairs:
        # A number under "correct" may be the correct answer to the question, unless it stands alone.
        correct = key.casefold() in ("correct", "is_correct") and (isinstance(value, bool) or len(pairs) == 1)
        if correct or key.casefold() in _JSON_LABELS:
            values.append(_JSON_VALUES.get(str(value).strip().casefold()))
    return values[0] if len(set(values)) == 1 else None


class _Pairs(list[tuple[str, Any]]):
    """The keys and values of a JSON object, a key that occurs twice among them."""


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
