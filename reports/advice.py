"""The verdict: for every arm what to do with its verifier, and the figures that say so.

Takes Findings and their Ranking; gives one Advice an arm, and the Table that the report begins with. Every rule reads
intervals and tests that stand on the page; none looks at a bare value. Costs have no interval, so which of two tied
verifiers is cheaper is left to the reader, who sees them side by side.
"""

from __future__ import annotations

import dataclasses

from reports.findings import Findings, Standing, TrainingData
from reports.price import per_point
from reports.ranking import Contest, Ranking, arm_of
from reports.stability import Stability, stabilities
from reports.tables import (
    CLUSTERED,
    DASH,
    Cell,
    Table,
    arm_cell,
    difference,
    estimate,
    in_points,
    number,
    share,
    signed,
)

WORDS = {True: "yes", False: "no", None: "not shown"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Advice:
    """What to do with an arm's verifier; `why` is what else has to be known, nearly always a detectable effect."""

    standing: Standing
    stability: Stability
    text: str
    why: str


def advise(findings: Findings, ranking: Ranking) -> list[Advice]:
    """One for every arm that has reached the ranking's iteration, best first; those that trained nothing last."""
    stable = stabilities(findings, ranking.iteration)
    found: list[Advice] = []
    for standing in (*ranking.standings, *ranking.idle):
        own = stable[arm_of(standing).name]
        text, why = _advice(ranking, standing, own)
        found.append(Advice(standing=standing, stability=own, text=text, why=why))
    return found


def _advice(ranking: Ranking, standing: Standing, stable: Stability) -> tuple[str, str]:
    if arm_of(standing).control:
        return "control", ""
    if any(standing is idle for idle in ranking.idle):
        return "not trained: nothing accepted", ""
    text, why = _worth(ranking, standing)
    worth = standing is ranking.candidates[0] or ranking.tied(standing)
    stop = stable.best_before
    if stop and stop.gain and stop.gain.low > 0:
        halt = f"{'accuracy fell' if stable.parts_at is None else 'reward-hacked'}: stop at iteration {stop.iteration}"
        return (f"{text}; {halt}", why) if worth and ranking.gained(standing) else (halt, "")
    if stable.parts_at is not None and worth:
        return f"{text}; do not trust its reward", why
    return text, why


def _worth(ranking: Ranking, standing: Standing) -> tuple[str, str]:
    """What the contests with the base, the best arm and the best control arm say."""
    gain, best, control = ranking.gain(standing), ranking.candidates[0], ranking.control
    if gain is None:
        return DASH, ""
    if gain.claim.high < 0:
        return "do not train on: accuracy fell", ""
    if not ranking.gained(standing):
        return "do not train on: no gain shown", _detectable(gain)
    found = ranking.contest(best, standing)
    if standing is not best and found.decided:
        return f"{arm_of(best).name} gains more", ""
    if control and not ranking.beats_control(standing):
        against = ranking.contest(standing, control)
        return f"control {arm_of(control).name} may do as well", _detectable(against)
    if standing is not best:
        return f"tied with {arm_of(best).name}: take the cheaper", _detectable(found)
    return "train on it", ""


def _detectable(found: Contest) -> str:
    return f"detectable: {number(found.claim.detectable)} points"


def verdict(findings: Findings, ranking: Ranking) -> Table:
    """What the report begins with: a row an arm, the best first."""
    data = {(item.arm.name, item.iteration): item for item in findings.data}
    told = advise(findings, ranking)
    rounds = f"{ranking.iteration} iteration{'s' * (ranking.iteration != 1)}"
    return Table(
        id="verdict",
        title="Which verifier to train on",
        columns=(
            *("Trained on", "Recommendation", f"Gain after {rounds}, points", "Stable?", "Reward − accuracy, points"),
            *("Accepted precision, %", "Yield: kept of sampled", "Verdicts per gained point"),
        ),
        rows=tuple(
            _row(findings, ranking, one, data.get((arm_of(one.standing).name, ranking.iteration))) for one in told
        ),
        note=(
            "Gain: gold accuracy on the test split over the base. Tied: no difference detectable. Stable: no fault "
            "shown, and the last iteration no worse than any before it by 5 points; the method says what counts as a "
            "fault. Precision (accepted training samples that the gold calls correct) and yield: of the last "
            f"iteration. Verdicts: of all iterations, with what they took; no interval. {CLUSTERED}"
            + " Of arms with replicates, gains are of other seeds on other problems."
            * any(one.standing.replicates for one in told)
        ),
        first=2,
    )


def _row(findings: Findings, ranking: Ranking, told: Advice, item: TrainingData | None) -> tuple[Cell, ...]:
    standing, gain = told.standing, ranking.gain(told.standing)
    return (
        *(arm_cell(arm_of(standing)), Cell(told.text, told.why), difference(gain.claim if gain else None)),
        *(stable_cell(told.stability), difference(standing.gap)),
        estimate(item.accepted_precision) if item else Cell(DASH),
        share(item.kept, item.sampled) if item else Cell(DASH),
        per_point(findings, item).cell if item else Cell(DASH),
    )


def stable_cell(found: Stability) -> Cell:
    """Whether what was gained holds, with the faults that are shown."""
    faults: list[str] = []
    if before := found.best_before:
        contest = next(contest for standing, contest in found.against if standing is before)
        faults.append(f"{signed(contest.claim.value)} points since iteration {before.iteration}")
    if found.parts_at is not None:
        faults.append(f"reward parts at iteration {found.parts_at}")
    if found.drift.low > 0:
        faults.append(f"FPR {in_points(found.drift).line}")
    if not found.same_sign:
        faults.append(f"{sum(gain > 0 for gain in found.gains)} of {len(found.gains)} seeds gained")
    if not found.against and found.holds is None:
        faults.append("one iteration")
    return Cell(WORDS[found.holds], "; ".join(faults))
