"""What later papers found, as data, like paper_findings.py."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tests.perf.paper_findings import ABOVE, BELOW, EQUAL, NO_RISE, SAME, Effect, Finding, Range, accuracy

EM = (
    "ReST-EM trains on accepted samples alone: a right one that is missed costs data, a wrong one that is accepted is "
    "taught. So LR+ decides (here infinite for FPR 0), as theory says for EM; the paper speaks of GRPO"
)

FALSE_ACCEPTS = (
    "ReST-EM teaches every kept text alike, and wrong texts are more varied than right ones, so that more of them stay "
    "when equal ones are kept once (half of the kept at 30 % noise); the paper reports the best point of GRPO runs"
)

TIES = (
    "errors of `by_draw` are drawn anew in every iteration. In the other arms a text keeps its verdict, so rates are "
    "equal on the base's samples alone: later iterations repeat wrong texts that were let pass, and J falls (tables "
    "below)"
)

COPIES = (
    "in EM the outcome depends on whether equal texts are kept once, so both forms are given. The paper has it of "
    "Qwen2.5-Math alone, with GRPO"
)


def _later(where: str, published: str, suite: str, effect: Effect, range: Range, **told: str) -> Finding:
    return Finding(where=f"arXiv:{where}", published=published, suite=suite, effect=effect, range=range, **told)


LITERATURE: Sequence[Finding] = (
    _later(
        "2604.07666",
        "15 % wrong verdicts cost at most 2 points",
        "imperfect",
        accuracy("wrong_15/1", "sympy/1"),
        (-2.0, math.inf),
        why=FALSE_ACCEPTS,
    ),
    _later(
        "2604.07666 (an author's account of it)",
        "30 % wrong verdicts cost at most 4 points",
        "imperfect",
        accuracy("wrong_30/1", "sympy/1"),
        (-4.0, math.inf),
        why=FALSE_ACCEPTS,
    ),
    _later(
        "2604.07666",
        "precision counts for more than recall: with 30 % wrong on one side alone, no false accepts are better",
        "imperfect",
        accuracy("precise/1", "lenient/1"),
        ABOVE,
    ),
    _later(
        "2601.04411",
        "the drift depends on Youden's J alone (GRPO): equal J, equal outcome",
        "youden",
        accuracy("strict/1", "lenient/1"),
        EQUAL,
        why=EM,
    ),
    _later(
        "2601.04411",
        "in its experiment, at J = .3, FPR 0 is better than FNR 0 (16.0 against 14.6 %)",
        "youden",
        accuracy("strict/1", "lenient/1"),
        ABOVE,
    ),
    _later(
        "2601.04411",
        "a smaller J learns less in the same time: J .25 below J .50",
        "youden",
        accuracy("weak/1", "both/1"),
        BELOW,
        why=EM,
    ),
    _later("2601.04411", "J = 0 is neutral", "spurious", accuracy("random/1", "base"), EQUAL),
    _later("2601.04411", "J below 0 unlearns", "spurious", accuracy("inverted/1", "base"), BELOW),
    _later(
        "2506.10947",
        "random rewards raise MATH-500 by 21 points (Qwen2.5-Math alone)",
        "spurious",
        accuracy("random_copies/1", "base"),
        ABOVE,
        note=COPIES,
    ),
    _later(
        "2506.10947",
        "the same, equal texts kept once",
        "spurious",
        accuracy("random/1", "base"),
        ABOVE,
        note=COPIES,
    ),
    _later(
        "2506.10947",
        "random rewards strengthen what the model does already (there by clipping): here training on all samples does "
        "as much",
        "spurious",
        accuracy("random_copies/1", "accept_all_copies/1"),
        EQUAL,
        note=COPIES,
    ),
    _later(
        "2506.10947",
        "a reward for the format alone raises it by 14 points",
        "spurious",
        accuracy("format_only_copies/1", "base"),
        ABOVE,
        note=COPIES,
    ),
    _later(
        "2506.10947",
        "the same, equal texts kept once",
        "spurious",
        accuracy("format_only/1", "base"),
        ABOVE,
        note=COPIES,
    ),
    _later(
        "2506.10947",
        "a reward for wrong answers raises it by 24 points",
        "spurious",
        accuracy("inverted_copies/1", "base"),
        ABOVE,
        why="ReST-EM then trains on wrong answers alone; the paper has it of Qwen2.5-Math with GRPO, not of other "
        "models",
    ),
    _later(
        "2506.10947",
        "a majority vote as reward gains",
        "spurious",
        accuracy("majority/1", "base"),
        ABOVE,
    ),
    _later(
        "2605.02909",
        "errors that are independent only slow training: it ends near the gold's arm, at most 5 points below",
        "noise_kinds",
        accuracy("by_draw/5", "sympy/5"),
        (-SAME, math.inf),
        note=TIES,
    ),
    _later(
        "2605.02909",
        "it catches up: later iterations gain more than the first",
        "noise_kinds",
        accuracy("by_draw/5", "by_draw/1"),
        ABOVE,
        note=TIES,
    ),
    _later(
        "2605.02909",
        "with errors tied to the text it stays on a plateau: later iterations add nothing large",
        "noise_kinds",
        accuracy("by_sample/5", "by_sample/1"),
        NO_RISE,
        note=TIES,
    ),
    _later(
        "2605.02909",
        "with independent errors there is a gain after all iterations",
        "noise_kinds",
        accuracy("by_draw/5", "base"),
        ABOVE,
        note=TIES,
    ),
    _later(
        "2605.02909",
        "at equal rates, systematic errors end lower than independent ones: errors tied to the answer",
        "noise_kinds",
        accuracy("by_draw/5", "by_answer/5"),
        ABOVE,
        note=TIES,
    ),
    _later(
        "2605.02909",
        "the same for errors tied to the problem",
        "noise_kinds",
        accuracy("by_draw/5", "by_problem/5"),
        ABOVE,
        note=TIES,
    ),
    _later(
        "2605.02909",
        "the same for errors tied to the text",
        "noise_kinds",
        accuracy("by_draw/5", "by_sample/5"),
        ABOVE,
        note=TIES,
    ),
    _later(
        "2605.02909",
        "systematic false accepts can bring a collapse: later iterations lose what the first gained",
        "noise_kinds",
        accuracy("by_answer/5", "by_answer/1"),
        BELOW,
        note=TIES,
    ),
    _later(
        "2510.16657",
        "an imperfect verifier brings an early gain",
        "long_run",
        accuracy("judge_blind/1", "base"),
        ABOVE,
    ),
    _later(
        "2510.16657",
        "the early gain then stays as it is or turns: after the third iteration there is no further rise",
        "long_run",
        accuracy("judge_blind/10", "judge_blind/3"),
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
        Effect(measure="R2 accuracy"),
        (0.92, 1.0),
    ),
)
