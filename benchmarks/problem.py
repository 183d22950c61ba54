"""The Problem and Probe records, and the canonical form that keeps equal problems on one side of a split.

Depends on nothing: not on policies, verifiers or files.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Callable, Mapping
from typing import Any


@dataclasses.dataclass(frozen=True, kw_only=True)
class Problem:
    """One question with its reference answers.

    Attributes:
        id: Stable name, made from a form of the question and from the data, so that equal problems have equal ids.
        question: The text that the policy gets.
        reference: The answer taken as right, or None where there is none.
        split: `train`, `validation`, `test`, ...
        source: Where it came from: generator, version, seed, or file and line.
        alternatives: Further correct answers besides the reference.
        data: A JSON object that the benchmark's own verifier needs (unit tests, a task's entry), or an empty one.
        strata: Name of a division -> the part of it that the problem belongs to, such as `module` -> `numbers__gcd`.
            Reports show a row a part. It is no part of the problem's identity.
    """

    id: str
    question: str
    reference: str | None
    split: str
    source: str
    alternatives: tuple[str, ...] = ()
    data: Mapping[str, Any] = dataclasses.field(default_factory=dict, hash=False)
    strata: Mapping[str, str] = dataclasses.field(default_factory=dict, hash=False)

    @property
    def references(self) -> tuple[str, ...]:
        """All accepted answers, the reference first; none where there is no reference."""
        return self.alternatives if self.reference is None else (self.reference, *self.alternatives)


ATTACK, EQUIVALENCE = "attack", "equivalence"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Probe:
    """A response that was constructed for a problem, so that the right verdict is known.

    Attributes:
        problem: Id of the problem.
        kind: ATTACK where it is wrong, EQUIVALENCE where it is right.
        form: The name of its construction.
        text: The response.
    """

    problem: str
    kind: str
    form: str
    text: str


def canonical_form(question: str) -> str:
    """The question with its spacing folded and its single-letter variables renamed in order of appearance.

    `Solve 3*b = 6 for b.` and `Solve 3*k  = 6 for k.` are one problem; two splits may not share it.
    """
    names: dict[str, str] = {}

    def rename(match: re.Match[str]) -> str:
        return names.setdefault(match.group(), f"v{len(names)}")

    return re.sub(r"(?<![A-Za-z])[A-Za-z](?![A-Za-z])", rename, " ".join(question.split()))


def as_written(question: str) -> str:
    """The question without the spacing at its ends, with `\\n` as line end.

    It tells apart what `canonical_form` does not: `Is A taller than B?` and `Is B taller than A?` are two problems.
    """
    return question.replace("\r\n", "\n").strip()


def data_text(data: Mapping[str, Any]) -> str:
    """A problem's data as JSON, the same text for equal data.

    Raises:
        ValueError: It holds NaN or an infinity, which JSON does not have.
        TypeError: It holds something else that JSON does not have.
    """
    return json.dumps(dict(data), sort_keys=True, separators=(",", ":"), allow_nan=False)


def identity(
    question: str, data: Mapping[str, Any] | None = None, *, form: Callable[[str], str] = canonical_form
) -> str:
    """A text that is equal for equal problems only: a form of the question, and the data where there are any."""
    text = form(question)
    return f"{text}\n{data_text(data)}" if data else text


def problem_id(
    benchmark: str,
    question: str,
    data: Mapping[str, Any] | None = None,
    *,
    form: Callable[[str], str] = canonical_form,
) -> str:
    """`benchmark/` and the first 12 hex digits of the SHA-256 of the problem's identity."""
    return f"{benchmark}/{_digest(identity(question, data, form=form)).hex()[:12]}"


def split_of(question: str, shares: Mapping[str, float], salt: str = "") -> str:
    """The split that a question belongs to, decided by its canonical form alone.

    Because it is hashed and not drawn, two splits never share a canonical form, whatever the seed, the count or the
    process.

    Args:
        question: The question's text.
        shares: Split name -> share; the shares sum to 1.
        salt: Another salt gives another division, for a benchmark that is made of one split of another.
    """
    position = int.from_bytes(_digest(f"split:{salt}{canonical_form(question)}")[:8]) / 2**64
    for split, share in shares.items():
        if position < share:
            return split
        position -= share
    return list(shares)[-1]


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
