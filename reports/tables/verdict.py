"""The verdict: for every arm what to do with its verifier, and the figures that show why.

Takes Findings and their Ranking; gives the Table that the report begins with.
"""

from __future__ import annotations

from restem.reports.analysis.findings import Findings, TrainingData
from restem.reports.analysis.price import price_per_point
from restem.reports.analysis.ranking import Ranking, arm_of
from restem.reports.analysis.recommendation import Advice, advise
from restem.reports.analysis.stability import Stability
from restem.reports.tables.arms import (
    CLUSTERED,
    DASH,
    Cell,
    Table,
    arm_cell,
    difference,
    estimate,
    in_points,
    share,
    signed,
)
from restem.reports.tables.phrases import advice_cell
from restem.reports.tables.price import price_cell

HOLDS = {True: "yes", False: "no", None: "not shown"}


def verdict(findings: Findings, ranking: Ranking) -> Table:
    """What the report begins with: a row an arm, the best first."""
    data = {(item.arm.name, item.iteration): item for item in findings.data}
    advices = advise(findings, ranking)
    rounds = f"{ranking.iteration} iteration{'s' * (ranking.iteration != 1)}"
    return Table(
        id="verdict",
        title="Which verifier to train on",
        columns=(
            *(
                "Trained on",
                "Recommendation",
                f"Gain after {rounds}, points",
                "Gain holds?",
                "Reward − accuracy, points",
            ),
            *("Accepted precision, %", "Yield: kept of sampled", "Verdicts per gained point"),
        ),
        rows=tuple(
            _row(findings, ranking, advice, data.get((arm_of(advice.standing).name, ranking.iteration)))
            for advice in advices
        ),
        note=(
            "Gain: gold accuracy on the test split over the base. Tied: equal within 5 points. Not told apart: neither "
            "a difference nor that is shown. Gain holds: no fault shown, and the last iteration no worse than any "
            "before it by 5 points, whatever other arms gained; a dash where neither gain nor fault is "
            "shown; the method says what counts as a fault. Precision (accepted training samples that the gold calls "
            "correct) and yield: of the last iteration. Verdicts: of all iterations, with what they took; no interval. "
            f"{CLUSTERED}"
            + " Of arms with replicates, gains are of other seeds on other problems, yield is of all seeds together, "
            "verdicts per gained point are of one." * any(advice.standing.replicates for advice in advices)
        ),
        first=2,
    )


def _row(findings: Findings, ranking: Ranking, advice: Advice, item: TrainingData | None) -> tuple[Cell, ...]:
    standing, gain = advice.standing, ranking.gain(advice.standing)
    return (
        *(arm_cell(arm_of(standing)), advice_cell(advice), difference(gain.claim if gain else None)),
        *(holds_cell(advice.stability, ranking.gained(standing)), difference(standing.gap)),
        estimate(item.accepted_precision) if item else Cell(DASH),
        share(item.kept, item.sampled) if item else Cell(DASH),
        price_cell(price_per_point(findings, item, gain)) if item else Cell(DASH),
    )


def holds_cell(stability: Stability | None, gained: bool) -> Cell:
    """Whether what was gained holds, with the faults that are shown; of what gained nothing, the faults alone."""
    if stability is None or not (gained or stability.holds is False):
        return Cell(DASH)
    faults: list[str] = []
    if before := stability.best_before:
        contest = next(contest for standing, contest in stability.against if standing is before)
        faults.append(f"{signed(contest.claim.value)} points since iteration {before.iteration}")
    if stability.parts_at is not None:
        faults.append(f"reward parts at iteration {stability.parts_at}")
    if stability.drift.low > 0:
        faults.append(f"FPR {in_points(stability.drift).line}")
    if not stability.same_sign:
        faults.append(f"{sum(gain.value > 0 for gain in stability.gains)} of {len(stability.gains)} seeds gained")
    if not stability.against and stability.holds is None:
        faults.append("one iteration")
    return Cell(HOLDS[stability.holds], "; ".join(faults))
