"""The verdict: for every arm what to do with its verifier, and the figures that say so.

Takes Findings and their Ranking; gives one Advice an arm, and the Table that the report begins with. Every rule reads
intervals and tests that stand on the page; none looks at a bare value. Costs have no interval, so which of two tied
verifiers is cheaper is left to the reader, who sees them side by side. An advice gives one order at most: what speaks
against an arm that another beats stands behind that.
"""

from __future__ import annotations

import dataclasses

from restem.reports.analysis.findings import Findings, Standing, TrainingData
from restem.reports.analysis.ranking import Contest, Ranking, arm_of, gains_at
from restem.reports.analysis.stability import Stability, stabilities
from restem.reports.tables.arms import (
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
from restem.reports.tables.price import per_point

WORDS = {True: "yes", False: "no", None: "not shown"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Advice:
    """What to do with an arm's verifier.

    Attributes:
        stability: None where the arm trained nothing.
        why: What else has to be known, nearly always a detectable effect.
    """

    standing: Standing
    stability: Stability | None
    text: str
    why: str


def advise(findings: Findings, ranking: Ranking) -> list[Advice]:
    """One for every arm that has reached the ranking's iteration, best first; those that trained nothing last."""
    stable = stabilities(findings, ranking.iteration)
    found: list[Advice] = []
    for standing in (*ranking.standings, *ranking.idle):
        own = stable.get(arm_of(standing).name)
        text, why = _advice(findings, ranking, standing, own)
        found.append(Advice(standing=standing, stability=own, text=text, why=why))
    return found


def _advice(findings: Findings, ranking: Ranking, standing: Standing, stable: Stability | None) -> tuple[str, str]:
    if arm_of(standing).control:
        return "control" if stable else "control: trained nothing", ""
    if stable is None:
        return "not trained: nothing accepted", ""
    gained, stop = ranking.gained(standing), _stop(findings, stable)
    hacked = "accuracy fell" if stable.parts_at is None else "reward-hacked"
    if stop and standing in ranking.worthy[:1]:
        return f"train up to iteration {stop.iteration}: {hacked} after it", ""
    halt = f"{hacked}: stop at iteration {stop.iteration}" if stop else ""
    if halt and not gained:
        return (f"{_best(ranking)} gains more; {halt}" if ranking.beaten(standing) else halt), ""
    fault = halt or _fault(stable) if gained else ""
    text, why = _worth(ranking, standing, sound=not fault)
    return "; ".join(part for part in (text, fault) if part), why


def _stop(findings: Findings, stable: Stability) -> Standing | None:
    """The earlier iteration that the last one has fallen from, where a gain is shown for it."""
    before = stable.best_before
    if before is None:
        return None
    gains = [gain for gain in gains_at(findings, before.iteration) if gain.left == arm_of(before).name]
    return before if any(gain.better for gain in gains) else None


def _fault(stable: Stability) -> str:
    """What speaks against going on with an arm that has gained, other than an iteration to stop at."""
    if stable.parts_at is not None or stable.drift.low > 0:
        return "do not trust its reward"
    if stable.best_before:
        return f"accuracy fell since iteration {stable.best_before.iteration}"
    return "seeds disagree" if stable.seeds_disagree else ""


def _best(ranking: Ranking) -> str:
    return arm_of(ranking.best).name if ranking.best else DASH


def _worth(ranking: Ranking, standing: Standing, *, sound: bool) -> tuple[str, str]:
    """What the contests with the base, the best arm and the best control arm say."""
    gain, best, control = ranking.gain(standing), ranking.best, ranking.control
    if gain is None or best is None:
        return DASH, ""
    if gain.worse:
        return "do not train on: accuracy fell", ""
    if not gain.better:
        return "do not train on: no gain shown", _unshown(gain)
    if ranking.beaten(standing):
        return f"{_best(ranking)} gains more", ""
    if control and not ranking.beats_control(standing):
        return f"control {arm_of(control).name} may do as well", _unshown(ranking.contest(standing, control))
    if standing is best:
        return "train on it", ""
    found = ranking.contest(best, standing)
    if found.equal:
        within = f"equal within {100 * found.equivalence.margin:.0f} points"
        return f"tied with {_best(ranking)}{': take the cheaper' * sound}", within
    return f"not told apart from {_best(ranking)}", _unshown(found)


def _unshown(found: Contest) -> str:
    """Why a difference is not shown; p where its interval alone would show it and the correction does not."""
    told = f"detectable: {number(found.claim.detectable)} points"
    excluded = found.claim.low > 0 or found.claim.high < 0
    return f"p = {found.adjusted_p:.2g} after correction; {told}" if excluded else told


def verdict(findings: Findings, ranking: Ranking) -> Table:
    """What the report begins with: a row an arm, the best first."""
    data = {(item.arm.name, item.iteration): item for item in findings.data}
    told = advise(findings, ranking)
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
            _row(findings, ranking, one, data.get((arm_of(one.standing).name, ranking.iteration))) for one in told
        ),
        note=(
            "Gain: gold accuracy on the test split over the base. Tied: equal within 5 points. Not told apart: neither "
            "a difference nor that is shown. Gain holds: no fault shown, and the last iteration no worse than any "
            "before it by 5 points, whatever other arms gained; a dash where neither gain nor fault is "
            "shown; the method says what counts as a fault. Precision (accepted training samples that the gold calls "
            "correct) and yield: of the last iteration. Verdicts: of all iterations, with what they took; no interval. "
            f"{CLUSTERED}"
            + " Of arms with replicates, gains are of other seeds on other problems, yield is of all seeds together, "
            "verdicts per gained point are of one." * any(one.standing.replicates for one in told)
        ),
        first=2,
    )


def _row(findings: Findings, ranking: Ranking, told: Advice, item: TrainingData | None) -> tuple[Cell, ...]:
    standing, gain = told.standing, ranking.gain(told.standing)
    return (
        *(arm_cell(arm_of(standing)), Cell(told.text, told.why), difference(gain.claim if gain else None)),
        *(holds_cell(told.stability, ranking.gained(standing)), difference(standing.gap)),
        estimate(item.accepted_precision) if item else Cell(DASH),
        share(item.kept, item.sampled) if item else Cell(DASH),
        per_point(findings, item, gain).cell if item else Cell(DASH),
    )


def holds_cell(found: Stability | None, gained: bool) -> Cell:
    """Whether what was gained holds, with the faults that are shown; of what gained nothing, the faults alone."""
    if found is None or not (gained or found.holds is False):
        return Cell(DASH)
    faults: list[str] = []
    if before := found.best_before:
        contest = next(contest for standing, contest in found.against if standing is before)
        faults.append(f"{signed(contest.claim.value)} points since iteration {before.iteration}")
    if found.parts_at is not None:
        faults.append(f"reward parts at iteration {found.parts_at}")
    if found.drift.low > 0:
        faults.append(f"FPR {in_points(found.drift).line}")
    if not found.same_sign:
        faults.append(f"{sum(gain.value > 0 for gain in found.gains)} of {len(found.gains)} seeds gained")
    if not found.against and found.holds is None:
        faults.append("one iteration")
    return Cell(WORDS[found.holds], "; ".join(faults))
