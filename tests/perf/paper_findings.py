"""What the paper and later papers found, as data: the finding, the number of ours that it speaks of, and its range.

A finding says in which range a number lies: above 0, at most 5 points away from 0. The rule (`answer`) compares this
range with the 95 % interval of our number. Does not depend on runs.
"""

from __future__ import annotations

import dataclasses
import enum
import math
from collections.abc import Sequence

RESTEM = "arXiv:2312.06585"
FEWEST_SEEDS = 3  # fewer show nothing of a recipe
SAME = 5.0  # points within which two policies count as equal, as in the report
ABOVE, BELOW = (0.0, math.inf), (-math.inf, 0.0)
EQUAL, NO_RISE = (-SAME, SAME), (-math.inf, SAME)


class Answer(enum.StrEnum):
    """Whether ours is as published."""

    AGREE = "agree"
    DISAGREE = "does not agree"
    UNKNOWN = "cannot tell"
    NOT_RUN = "not run yet"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Effect:
    """A number of a suite, with an interval over seeds and problems.

    Attributes:
        measure: `accuracy`, `reward`, `pass@K`, `maj@K`, `pass@1 - pass@K`, or accuracy on a further test set,
            `test:NAME`: left less right. `gap`: how much more the left gained on training than on test problems.
            `R2 MEASURE`: over all arms, of a measure of the verifier's quality and the gain.
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
        range: Where this number lies if the finding holds here: in points, of an R2 as it is.
        why: Why it does not hold here, printed where it does not.
    """

    where: str
    published: str
    suite: str
    effect: Effect
    range: tuple[float, float]
    why: str = ""


def answer(finding: Finding, low: float, high: float, seeds: int) -> Answer:
    """The rule: agree where the interval lies within the finding's range, disagree where it lies outside of it.

    Args:
        finding: The finding.
        low: Lower limit of our number, in its unit.
        high: Upper limit.
        seeds: Training seeds of the suite; below three nothing is told.
    """
    if seeds < FEWEST_SEEDS or math.isnan(low):
        return Answer.UNKNOWN
    least, most = finding.range
    if least <= low and high <= most:
        return Answer.AGREE
    return Answer.DISAGREE if high < least or low > most else Answer.UNKNOWN


def _accuracy(left: str, right: str) -> Effect:
    return Effect(measure="accuracy", left=left, right=right)


def _paper(
    where: str, published: str, suite: str, effect: Effect, range: tuple[float, float], why: str = ""
) -> Finding:
    return Finding(
        where=f"{RESTEM}, {where}", published=published, suite=f"paper_{suite}", effect=effect, range=range, why=why
    )


def _later(
    where: str, published: str, suite: str, effect: Effect, range: tuple[float, float], why: str = ""
) -> Finding:
    return Finding(where=f"arXiv:{where}", published=published, suite=suite, effect=effect, range=range, why=why)


EM = (
    "ReST-EM trains on accepted samples alone: a right one that is missed costs data, a wrong one that is accepted is "
    "taught. So LR+ decides (here infinite for FPR 0), as theory says for EM; the paper speaks of GRPO"
)

FALSE_ACCEPTS = (
    "ReST-EM teaches every kept text alike, and wrong texts are more varied than right ones, so that more of them stay "
    "when equal ones are kept once (half of the kept at 30 % noise); the paper reports the best point of GRPO runs"
)

PAPER: Sequence[Finding] = (
    _paper(
        "section 5.1",
        "ReST-EM gains: +5.9 to +6.3 points on MATH after three iterations",
        "iterations",
        _accuracy("sympy/3", "base"),
        ABOVE,
    ),
    _paper(
        "Figure 2",
        "on MATH the accuracy rises up to the third iteration",
        "iterations",
        _accuracy("sympy/3", "sympy/1"),
        ABOVE,
    ),
    _paper("Figure 3", "on APPS the second iteration loses", "iterations", _accuracy("sympy/2", "sympy/1"), BELOW),
    _paper(
        "section 5.3",
        "three iterations are better than one with three times the samples (41.9 against 40.3 % on MATH)",
        "compute",
        _accuracy("three/3", "one_x3/1"),
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
        "over iterations more is gained on training than on test problems",
        "gap",
        Effect(measure="gap", left="sympy/4"),
        ABOVE,
    ),
    _paper(
        "Figure 7",
        "training the base or the last policy gives the same on the task itself (APPS)",
        "restart",
        _accuracy("base_model/3", "previous/3"),
        EQUAL,
    ),
    _paper(
        "Figure 7",
        "on another task, which was not trained on (HumanEval), training the base is better",
        "restart",
        Effect(measure="test:larger_numbers", left="base_model/3", right="previous/3"),
        ABOVE,
    ),
    _paper(
        "Figure 6, left",
        "ReST-EM is better than fine-tuning on worked solutions",
        "references",
        _accuracy("rest_em/3", "references/1"),
        ABOVE,
        "the worked solutions here are of the form that the policy learned first, and every problem has one; those of "
        "MATH are of people, in another manner than the model's",
    ),
    _paper(
        "Figure 6, left",
        "one right sample of the model's own a problem is better than a worked solution of it",
        "references",
        _accuracy("one_each/1", "references/1"),
        ABOVE,
    ),
    _paper(
        "Figure 6, left",
        "ReST-EM is better than one right sample of the model's own a problem",
        "references",
        _accuracy("rest_em/3", "one_each/1"),
        ABOVE,
    ),
    _paper(
        "Figure 6, right",
        "samples of a better policy teach more than the policy's own",
        "distillation",
        _accuracy("distilled/1", "own/1"),
        ABOVE,
    ),
    _paper(
        "Figure 6, right",
        "many samples a problem of the better policy teach more than one",
        "distillation",
        _accuracy("distilled/1", "distilled_one_each/1"),
        ABOVE,
    ),
    *(
        _paper(
            "Figure 9",
            "no other task is lost by much (BIG-Bench Hard)",
            "transfer",
            Effect(measure=f"test:{name}", left="sympy/1", right="base"),
            (-SAME, math.inf),
        )
        for name in ("larger_numbers", "collect", "kth_biggest", "add_or_sub")
    ),
    _paper(
        "Figure 8, left",
        "the fewest training problems bring a large gain already",
        "size_problems",
        _accuracy("sympy-14/1", "base"),
        ABOVE,
    ),
    _paper(
        "Figure 8, left",
        "twice the problems change little at the upper end (a slight dip from 2,000 to 4,000)",
        "size_problems",
        _accuracy("sympy-112/1", "sympy-56/1"),
        EQUAL,
    ),
    Finding(
        where="arXiv:2308.01825",
        published="more distinct right solutions of a problem bring more",
        suite="paper_size_samples",
        effect=_accuracy("sympy-16/1", "sympy-2/1"),
        range=ABOVE,
    ),
    _paper(
        "section 4",
        "at most 10 kept solutions of a problem, so that easy ones do not dominate: chosen, not measured; ours against "
        "no cap and no removal of duplicates",
        "cap",
        _accuracy("sympy-10/1", "sympy_copies/1"),
        ABOVE,
    ),
    _paper(
        "section 4",
        "the same with a verifier that errs (TPR .9, FPR .1)",
        "cap",
        _accuracy("noisy-10/1", "noisy_copies/1"),
        ABOVE,
        "the arms differ in two settings: equal texts kept once give wrong texts, which are more varied, more weight "
        "than copies do (docs/prediction.md)",
    ),
)

LITERATURE: Sequence[Finding] = (
    _later(
        "2604.07666",
        "15 % wrong verdicts cost at most 2 points",
        "imperfect",
        _accuracy("wrong_15/1", "sympy/1"),
        (-2.0, math.inf),
        FALSE_ACCEPTS,
    ),
    _later(
        "2604.07666 (an author's account of it)",
        "30 % wrong verdicts cost at most 4 points",
        "imperfect",
        _accuracy("wrong_30/1", "sympy/1"),
        (-4.0, math.inf),
        FALSE_ACCEPTS,
    ),
    _later(
        "2604.07666",
        "precision counts for more than recall: with 30 % wrong on one side alone, no false accepts are better",
        "imperfect",
        _accuracy("precise/1", "lenient/1"),
        ABOVE,
    ),
    _later(
        "2601.04411",
        "the drift depends on Youden's J alone (GRPO): equal J, equal outcome",
        "youden",
        _accuracy("strict/1", "lenient/1"),
        EQUAL,
        EM,
    ),
    _later(
        "2601.04411",
        "in its experiment, at J = .3, FPR 0 is better than FNR 0 (16.0 against 14.6 %)",
        "youden",
        _accuracy("strict/1", "lenient/1"),
        ABOVE,
    ),
    _later(
        "2601.04411",
        "a smaller J learns less in the same time: J .25 below J .50",
        "youden",
        _accuracy("weak/1", "both/1"),
        BELOW,
        EM,
    ),
    _later("2601.04411", "J = 0 is neutral", "spurious", _accuracy("random/1", "base"), EQUAL),
    _later("2601.04411", "J below 0 unlearns", "spurious", _accuracy("inverted/1", "base"), BELOW),
    _later(
        "2506.10947",
        "random rewards raise MATH-500 by 21 points (Qwen2.5-Math alone)",
        "spurious",
        _accuracy("random_copies/1", "base"),
        ABOVE,
    ),
    _later(
        "2506.10947",
        "a reward for the format alone raises it by 14 points",
        "spurious",
        _accuracy("format_only_copies/1", "base"),
        ABOVE,
    ),
    _later(
        "2506.10947",
        "a reward for wrong answers raises it by 24 points",
        "spurious",
        _accuracy("inverted_copies/1", "base"),
        ABOVE,
        "ReST-EM then trains on wrong answers alone; the paper has it of Qwen2.5-Math with GRPO, not of other models",
    ),
    _later(
        "2506.10947",
        "a majority vote as reward gains",
        "spurious",
        _accuracy("majority/1", "base"),
        ABOVE,
    ),
    _later(
        "2605.02909",
        "errors that are independent only slow training: there is a gain after all iterations",
        "noise_kinds",
        _accuracy("by_sample/5", "base"),
        ABOVE,
    ),
    _later(
        "2605.02909",
        "at equal rates, systematic errors end lower than independent ones: errors tied to the answer",
        "noise_kinds",
        _accuracy("by_sample/5", "by_answer/5"),
        ABOVE,
    ),
    _later(
        "2605.02909",
        "the same for errors tied to the problem",
        "noise_kinds",
        _accuracy("by_sample/5", "by_problem/5"),
        ABOVE,
    ),
    _later(
        "2605.02909",
        "systematic false accepts can bring a collapse: later iterations lose what the first gained",
        "noise_kinds",
        _accuracy("by_answer/5", "by_answer/1"),
        BELOW,
    ),
    _later(
        "2510.16657",
        "an imperfect verifier brings an early gain",
        "long_run",
        _accuracy("judge_blind/1", "base"),
        ABOVE,
    ),
    _later(
        "2510.16657",
        "the early gain then stays as it is or turns: after the third iteration there is no further rise",
        "long_run",
        _accuracy("judge_blind/10", "judge_blind/3"),
        NO_RISE,
    ),
    _later(
        "2510.16657",
        "the policy moves towards what the verifier accepts: its reward rises on",
        "long_run",
        Effect(measure="reward", left="judge_blind/10", right="judge_blind/1"),
        ABOVE,
    ),
    _later(
        "2602.11570",
        "the verifier's accuracy and the gain go together, R² above .92",
        "eight_verifiers",
        Effect(measure="R2 verifier_accuracy"),
        (0.92, 1.0),
    ),
)
