"""What the paper found, as data: the finding, the number of ours that it speaks of, and its range.

A finding says in which range a number lies: above 0, at most 5 points away from 0. The rule (`answer`) compares this
range with the 95 % interval of our number. What later papers found: literature_findings.py. Does not depend on runs.
"""

from __future__ import annotations

import dataclasses
import enum
import math
from collections.abc import Sequence
from typing import TypeAlias

RESTEM = "arXiv:2312.06585"
FEWEST_SEEDS = 3  # fewer show nothing of a recipe
LARGEST_RATIO = 5.0  # a log LR+ beyond it counts as this; shown as infinite
SAME = 5.0  # points within which two policies count as equal, as in the report
Range: TypeAlias = tuple[float, float] | None
ABOVE, BELOW = (0.0, math.inf), (-math.inf, 0.0)
EQUAL, NO_RISE = (-SAME, SAME), (-math.inf, SAME)


class Answer(enum.StrEnum):
    """Whether ours is as published."""

    AGREE = "agree"
    DISAGREE = "does not agree"
    SMALL = f"equal within {SAME:g} points"
    UNKNOWN = "cannot tell"
    INCOMPARABLE = "not comparable"
    NOT_RUN = "not run yet"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Effect:
    """A number of a suite, with an interval over seeds and problems.

    Attributes:
        measure: `accuracy`, `reward`, `pass@K`, `maj@K`, `pass@1 - pass@K`, or accuracy on a further test set,
            `test:NAME`: left less right. `gap`: how much more the left gained on training than on test problems, over
            the right; without a right, over the base. `R2 MEASURE`: over all arms, of a measure of the verifier's
            quality (`restem.reports.analysis.quality_over_arms.Measure`) and the gain.
        left: An arm and its iteration, `three/3`.
        right: The same, or `base`.
    """

    measure: str
    left: str = ""
    right: str = ""

    def __str__(self) -> str:
        places = " − ".join(place for place in (self.left, self.right) if place)
        return f"{self.measure}: {places}" if places else self.measure


@dataclasses.dataclass(frozen=True, kw_only=True)
class Finding:
    """Something published.

    Attributes:
        where: The paper, with figure or section.
        published: What it says.
        suite: The suite with which we look at it.
        effect: The number of ours.
        range: Where this number lies if the finding holds here: in points, of an R2 as it is. None: no number of ours
            can tell; ours is only shown.
        why: Why it does not hold here, printed where it does not.
        note: What to keep in mind of it, always printed, below the table.
    """

    where: str
    published: str
    suite: str
    effect: Effect
    range: Range
    why: str = ""
    note: str = ""


def answer(finding: Finding, low: float, high: float, seeds: int) -> Answer:
    """The rule: agree where the interval lies within the finding's range, disagree where it lies outside of it.

    Else, where it lies within SAME points of 0, what was published can be no larger than that here.

    Args:
        finding: The finding.
        low: Lower limit of our number, in its unit.
        high: Upper limit.
        seeds: Training seeds of the suite; below three nothing is told.
    """
    if finding.range is None:
        return Answer.INCOMPARABLE
    if seeds < FEWEST_SEEDS or math.isnan(low):
        return Answer.UNKNOWN
    least, most = finding.range
    if least <= low and high <= most:
        return Answer.AGREE
    if high < least or low > most:
        return Answer.DISAGREE
    in_points = not finding.effect.measure.startswith("R2")
    return Answer.SMALL if in_points and low >= -SAME and high <= SAME else Answer.UNKNOWN


def accuracy(left: str, right: str) -> Effect:
    """Accuracy of the left less that of the right."""
    return Effect(measure="accuracy", left=left, right=right)


def _paper(where: str, published: str, suite: str, effect: Effect, range: Range, **told: str) -> Finding:
    where = f"{RESTEM}, {where}"
    return Finding(where=where, published=published, suite=f"paper_{suite}", effect=effect, range=range, **told)


UNCAPPED = (
    "the paper chose 10, did not measure it, and states no removal of duplicates, so these arms keep copies; there are "
    "16 samples a problem"
)
DISTINCT = (
    "keeping equal texts once is this project's default, not the paper's; it gives wrong texts, which are more varied, "
    "more weight than copies do (docs/prediction.md)"
)

WORKED = (
    "the worked solutions here are of the form that the policy learned first, and every problem has one; those of MATH "
    "are of people, in another manner than the model's"
)

ONE_TEACHER = "all seeds share one teacher, so the interval is not of other teachers"

PAPER: Sequence[Finding] = (
    _paper(
        "section 5.1",
        "ReST-EM gains: +5.9 to +6.3 points on MATH after three iterations",
        "iterations",
        accuracy("sympy/3", "base"),
        ABOVE,
    ),
    _paper(
        "Figure 2",
        "on MATH the accuracy rises up to the third iteration",
        "iterations",
        accuracy("sympy/3", "sympy/1"),
        ABOVE,
    ),
    _paper("Figure 3", "on APPS the second iteration loses", "iterations", accuracy("sympy/2", "sympy/1"), BELOW),
    _paper(
        "section 5.3",
        "three iterations are better than one with three times the samples (41.9 against 40.3 % on MATH)",
        "compute",
        accuracy("three/3", "one_x3/1"),
        ABOVE,
    ),
    _paper(
        "section 5.2",
        "majority voting gains too: 48.8 against 44.0 % for 64 samples",
        "passk",
        Effect(measure="maj@64", left="sympy/1", right="base"),
        ABOVE,
    ),
    _paper(
        "Figure 5",
        "pass@k is above the base's at every k, also at the largest",
        "passk",
        Effect(measure="pass@64", left="sympy/1", right="base"),
        ABOVE,
    ),
    _paper(
        "Figure 5",
        "the gain in pass@k is largest at k = 1",
        "passk",
        Effect(measure="pass@1 - pass@64", left="sympy/1", right="base"),
        ABOVE,
    ),
    _paper(
        "Figure 4",
        "after the iterations more was gained on training than on test problems",
        "gap",
        Effect(measure="gap", left="sympy/4"),
        ABOVE,
        note="most of it is there after the first iteration: see the next row",
    ),
    _paper(
        "Figure 4",
        "this gap grows over the iterations",
        "gap",
        Effect(measure="gap", left="sympy/4", right="sympy/1"),
        ABOVE,
        note="training problems are at 98 % after the first iteration, so little room is left",
    ),
    _paper(
        "Figure 7",
        "training the base or the last policy gives the same on the task itself (APPS)",
        "restart",
        accuracy("base_model/3", "previous/3"),
        EQUAL,
    ),
    _paper(
        "Figure 7",
        "on another task, which was not trained on (HumanEval), training the base is better",
        "restart",
        Effect(measure="test:collect", left="base_model/3", right="previous/3"),
        ABOVE,
    ),
    _paper(
        "Figure 7",
        "the same, here on the same task with larger numbers",
        "restart",
        Effect(measure="test:larger_numbers", left="base_model/3", right="previous/3"),
        ABOVE,
    ),
    _paper(
        "Figure 6, left",
        "ReST-EM is better than fine-tuning on worked solutions",
        "references",
        accuracy("rest_em/3", "references/1"),
        ABOVE,
        why=WORKED,
    ),
    _paper(
        "Figure 6, left",
        "one right sample of the model's own a problem is better than a worked solution of it",
        "references",
        accuracy("one_each/1", "references/1"),
        ABOVE,
        why=WORKED,
    ),
    _paper(
        "Figure 6, left",
        "ReST-EM is better than one right sample of the model's own a problem",
        "references",
        accuracy("rest_em/3", "one_each/1"),
        ABOVE,
    ),
    _paper(
        "Figure 6, right",
        "samples of a better policy teach more than the policy's own",
        "distillation",
        accuracy("distilled/1", "own/1"),
        ABOVE,
        note=ONE_TEACHER,
    ),
    _paper(
        "Figure 6, right",
        "many samples a problem of the better policy teach more than one",
        "distillation",
        accuracy("distilled/1", "distilled_one_each/1"),
        ABOVE,
        note=ONE_TEACHER,
    ),
    *(
        _paper(
            "Figure 9",
            f"no other task is lost by much (BIG-Bench Hard){told}",
            "transfer",
            Effect(measure=f"test:{name}", left="sympy/1", right="base"),
            (-SAME, math.inf),
        )
        for name, told in (
            ("larger_numbers", "; here the same task, larger numbers"),
            ("collect", ""),
            ("kth_biggest", ""),
            ("add_or_sub", ""),
        )
    ),
    _paper(
        "Figure 8, left",
        "the fewest training problems bring a large gain already",
        "size_problems",
        accuracy("sympy-14/1", "base"),
        ABOVE,
    ),
    _paper(
        "Figure 8, left",
        "twice the problems change little at the upper end (a slight dip from 2,000 to 4,000)",
        "size_problems",
        accuracy("sympy-112/1", "sympy-56/1"),
        EQUAL,
    ),
    Finding(
        where="arXiv:2308.01825",
        published="more distinct right solutions of a problem bring more",
        suite="paper_size_samples",
        effect=accuracy("sympy-16/1", "sympy-2/1"),
        range=ABOVE,
        why="of this policy's right texts few are worth learning: two samples a problem already undo its mistakes, and "
        "all arms have as many steps",
    ),
    _paper(
        "section 4",
        "at most 10 kept solutions of a problem, so that easy ones do not dominate",
        "cap",
        accuracy("sympy_copies_10/1", "sympy_copies/1"),
        ABOVE,
        note=UNCAPPED,
    ),
    _paper(
        "section 4",
        "the same with a verifier that errs (TPR .9, FPR .1)",
        "cap",
        accuracy("noisy_copies_10/1", "noisy_copies/1"),
        ABOVE,
        note=UNCAPPED,
    ),
    _paper(
        "section 4",
        "nothing is said of equal texts; ours kept once against copies, both with the cap",
        "cap",
        accuracy("sympy-10/1", "sympy_copies_10/1"),
        None,
        note=DISTINCT,
    ),
    _paper(
        "section 4",
        "the same with a verifier that errs (TPR .9, FPR .1)",
        "cap",
        accuracy("noisy-10/1", "noisy_copies_10/1"),
        None,
        note=DISTINCT,
    ),
)

# What the opening words of the pages say besides the findings: suite and number.
REMARKS: Sequence[tuple[str, Effect]] = (
    ("paper_size_problems", accuracy("sympy-28/1", "sympy-112/1")),
    ("paper_iterations", accuracy("sympy/3", "sympy/1")),
)
# What README.md and docs/grpo.md say besides; it stands in the tables in docs/paper.
QUOTED: Sequence[tuple[str, Effect]] = (
    ("em_grpo", accuracy("t30_f02_em/1", "t100_f40_em/1")),
    ("em_grpo", accuracy("t30_f02_grpo/1", "t100_f40_grpo/1")),
    ("long_run", accuracy("sympy/10", "sympy/3")),
)
