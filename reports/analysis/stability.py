"""Whether what an arm gained holds: its accuracy over iterations, its reward, its verifier's false accepts, its seeds.

Takes Findings and the iteration at which arms are ranked; gives one Stability an arm. Four faults can be shown:
accuracy below that of an earlier iteration, reward that parts from accuracy beyond what the new accuracy explains, more
false accepts than on the base, and a seed that lost what another gained. The absence of faults is not yet stability: a
gain holds only where the last iteration is shown to be no worse than each earlier one (TOST) and all seeds' gains have
one sign.
"""

from __future__ import annotations

import dataclasses
import functools

import numpy as np

from restem.harness.names import BASE
from restem.reports.analysis.findings import TEST, Findings, Standing, confusion
from restem.reports.analysis.ranking import ALPHA, Contest, arm_of, family, trained_at
from restem.reports.analysis.reward_gap import GapMove, Parting, partings
from restem.reports.data.run import Arm
from restem.reports.stats import estimates, reward_quality
from restem.reports.stats.estimates import Difference, Estimate


@dataclasses.dataclass(frozen=True, kw_only=True)
class Stability:
    """How one arm's training went up to an iteration.

    Attributes:
        against: Each earlier iteration, with the last one less it; the tests corrected for all of them.
        parting: Where reward and accuracy part; None for the gold's own arm.
        drift: FPR of the training verifier on the last checkpoint's own samples less that on the base's.
        gains: Of each replicate; empty where there is one alone.
    """

    against: tuple[tuple[Standing, Contest], ...]
    parting: Parting | None
    drift: Estimate
    gains: tuple[Difference, ...]

    @functools.cached_property
    def best_before(self) -> Standing | None:
        """The iteration to stop at: of those that the last one is shown to have fallen from, the most accurate."""
        fallen = [s for s, contest in self.against if contest.worse]
        return max(fallen, key=lambda s: s.accuracy.value, default=None)

    @property
    def parts_at(self) -> int | None:
        """The iteration at which reward was first seen to outgrow accuracy; None where it did not."""
        return self.parting.iteration if self.parting and self.parting.move is GapMove.GROWN else None

    @property
    def same_sign(self) -> bool:
        """Whether all replicates gained, or all lost, as far as their values go."""
        return len({gain.value > 0 for gain in self.gains}) < 2

    @property
    def seeds_disagree(self) -> bool:
        """Whether one replicate is shown to have gained and another to have lost, each by its own interval."""
        return any(gain.low > 0 for gain in self.gains) and any(gain.high < 0 for gain in self.gains)

    @property
    def holds(self) -> bool | None:
        """False where a fault is shown, True where the last iteration is shown to be no worse than any, else None."""
        if self.best_before or self.parts_at is not None or self.drift.low > 0 or self.seeds_disagree:
            return False
        no_worse = all(contest.equivalence.not_worse < ALPHA for _, contest in self.against)
        return True if self.against and no_worse and self.same_sign else None


def stabilities(findings: Findings, iteration: int) -> dict[str, Stability]:
    """Arm name -> its stability up to an iteration, of all arms that have reached it and trained on something."""
    by_arm = {parting.arm: parting for parting in partings(findings)}
    trained = trained_at(findings, iteration)
    return {arm_of(s).name: _stability(findings, s, by_arm.get(arm_of(s).name)) for s in trained}


def _stability(findings: Findings, last: Standing, parting: Parting | None) -> Stability:
    arm = arm_of(last)
    stored = (findings.standings.get((arm.name, i)) for i in range(1, last.iteration))
    earlier = [s for s in stored if s and estimates.paired(last.counts, s.counts)]
    return Stability(
        against=tuple(zip(earlier, family([(last, s) for s in earlier]), strict=True)),
        parting=parting if parting and (parting.iteration or 0) <= last.iteration else None,
        drift=_drift(findings, arm, last.iteration),
        gains=tuple(replica.gain for replica in last.replicates if replica.gain),
    )


def _drift(findings: Findings, arm: Arm, iteration: int) -> Estimate:
    """FPR then less FPR on the base's samples, of all replicates together; nothing for the gold, which defines it."""
    if arm.gold:
        return estimates.NOTHING
    run, replicas = findings.run, findings.run.replicates(arm)
    reached = [(r, c.id) for r in replicas for c in run.chain(r.name) if c.iteration == iteration]
    now, then = (
        np.sum([confusion(run, run.rows(id, TEST), TEST, replica.verifier) for replica, id in judged], axis=0)
        for judged in (reached, [(replica, BASE) for replica in replicas])
    )
    rates = [
        estimates.rate(
            t[:, reward_quality.FALSE_ACCEPT], t[:, reward_quality.FALSE_ACCEPT] + t[:, reward_quality.TRUE_REJECT]
        )
        for t in (now, then)
    ]
    return estimates.apart(*rates)
