"""What every import format gives: rollouts, and the rows that are none, each with its reason.

Plain values. Does not depend on files, on SQLite or on any format.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping
from typing import Any, TypeAlias

TRAIN, TEST = "train", "test"


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Rollout:
    """One response of somebody's policy, with what was recorded about it.

    Attributes:
        place: File and row, `1.jsonl:3`.
        question: The last turn of the user as plain text, without a chat template.
        response: What the policy wrote.
        step: Training step or policy version; None where it is not known, which counts as 0.
        series: The model or run that the source names; None where it names none.
        split: TRAIN for rollouts of training, TEST for validation and evaluation.
        group: The source's own id of the problem, if it stays the same over steps; None: problems are told apart by
            their text.
        index: The source's own number among the samples of a problem and step; None: the order of the rows.
        references: The accepted answers.
        rewards: Name of a reward -> its number; None or NaN where it gave none, which is undecided. A reward that has
            not been asked has no entry.
        reasons: Name of a reward -> why it is undecided.
        answers: Name of a reward -> the answer that it read.
        label: A person's label; None where there is none.
        finish_reason: `stop`, `length`, or another word of the source; None where it is not known.
        token_count: Tokens of the response; None where it is not known.
        mean_logprob: Mean log-probability of its tokens, in nats; None where it is not known.
        data: What the problem's own verifier needs, as a JSON object.
        strata: Name of a division -> the part of it that the problem belongs to.
    """

    place: str
    question: str
    response: str
    step: int | None = None
    series: str | None = None
    split: str = TRAIN
    group: str | None = None
    index: int | None = None
    references: tuple[str, ...] = ()
    rewards: Mapping[str, float | None] = dataclasses.field(default_factory=dict)
    reasons: Mapping[str, str] = dataclasses.field(default_factory=dict)
    answers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    label: bool | None = None
    finish_reason: str | None = None
    token_count: int | None = None
    mean_logprob: float | None = None
    data: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    strata: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Refused:
    """A row, or a response in a row, that is not imported.

    Attributes:
        place: File and row.
        reason: Why; the same text for the same kind of fault, so that equal reasons can be counted.
    """

    place: str
    reason: str


Imported: TypeAlias = Rollout | Refused


def number(value: Any) -> float | None:
    """A recorded reward as a finite number: a bool is 1 or 0; None where it is null, NaN, infinite or as large.

    Raises:
        ValueError: It is no number.
    """
    if value is None:
        return None
    if isinstance(value, bool | int | float):
        return float(value) if abs(value) <= sys.float_info.max else None
    raise ValueError(f"expected a number or null, found {value!r:.40}")
