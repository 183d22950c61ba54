"""The names of checkpoints, arms, verifiers, annotators and of one kind of event, and the replicate in a name.

Takes names and gives names. It reads no run and depends on nothing else of this project.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

ENGINE = "engine"  # the kind of event that says which servers draw a checkpoint's samples
BASE = "base"
MARK = "~"  # separates a name from its replicate's number, or from how a base is sampled; no name in a suite has it
POLICY = "policy"  # what an arm's first samples are by default: drawn from the base
REFERENCES = "references"  # or worked solutions of the benchmark
CHECKPOINT = "checkpoint:"  # or drawn from the policy whose name or folder follows
HUMAN = "human:"  # prefix of human annotators' names; their verdicts cannot be requested again
RECORDED = "recorded:"  # prefix of rewards that imported rollouts came with; these cannot be requested again either
TESTS = "test:"  # prefix of the splits of further test sets
LABEL = "label"  # a column of labels of imported rollouts, as a verifier


def can_be_asked(verifier: str) -> bool:
    """Whether a verifier of this name can give further verdicts: it is no person, no recorded reward, no label."""
    return verifier != LABEL and not verifier.startswith((HUMAN, RECORDED))


def replicate(name: str, number: int) -> str:
    """The name of an arm, a verifier or the base in a replicate of a suite: `sympy`, `sympy~1`, `sympy~2`."""
    return f"{name}{MARK}{number}" if number else name


def unmarked(name: str) -> str:
    """The name in the suite, without the number of the replicate."""
    return name.partition(MARK)[0]


def first_sampled(arm: str, drawn: str = "") -> str:
    """The id of the base from which an arm draws its first training samples; each replicate draws its own.

    Args:
        arm: The arm's name.
        drawn: How it draws them (`drawn_as`).
    """
    return BASE + arm.removeprefix(unmarked(arm)) + (MARK + drawn if drawn else "")


def drawn_as(source: str, temperature: float, usual: float) -> str:
    """How an arm's first samples differ from those of other arms, as a part of a name; empty where they do not.

    Args:
        source: What they are drawn from: POLICY, REFERENCES, or CHECKPOINT and a policy.
        temperature: At which they are drawn.
        usual: The suite's temperature.
    """
    if source == REFERENCES:
        return source  # worked solutions have no temperature
    parts = [] if source == POLICY else [hashlib.sha256(source.encode()).hexdigest()[:8]]
    return MARK.join([*parts, f"t{temperature}"] if temperature != usual else parts)


def verifiers_that_judge(verifiers: Iterable[str], trained_on: str) -> tuple[str, ...]:
    """The verifiers of a run that judge the test samples of an arm trained on `trained_on`.

    These are all verifiers, with one exception: of a verifier that has another seed in each replicate, only the one
    of the arm's replicate, because the verdicts of the others would carry no further information.
    """
    names = tuple(verifiers)
    seeded = {unmarked(name) for name in names if MARK in name}
    return tuple(name for name in names if name == trained_on or unmarked(name) not in seeded)
