"""Accuracy and false accepts by kind of problem: where an arm gained, and where its verifier accepts wrong answers.

Takes Findings; gives a Table. Kinds are read from the text of question and reference by patterns alone, so they are
coarse; a division that puts all problems into one kind is left out. The report shows them where the problems name no
strata of their own (strata.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from restem.benchmarks.problem import Problem
from restem.reports.analysis.findings import TEST, Findings, Standing, confusion
from restem.reports.data.run import Bools
from restem.reports.stats import estimates
from restem.reports.stats.estimates import NOTHING, Counts, Estimate
from restem.reports.stats.reward_quality import FALSE_ACCEPT, TRUE_REJECT
from restem.reports.tables.arms import arm_cell
from restem.reports.tables.format import difference, estimate
from restem.reports.tables.table import CLUSTERED, Column, Table

NUMBER = re.compile(r"(-?)([0-9]{1,99})(/[0-9]{1,99}|\.[0-9]{1,99})?")
LETTER = re.compile(r"(?<![A-Za-z])[A-Za-z](?![A-Za-z])")
KINDS = (
    *("negative", "zero", "positive"),
    *("below 10", "10 to 99", "100 and more"),
    *("whole", "fraction"),
    *("unknown on one side", "unknown on both sides"),
)
DIVISIONS = (KINDS[:3], KINDS[3:6], KINDS[6:8], KINDS[8:])


def kinds(problem: Problem) -> set[str]:
    """The kinds that a problem is of, at most one of each division; none where its text has another form."""
    reference = NUMBER.fullmatch((problem.reference or "").strip())
    kinds: set[str] = set()
    if reference:
        sign, digits, rest = reference[1], reference[2].lstrip("0"), reference[3]
        zero = not digits and not (rest and any(c in "123456789" for c in rest))
        kinds.add("zero" if zero else "negative" if sign else "positive")
        if rest:
            kinds.add("fraction")
        else:  # the size of a fraction is not what its digits say
            kinds |= {"whole", "below 10" if len(digits) < 2 else "10 to 99" if len(digits) < 3 else "100 and more"}
    left, equals, right = problem.question.partition(" for ")[0].partition("=")
    if equals and "=" not in right:
        sides = sum(bool(LETTER.search(side)) for side in (left, right))
        kinds |= {KINDS[7 + sides]} if sides else set()
    return kinds


class _Stratum(NamedTuple):
    """A kind of test problem: its mask over them, and the base and an arm on it."""

    kind: str
    mask: Bools
    base: Standing
    last: Standing

    def counts(self, standing: Standing) -> Counts:
        """The gold's counts of a standing on these problems."""
        return Counts(standing.counts.correct[self.mask], standing.counts.decided[self.mask])


def by_kind(findings: Findings) -> Table:
    """Every arm after its last iteration, on each kind of test problem."""
    by_problem = [kinds(problem) for problem in findings.run.problems.get(TEST, ())]
    masks = {kind: np.array([kind in its_kinds for its_kinds in by_problem], bool) for kind in KINDS}
    shown = [kind for kind in _dividing(masks) if masks[kind].any()]
    lasts = [last for arm in findings.run.arms if (last := findings.last(arm))]
    base = findings.base
    return Table.of(
        [_Stratum(kind, masks[kind], base, last) for last in lasts if base for kind in shown],
        [
            Column("arm", "Arm", lambda s: arm_cell(s.last.arm), names=True),
            Column("kind", "Problems of this kind", lambda s: s.kind, names=True),
            Column("problems", "Test problems", lambda s: str(int(s.mask.sum()))),
            Column("base", "Base accuracy, %", lambda s: estimate(estimates.proportion(*s.counts(s.base)))),
            Column("accuracy", "Accuracy, %", lambda s: estimate(estimates.proportion(*s.counts(s.last)))),
            Column(
                "gain",
                "Gain over base, points",
                lambda s: difference(estimates.paired(s.counts(s.last), s.counts(s.base))),
            ),
            Column("fpr_base", "FPR on the base, %", lambda s: estimate(_fpr(findings, _start(findings, s), s.mask))),
            Column("fpr", "FPR, %", lambda s: estimate(_fpr(findings, s.last, s.mask))),
        ],
        id="strata",
        title="By kind of problem",
        note=(
            "Each arm after its last iteration. Sign and size are those of the reference; the size only of whole "
            "numbers. FPR: wrong samples of these problems that the arm's training verifier accepts, on the base's "
            "samples and on the arm's own. Many kinds are looked at, without correction for that: a difference "
            f"between kinds is a hint. {CLUSTERED}"
        ),
    )


def _start(findings: Findings, stratum: _Stratum) -> Standing:
    """The base as the arm's verifier judged it."""
    arm = stratum.last.arm
    return findings.standings[arm.name, 0] if arm else stratum.base


def _dividing(masks: dict[str, Bools]) -> Iterable[str]:
    """The kinds of those divisions that put the problems into more than one kind."""
    return (kind for group in DIVISIONS if sum(bool(masks[k].any()) for k in group) > 1 for kind in group)


def _fpr(findings: Findings, standing: Standing, mask: Bools) -> Estimate:
    """The training verifier's FPR on the problems of a mask; of the gold there is none."""
    run, arm = findings.run, standing.arm
    if arm is None or arm.gold:
        return NOTHING
    parts = standing.replicates or (standing,)
    judged = [(part.checkpoint, part.arm.verifier) for part in parts if part.arm]
    table = np.sum([confusion(run, run.rows(id, TEST), TEST, verifier) for id, verifier in judged], axis=0)[mask]
    return estimates.proportion(table[:, FALSE_ACCEPT], table[:, FALSE_ACCEPT] + table[:, TRUE_REJECT])
