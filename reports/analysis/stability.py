"""Whether an arm's gain is stable: its accuracy over iterations, its reward, its verifier's false accepts, its seeds.

Takes Findings; gives one Stability an arm. Four failures can be shown, each
of a size of practical interest: accuracy below that of an earlier iteration by more than the margin can hide, a
reward gap that grew by over 2 points more than the new accuracy predicts, over 5 points more false accepts than on the
base, on test or on training samples, and a seed that lost what another gained. The absence of failures is not yet
stability: a gain is stable only where the last iteration is shown to be no worse than each earlier one (TOST) and all
seeds' gains have one sign.
"""

from __future__ import annotations

import dataclasses
import functools

import numpy as np

from restem.harness.names import BASE
from restem.reports.analysis.contest import ALPHA, Contest, arm_of, family
from restem.reports.analysis.findings import TEST, TRAIN, Findings, Standing, confusion
from restem.reports.analysis.ranking import ends, gains, trained_at
from restem.reports.analysis.reward_gap import GapMove, Parting, partings
from restem.reports.data.run import Arm, base_of
from restem.reports.stats import estimates, reward_quality
from restem.reports.stats.estimates import Difference, Estimate

LEAST = 0.05  # growth of FPR that is of practical interest


@dataclasses.dataclass(frozen=True, kw_only=True)
class Stability:
    """How one arm's training went up to an iteration.

    Attributes:
        against: Each earlier iteration, with the last one less it; the tests corrected for all of them.
        parting: Where the reward gap opens; None for the gold's own arm.
        drift: FPR of the training verifier on the last checkpoint's test samples less that on the base's.
        memorised: The same on training samples, of the policy that the last iteration sampled from: errors that were
            learnt text by text show here alone.
        gains: Of each replicate; empty where there is one alone.
    """

    against: tuple[tuple[Standing, Contest], ...]
    parting: Parting | None
    drift: Estimate
    memorised: Estimate
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
    def accepts_more(self) -> bool:
        """Whether false accepts are shown to have grown by more than LEAST on problems that it was not trained on."""
        return self.drift.low > LEAST

    @property
    def untrusted(self) -> bool:
        """Whether reward outgrew accuracy, or false accepts have grown on problems that it was not trained on."""
        return self.parts_at is not None or self.accepts_more

    @property
    def memorises(self) -> bool:
        """The same on those that it was trained on."""
        return self.memorised.low > LEAST

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
        if self.best_before or self.untrusted or self.memorises or self.seeds_disagree:
            return False
        no_worse = all(contest.equivalence.not_worse < ALPHA for _, contest in self.against)
        return True if self.against and no_worse and self.same_sign else None


@functools.lru_cache(maxsize=1)  # the answer and the recommendations ask for the same ones
def stabilities(findings: Findings) -> dict[str, Stability]:
    """Arm name -> its stability up to the iteration at which it is ranked, of all that trained on something by then."""
    by_arm = {parting.arm: parting for parting in partings(findings)}
    trained = trained_at(findings, ends(findings))
    return {arm_of(s).name: _stability(findings, s, by_arm.get(arm_of(s).name)) for s in trained}


def stop_at(findings: Findings, stability: Stability) -> Standing | None:
    """The earlier iteration that the last one has fallen from, where a gain is shown for it."""
    before = stability.best_before
    gain = gains(findings).get((arm_of(before).name, before.iteration)) if before else None
    return before if gain and gain.better else None


def _stability(findings: Findings, last: Standing, parting: Parting | None) -> Stability:
    arm = arm_of(last)
    stored = (findings.standings.get((arm.name, i)) for i in range(1, last.iteration))
    earlier = [s for s in stored if s and estimates.paired(last.counts, s.counts)]
    return Stability(
        against=tuple(zip(earlier, family([(last, s) for s in earlier]), strict=True)),
        parting=parting if parting and (parting.iteration or 0) <= last.iteration else None,
        drift=_drift(findings, arm, last.iteration, TEST),
        memorised=_drift(findings, arm, last.iteration, TRAIN),
        gains=tuple(replica.gain for replica in last.replicates if replica.gain),
    )


def _drift(findings: Findings, arm: Arm, iteration: int, split: str) -> Estimate:
    """FPR then less FPR on the base's samples, of all replicates together; nothing for the gold, which defines it."""
    if arm.gold:
        return estimates.NOTHING
    run, replicas = findings.run, findings.run.replicates(arm)
    reached = [(r, c) for r in replicas for c in run.chain(r.name) if c.iteration == iteration]
    judged = [(r, c.id if split == TEST else base_of(c)) for r, c in reached]
    base = [(r, BASE if split == TEST else r.first) for r, _ in reached]
    now, then = (
        np.sum([confusion(run, run.rows(id, split), split, replica.verifier) for replica, id in some], axis=0)
        for some in (judged, base)
    )
    rates = [
        estimates.proportion(
            t[:, reward_quality.FALSE_ACCEPT], t[:, reward_quality.FALSE_ACCEPT] + t[:, reward_quality.TRUE_REJECT]
        )
        for t in (now, then)
    ]
    return estimates.apart(rates[0], rates[1])
