"""The verdict: for every arm what to do with its verifier, and the figures that show why.

Takes Findings and their Ranking; gives the Table that the report begins with.
"""

from __future__ import annotations

from typing import NamedTuple

from restem.reports.analysis.contest import Contest, arm_of
from restem.reports.analysis.findings import Findings, TrainingData
from restem.reports.analysis.price import price_per_point
from restem.reports.analysis.ranking import Ranking
from restem.reports.analysis.recommendation import Advice, advise
from restem.reports.analysis.stability import LEAST, Stability
from restem.reports.tables.arms import arm_cell
from restem.reports.tables.format import DASH, difference, estimate, share, signed
from restem.reports.tables.phrases import advice_cell, compared
from restem.reports.tables.price import price_cell
from restem.reports.tables.table import CLUSTERED, Cell, Column, Table

HOLDS = {True: "yes", False: "no", None: "not shown"}


class _Advised(NamedTuple):
    """What to do with an arm's verifier, its gain over the base, and the data of its last iteration."""

    advice: Advice
    gain: Contest | None
    data: TrainingData | None


def verdict(findings: Findings, ranking: Ranking) -> Table:
    """What the report begins with: a row an arm, the best first."""
    records = _advised(findings, ranking)
    ends, heading = ranking.iterations, _heading(ranking)
    ceiling = f"the best of {ranking.golds} gold arms" if ranking.golds > 1 else "the gold's own arm"
    rejected = any(record.data and record.data.negatives for record in records)
    after = f" after {ends[0]} iteration{'s' * (ends[0] != 1)}" if len(ends) == 1 else ""

    def precision(record: _Advised) -> Cell | str:
        """A dash where rejected samples train too, as by GRPO: those that it learns to write are not all its data."""
        return estimate(record.data.precision) if record.data and not record.data.negatives else DASH

    return Table.of(
        records,
        [
            Column("arm", heading, lambda r: arm_cell(arm_of(r.advice.standing)), names=True),
            Column("after", "Iterations", lambda r: str(r.advice.standing.iteration)) if len(ends) > 1 else None,
            Column("gain", f"Gain{after}, points", lambda r: difference(r.gain.claim if r.gain else None)),
            Column("share", "Share of the ceiling, %", lambda r: share_cell(ranking, r.advice)),
            Column("gap", "Reward gap, points", lambda r: difference(r.advice.standing.gap)),
            Column("precision", "Precision of its training data, %", precision),
            Column("advice", "Recommendation", lambda r: advice_cell(r.advice), names=True),
        ],
        id="verdict",
        title="Which arm to train" if ranking.settings else "Which verifier to train on",
        note=(f"{compared(ranking)} " if len(ends) > 1 else "")
        + (
            "Gain: gold accuracy on the test split over the base, of other problems and other seeds. Ceiling: the "
            f"gain of {ceiling}; floor: a control arm. As good: the 90 % interval of the difference lies "
            "within 5 points. No significant difference: neither that nor a difference is shown. Reward gap: the "
            "verifier's reward less gold accuracy, on the test samples that both decided. Precision: the share of what "
            "it was trained on in the last iteration that the gold calls correct"
            + (", a dash where rejected samples train too, as by GRPO" if rejected else "")
            + ". Intervals are 95 %."
        ),
    )


def _heading(ranking: Ranking) -> str:
    return "Arm" if ranking.settings else "Trained on"


def _advised(findings: Findings, ranking: Ranking) -> list[_Advised]:
    data = {(item.arm.name, item.iteration): item for item in findings.data}
    return [
        _Advised(advice, ranking.gain(s), data.get((arm_of(s).name, s.iteration)))
        for advice in advise(findings, ranking)
        for s in [advice.standing]
    ]


def share_cell(ranking: Ranking, advice: Advice) -> Cell | str:
    """The share of the ceiling's gain that an arm reached; `100` for the ceiling itself."""
    name = arm_of(advice.standing).name
    if ranking.ceiling is advice.standing:
        return Cell("100")
    return estimate(ranking.shares[name], 0) if name in ranking.shares else DASH


def held(findings: Findings, ranking: Ranking) -> Table:
    """Whether the gains are stable, and what they cost: a row an arm."""
    records, heading = _advised(findings, ranking), _heading(ranking)

    def holds(record: _Advised) -> Cell:
        return holds_cell(record.advice.stability, ranking.gained(record.advice.standing))

    def verdicts(record: _Advised) -> Cell:
        return price_cell(price_per_point(findings, record.data, record.gain)) if record.data else Cell(DASH)

    return Table.of(
        records,
        [
            Column("arm", heading, lambda r: arm_cell(arm_of(r.advice.standing)), names=True),
            Column("holds", "Gain stable?", holds),
            Column(
                "precision", "Accepted precision, %", lambda r: estimate(r.data.accepted_precision) if r.data else DASH
            ),
            Column("yield", "Kept of sampled", lambda r: share(r.data.kept, r.data.sampled) if r.data else DASH),
            Column("verdicts", "Verdicts per gained point", verdicts),
        ],
        id="held",
        title="Whether the gains are stable, and what they cost",
        note=(
            "Stable: no failure shown, and the last iteration no worse than any before it by 5 points, whatever other "
            "arms gained; a dash where neither gain nor failure is shown. Failures: accuracy fell; the reward gap grew "
            "by over 2 points more than the new accuracy predicts at the base's TPR and FPR; false accepts grew by "
            "over 5 points on test or training samples; seeds disagree. Accepted precision (accepted training "
            "samples that the gold calls correct, before duplicates and the cap) and kept samples: of the last "
            "iteration, of all seeds together. "
            f"Verdicts: of all iterations of one seed, with what they took; no interval. {CLUSTERED}"
        ),
    )


def holds_cell(stability: Stability | None, gained: bool) -> Cell:
    """Whether the gain is stable, with the failures that are shown; of what gained nothing, the failures alone."""
    if stability is None or not (gained or stability.holds is False):
        return Cell(DASH)
    faults: list[str] = []
    if before := stability.best_before:
        contest = next(contest for standing, contest in stability.against if standing is before)
        faults.append(f"{signed(contest.claim.value)} points since iteration {before.iteration}")
    if stability.parts_at is not None:
        faults.append(f"reward gap opens at iteration {stability.parts_at}")
    if stability.drift.low > LEAST:
        faults.append(f"FPR {difference(stability.drift).line}")
    if stability.memorised.low > LEAST:
        faults.append(f"FPR on training samples {difference(stability.memorised).line}")
    if not stability.same_sign:
        faults.append(f"{sum(gain.value > 0 for gain in stability.gains)} of {len(stability.gains)} seeds gained")
    if not stability.against and stability.holds is None:
        faults.append("one iteration")
    return Cell(HOLDS[stability.holds], "; ".join(faults))
