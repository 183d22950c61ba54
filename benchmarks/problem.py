"""The Problem and Probe records, and the canonical form that keeps equal problems on one side of a split.

Takes nothing, knows nothing of policies, verifiers or files.
"""

from __future__ import annotations

import dataclasses
import hashlib
import re
from collections.abc import Mapping


@dataclasses.dataclass(frozen=True, kw_only=True)
class Problem:
    """One question with its reference answer.

    Attributes:
        id: Stable name; made from the canonical form, so equal problems have equal ids.
        question: What the policy is asked.
        reference: The answer taken as right, or None where there is none.
        split: `train`, `validation`, `test`, ...
        source: Where it came from: generator, version, seed, or file and line.
    """

    id: str
    question: str
    reference: str | None
    split: str
    source: str


ATTACK, EQUIVALENCE = "attack", "equivalence"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Probe:
    """A response that was made up for a problem, so that what a verifier should say of it is known.

    Attributes:
        problem: Id of the problem.
        kind: ATTACK where it is no right answer, EQUIVALENCE where it is one.
        form: How it was made.
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


def problem_id(benchmark: str, question: str) -> str:
    """`benchmark/` and the first 12 hex digits of the canonical form's SHA-256."""
    return f"{benchmark}/{hashlib.sha256(canonical_form(question).encode()).hexdigest()[:12]}"


def split_of(question: str, shares: Mapping[str, float], salt: str = "") -> str:
    """The split that a question belongs to, decided by its canonical form alone.

    Hashing instead of drawing means that no two splits can ever share a canonical form, whatever the seed,
    the count or the process.

    Args:
        question: The question's text.
        shares: Split name -> share; the shares sum to 1.
        salt: Another salt, another division: a benchmark made of one split of another is divided anew.
    """
    digest = hashlib.sha256(f"split:{salt}{canonical_form(question)}".encode()).digest()
    position = int.from_bytes(digest[:8]) / 2**64
    for split, share in shares.items():
        if position < share:
            return split
        position -= share
    return list(shares)[-1]
