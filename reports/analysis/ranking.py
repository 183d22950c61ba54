"""Which verifier is worth training on: the arms at their ends, by their roles, and the tests between them.

Takes Findings; gives contests as numbers and codes. An arm's worth is its gold accuracy on the test split after its own
last iteration; while an arm lacks iterations that the suite asks for, no arm is compared at a later one than it has
reached. The gold's own arm is the ceiling and control arms are the floor: neither is recommended, all others are
candidates. Where there are no others, several arms of the gold are the candidates, as they differ in settings. One rule
decides between two arms (`Contest.result`): first whether they are equal within the margin, then whether one is better,
else neither is shown. It is asked of the best candidate against each other one (Hsu 1996, Multiple Comparisons, chapter
4), and of every candidate against the best control arm, on one side. Every interval of a trained arm holds the spread
between training seeds (`restem.reports.stats.seeds`).
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence

import numpy as np

from restem.reports.analysis.contest import (
    Contest,
    arm_of,
    contest_of,
    crossed,
    family,
    not_compared,
    seeds_of,
)
from restem.reports.analysis.findings import Findings, Standing
from restem.reports.data.run import Arm
from restem.reports.stats import estimates, seeds
from restem.reports.stats.estimates import Difference, Estimate
from restem.reports.stats.paired_tests import Homogeneity, cochran_q

FULL_COVERAGE = 0.98


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ranking:
    """Arms by gold accuracy at their ends, best first, by their roles, with the tests between them.

    Attributes:
        ends: Arm -> the iteration after which it is compared, of the arms that have one.
        held_back: Whether an arm is compared after fewer iterations than the suite asks for, as the run is unfinished.
        candidates: The arms that may be recommended, best first: neither the gold's nor a control, or all of the gold.
        ceiling: The gold's own arm, the best where it has several: what training on exact verdicts gives. None where
            its arms are the candidates.
        control: The best control arm, the floor: what training without information gives.
        best: The candidate that the others are compared with: the best worthy one, else the most accurate.
        worthy: Of the candidates those shown to be better than the base and than the best control, best first.
        gains: Each arm against the base; any gain counts, so that their margin is 0.
        contests: The best candidate against each other one, every candidate against the best control (on one side), and
            the ceiling against every candidate, and against the other arms of the gold; four families of tests.
        shares: Arm -> the share of the ceiling's gain that it reached; none where the ceiling's own gain is not shown.
        base: None where it has no gold verdicts.
        idle: Arms whose verifier accepted nothing, so that their policy is still the base: not ranked, as any
            difference from the base is chance.
        seeds: Fewest training seeds of an arm.
    """

    ends: Mapping[str, int]
    held_back: bool
    standings: tuple[Standing, ...]
    candidates: tuple[Standing, ...]
    ceiling: Standing | None
    control: Standing | None
    best: Standing | None
    worthy: tuple[Standing, ...]
    gains: tuple[Contest, ...]
    contests: tuple[Contest, ...]
    shares: Mapping[str, Estimate]
    base: Standing | None
    idle: tuple[Standing, ...]
    seeds: int

    @property
    def iterations(self) -> tuple[int, ...]:
        """After which the arms are compared, fewest first; one number where all have equally many."""
        return tuple(sorted(set(self.ends.values())))

    @property
    def settings(self) -> bool:
        """Whether candidates share a verifier, so that arms are compared and not verifiers alone."""
        return any(arm_of(standing).shared for standing in self.candidates)

    @property
    def golds(self) -> int:
        """Arms of the gold, of which the best is the ceiling; 0 without a ceiling."""
        return sum(arm_of(standing).gold for standing in self.standings) if self.ceiling else 0

    @functools.cached_property
    def overall(self) -> Homogeneity:
        """Whether the base and all arms have one accuracy; computed when asked for, as it imports SciPy."""
        shares = [estimates.ratio(*s.counts) for s in (self.base, *self.standings) if s]
        return cochran_q(np.stack(shares, axis=1) if shares else np.zeros((0, 0)))

    def contest(self, left: Standing, right: Standing) -> Contest:
        """Two of the standings, in whichever order: left minus right; p is 1 for two that no family compares."""
        names = (arm_of(left).name, arm_of(right).name)
        tested = next((c for c in self.contests if (c.left, c.right) in (names, names[::-1])), None)
        contest = contest_of(left, right) or not_compared(left, right)
        return dataclasses.replace(contest, adjusted_p=tested.adjusted_p if tested else 1.0)

    def gain(self, standing: Standing) -> Contest | None:
        """The arm against the base."""
        return next((c for c in self.gains if c.left == arm_of(standing).name), None)

    def gained(self, standing: Standing) -> bool:
        """Whether the arm is shown to be better than the base."""
        gain = self.gain(standing)
        return gain is not None and gain.better

    def beats_control(self, standing: Standing) -> bool:
        """Whether the arm is shown to be better than the best control arm, if one was run."""
        return self.control is None or self.contest(standing, self.control).better

    def beaten(self, standing: Standing) -> bool:
        """Whether the best candidate is shown to be better than this one."""
        return self.best is not None and self.best is not standing and self.contest(self.best, standing).better


def rank(findings: Findings) -> Ranking:
    """The arms at their ends."""
    at = ends(findings)
    standings = sorted(trained_at(findings, at), key=lambda s: -s.accuracy.value)
    chosen = _candidates(findings.run.arms)
    candidates = [s for s in standings if arm_of(s) in chosen]
    golds = [s for s in standings if arm_of(s).gold and s not in candidates]
    ceiling = next(iter(golds), None)
    control = next((s for s in standings if arm_of(s).control), None)
    known = gains(findings)
    gained_at = tuple(known[end] for end in at.items() if end in known)
    floor = family([(s, control) for s in candidates], one_sided=True) if control else ()
    gained, beating = ({c.left for c in tests if c.better} for tests in (gained_at, floor))
    worthy = [s for s in candidates if arm_of(s).name in gained and (not control or arm_of(s).name in beating)]
    best = next(iter(worthy or candidates), None)
    rivals = family([(best, s) for s in candidates if s is not best]) if best else ()
    below = (*family([(ceiling, s) for s in candidates]), *family([(ceiling, s) for s in golds[1:]])) if ceiling else ()
    return Ranking(
        ends=at,
        held_back=any(at.get(arm.name, 0) < arm.iterations for arm in findings.run.arms),
        standings=tuple(standings),
        candidates=tuple(candidates),
        ceiling=ceiling,
        control=control,
        best=best,
        worthy=tuple(worthy),
        gains=gained_at,
        contests=(*rivals, *floor, *below),
        shares=_shares(findings.base, ceiling, standings),
        base=findings.base,
        idle=tuple(s for s in _reached(findings, at) if not findings.trained(arm_of(s), s.iteration)),
        seeds=min((seeds_of(s) for s in standings), default=0),
    )


def ends(findings: Findings) -> dict[str, int]:
    """Arm -> the iteration after which it is compared: its last one, but none that unfinished arms have yet to reach.

    Arms that have not begun are left out, and hold back no other.
    """
    reached = {arm: last.iteration for arm in findings.run.arms if (last := findings.last(arm))}
    common = min((last for arm, last in reached.items() if last < arm.iterations), default=findings.run.iterations)
    return {arm.name: min(last, common) for arm, last in reached.items()}


def _candidates(arms: Sequence[Arm]) -> tuple[Arm, ...]:
    others = tuple(arm for arm in arms if not arm.gold and not arm.control)
    golds = tuple(arm for arm in arms if arm.gold)
    return others or (golds if len(golds) > 1 else ())


def _shares(base: Standing | None, ceiling: Standing | None, standings: Sequence[Standing]) -> dict[str, Estimate]:
    if base is None or ceiling is None:
        return {}
    found = {arm_of(s).name: _share(s, ceiling, base) for s in standings if s is not ceiling}
    return {name: share for name, share in found.items() if share}


def _share(standing: Standing, ceiling: Standing, base: Standing) -> Estimate | None:
    spreads = (seeds.spread_of(crossed(standing)), seeds.spread_of(crossed(ceiling)))
    return seeds.share_of_gain(standing.counts, ceiling.counts, base.counts, spreads)


def _reached(findings: Findings, at: Mapping[str, int]) -> list[Standing]:
    standings = [findings.standings.get((arm.name, at.get(arm.name, 0))) for arm in findings.run.arms]
    return [s for s in standings if s and s.iteration and s.accuracy.n]


def trained_at(findings: Findings, at: Mapping[str, int]) -> list[Standing]:
    """The arms that have reached their iteration and trained on something by then.

    Args:
        at: Arm -> iteration.
    """
    return [s for s in _reached(findings, at) if findings.trained(arm_of(s), s.iteration)]


@functools.lru_cache(maxsize=1)  # ranking, recommendations, prices and predictions ask for the same ones
def gains(findings: Findings) -> Mapping[tuple[str, int], Contest]:
    """(arm, iteration) -> the arm against the base then: the one definition of a gain in the report.

    Those of one iteration are one family of tests, and those of the arms' ends are one.
    """
    arms, base, at = [arm.name for arm in findings.run.arms], findings.base, ends(findings)
    moments = [dict.fromkeys(arms, i) for i in range(1, findings.run.iterations + 1)]
    return {
        (contest.left, moment[contest.left]): contest
        for moment in (*moments, *([at] if len({*at.values()}) > 1 else []))
        for contest in (family([(s, base) for s in trained_at(findings, moment)], margin=0.0) if base else ())
    }


def claims(findings: Findings) -> dict[tuple[str, int], Difference]:
    """(arm, iteration) -> what the arm had gained over the base by then; of other seeds on other problems."""
    return {key: contest.claim for key, contest in gains(findings).items()}
