"""Which verifier is worth training on: the arms compared pair by pair, and the answer in sentences.

Takes Findings; gives contests and sentences. The rule: an arm's worth is its gold accuracy on the test split after the
last iteration that all arms have reached; arms differ where a paired t test over problems (over
seeds and problems, of arms with replicates) says so after Holm's correction for all pairs. Control arms are never
recommended; they are what a recommended arm has to beat.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from harness.records import BASE
from reports import metrics, replicates
from reports.contests import Equivalence, Flips, Homogeneity, cochran_q, equivalence, problem_flips, single
from reports.findings import Findings, Standing
from reports.metrics import Counts, Difference
from reports.rows import Arm

ALPHA = 0.05
# Differences below this count as none when two arms are called equal: what 500 problems can tell apart.
MARGIN = 0.05
NOT_COMPARED = Difference(
    value=0.0, low=-1.0, high=1.0, clusters=0, error=math.nan, freedom=0, p_value=1.0, detectable=1.0
)
FULL_COVERAGE = 0.98


@dataclasses.dataclass(frozen=True, kw_only=True)
class Contest:
    """Two arms on the same problems: left minus right.

    Attributes:
        difference: With its interval by problem: of these seeds.
        flips: Problems with a larger share of correct on the left, and on the right.
        p_value: Of a paired t test over problems; of McNemar's exact test where each has one sample; over seeds and
            problems where a side has replicates.
        adjusted_p: The same, corrected for the other contests of its family.
        seeded: The difference of other seeds on other problems; None where no side has replicates.
    """

    left: str
    right: str
    difference: Difference
    flips: Flips
    equivalence: Equivalence
    p_value: float
    adjusted_p: float
    seeded: Difference | None = None

    @property
    def claim(self) -> Difference:
        """The difference that verdicts rest on: it includes seeds where they are known."""
        return self.seeded or self.difference

    @property
    def decided(self) -> bool:
        return self.adjusted_p < ALPHA

    @property
    def equal(self) -> bool:
        return not self.decided and self.equivalence.p_value < ALPHA

    @property
    def verdict(self) -> str:
        """What the tests allow to say, in words."""
        if self.decided:
            return f"{self.left if self.difference.value > 0 else self.right} is better"
        within = f"{100 * self.equivalence.margin:.0f} points"
        if self.equal:
            return f"equal within {within}"
        return f"no worse by {within}" if self.equivalence.not_worse < ALPHA else "no difference detectable"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ranking:
    """Arms by gold accuracy after `iteration`, best first, and every pair of them.

    Attributes:
        gains: Each arm against the base.
        overall: Whether the base and all arms have one accuracy.
        idle: Arms whose verifier accepted nothing, so that their policy is still the base: not ranked, as any
            difference from the base is chance.
    """

    iteration: int
    standings: tuple[Standing, ...]
    contests: tuple[Contest, ...]
    gains: tuple[Contest, ...]
    overall: Homogeneity
    idle: tuple[Standing, ...]

    def contest(self, left: str, right: str) -> Contest | None:
        return next((c for c in self.contests if (c.left, c.right) == (left, right)), None)

    def gain(self, standing: Standing) -> Contest | None:
        """The arm against the base."""
        return next((c for c in self.gains if c.left == arm_of(standing).name), None)


def arm_of(standing: Standing) -> Arm:
    """The arm of a standing that has one."""
    assert standing.arm is not None
    return standing.arm


def rank(findings: Findings) -> Ranking:
    """The arms at the last iteration that every arm has reached (that any has, where some have none)."""
    reached = [last.iteration for arm in findings.run.arms if (last := findings.last(arm))]
    iteration = min(reached, default=0)
    found = [findings.standings.get((arm.name, iteration)) for arm in findings.run.arms]
    reached_it = [s for s in found if s and iteration and s.accuracy.n]
    standings = [s for s in reached_it if findings.trained(arm_of(s), iteration)]
    standings.sort(key=lambda s: -s.accuracy.value)
    pairs = [(a, b) for i, a in enumerate(standings) for b in standings[i + 1 :]]
    base = [findings.base] if findings.base else []
    shares = [metrics.ratio(*s.counts) for s in (*base, *standings)]
    idle = tuple(s for s in reached_it if not findings.trained(arm_of(s), iteration))
    return Ranking(
        iteration=iteration,
        standings=tuple(standings),
        contests=_contests(pairs),
        gains=_contests([(s, b) for s in standings for b in base]),
        overall=cochran_q(np.stack(shares, axis=1) if shares else np.zeros((0, 0))),
        idle=idle,
    )


def _contests(pairs: Sequence[tuple[Standing, Standing]]) -> tuple[Contest, ...]:
    """The pairs that have a problem in common, as one family of tests."""
    found = [_test(a, b, difference) for a, b in pairs if (difference := metrics.paired(a.counts, b.counts))]
    adjusted = metrics.holm([contest.p_value for contest in found])
    return tuple(dataclasses.replace(c, adjusted_p=p) for c, p in zip(found, adjusted, strict=True))


def _test(left: Standing, right: Standing, difference: Difference) -> Contest:
    flips = problem_flips(left.counts, right.counts)
    p_value = flips.p_value if single(left.counts, right.counts) else difference.p_value
    found = Contest(
        left=left.arm.name if left.arm else BASE,
        right=right.arm.name if right.arm else BASE,
        difference=difference,
        flips=flips,
        equivalence=equivalence(difference, MARGIN),
        p_value=p_value,
        adjusted_p=p_value,
    )
    return with_seeds(found, left, right)


def with_seeds(contest: Contest, left: Standing, right: Standing) -> Contest:
    """The contest, tested over seeds and problems where a side has replicates: a claim is about the recipe."""
    sides = [side for side in (crossed(left), crossed(right)) if side]
    found = replicates.with_seeds(contest.difference, sides)
    if found is None:
        return contest
    return dataclasses.replace(
        contest,
        seeded=found,
        equivalence=equivalence(found, contest.equivalence.margin),
        p_value=found.p_value,
        adjusted_p=found.p_value,
    )


def crossed(standing: Standing) -> replicates.Replicates | None:
    """Replicates of one checkpoint of an arm on the same problems; None where there is one alone."""
    if not standing.replicates:
        return None
    each = [one.counts for one in standing.replicates]
    return replicates.crossed(Counts(np.stack([c.correct for c in each]), np.stack([c.decided for c in each])))


def points(difference: Difference) -> str:
    """`+3.1 points [+0.4, +5.8]`."""
    low, high = difference.low, difference.high
    return f"{signed(difference.value)} points [{signed(low)}, {signed(high)}]"


def signed(value: float) -> str:
    """A share as signed percentage points, with a true minus sign; no negative zero."""
    text = f"{100 * value:+.1f}"
    return "0.0" if text in ("+0.0", "-0.0") else text.replace("-", "−")


def answer(findings: Findings, ranking: Ranking) -> list[str]:
    """The sentences that answer "which verifier?"; the first one alone is an answer."""
    candidates = [s for s in ranking.standings if not arm_of(s).control]
    if not candidates:
        none = "No answer yet: no arm with a verifier to recommend has a trained checkpoint with gold verdicts."
        return [none, *_idle(ranking)]
    best = candidates[0]
    sentences = [_first(ranking, best, candidates), *_behind(ranking, best, candidates)]
    sentences += _against_controls(findings, ranking, best)
    sentences += [*_idle(ranking), *_overstated(candidates)]
    return [*sentences, *_undecided(findings, best)]


def _title(standing: Standing) -> str:
    arm = arm_of(standing)
    name = arm.verifier if arm.name == arm.verifier else f"{arm.verifier} (arm {arm.name})"
    return f"{name} (the gold itself)" if arm.gold else name


def _listed(names: Sequence[str], word: str) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} {word} {names[-1]}"


def _first(ranking: Ranking, best: Standing, candidates: Sequence[Standing]) -> str:
    rounds = f"{ranking.iteration} iteration{'s' if ranking.iteration != 1 else ''}"
    gain = ranking.gain(best)
    if gain is None:
        return f"No answer yet: the base has no gold verdicts to compare {_title(best)} with."
    if gain.claim.low <= 0:
        return (
            f"No verifier is shown to be worth training on: after {rounds} the best arm, {_title(best)}, changed "
            f"gold accuracy by {_points(gain)}; minimum detectable effect {100 * gain.claim.detectable:.1f} points."
        )
    ties = [s for s in candidates[1:] if not _contest(ranking, best, s).decided and _gained(ranking, s)]
    worth = f"Train on {_listed([_title(s) for s in (best, *ties)], 'or')}"
    gained = f"after {rounds} gold accuracy rose by {_points(gain)} over the base"
    if not ties:
        return f"{worth}: {gained}."
    contests = [_contest(ranking, best, tie) for tie in ties]
    equal = f", equal within {100 * MARGIN:.0f} points"
    apart = [
        f"{_title(tie)} ({points(found.claim)}{equal if found.equal else ''})"
        for tie, found in zip(ties, contests, strict=True)
    ]
    detectable = 100 * max(found.claim.detectable for found in contests)
    return (
        f"{worth}: with {_title(best)}, {gained}, and no difference is detectable between it and "
        f"{_listed(apart, 'and')}; minimum detectable effect {detectable:.1f} points."
    )


def _gained(ranking: Ranking, standing: Standing) -> bool:
    gain = ranking.gain(standing)
    return gain is not None and gain.claim.low > 0


def _points(contest: Contest) -> str:
    """The interval that the verdict rests on; where that includes seeds, the one by problem beside it."""
    low, high = signed(contest.difference.low), signed(contest.difference.high)
    return points(contest.claim) + (f" (by problem alone [{low}, {high}])" if contest.seeded else "")


def _contest(ranking: Ranking, left: Standing, right: Standing) -> Contest:
    found = ranking.contest(arm_of(left).name, arm_of(right).name)
    if found is None:  # no problem in common: nothing can be told apart
        return _test(left, right, NOT_COMPARED)
    return found


def _behind(ranking: Ranking, best: Standing, candidates: Sequence[Standing]) -> list[str]:
    if not _gained(ranking, best):
        return []
    beaten = [s for s in candidates[1:] if _contest(ranking, best, s).decided]
    unclear = [s for s in candidates[1:] if not _contest(ranking, best, s).decided and not _gained(ranking, s)]
    lead = [f"{_title(s)} by {_points(_contest(ranking, best, s))}" for s in beaten]
    sentences = [f"{_title(best)} is ahead of {_listed(lead, 'and')}."] if lead else []
    if unclear:
        gains = [(s, ranking.gain(s)) for s in unclear]
        loose = [f"{_title(s)} ({points(gain.claim)})" if gain else _title(s) for s, gain in gains]
        sentences.append(f"No gain over the base is shown for {_listed(loose, 'and')}.")
    return sentences


def _against_controls(findings: Findings, ranking: Ranking, best: Standing) -> list[str]:
    controls = [s for s in ranking.standings if arm_of(s).control]
    if not controls and any(arm.control for arm in findings.run.arms):
        return ["No control arm has reached this iteration yet."]
    if not controls:
        return ["No control arm was run, so training on unchecked samples may do as well."]
    control = controls[0]
    difference = metrics.paired(best.counts, control.counts)
    if difference is None:
        return []
    told = _test(best, control, difference)
    found = ranking.contest(arm_of(best).name, arm_of(control).name)
    text = f"{_title(best)} against the best control arm, {_title(control)}: {_points(told)}"
    if found is None or not found.decided or difference.value <= 0:
        p = f", p = {found.adjusted_p:.2f} after correction for all pairs" if found else ""
        return [f"{text}{p}; not shown to be better than training without information."]
    return [f"{text}."]


def _idle(ranking: Ranking) -> list[str]:
    names = [_title(s) for s in ranking.idle]
    return [f"Nothing was accepted by {_listed(names, 'and')}: no policy was trained."] if names else []


def _overstated(candidates: Sequence[Standing]) -> list[str]:
    worse = [s for s in candidates if s.gap and not arm_of(s).gold and s.gap.low > 0]
    told = [f"{_title(s)} by {points(s.gap)}" for s in worse if s.gap]
    return [f"The training reward overstates accuracy for {_listed(told, 'and')}."] if told else []


def _undecided(findings: Findings, best: Standing) -> list[str]:
    base = findings.base
    if not base or not base.accuracy.n or min(base.coverage, best.coverage) >= FULL_COVERAGE:
        return []
    as_wrong = best.bounds[0] - base.bounds[0]
    return [
        f"The gold decided {100 * base.coverage:.1f} % of the base's samples and {100 * best.coverage:.1f} % of those "
        f"of {_title(best)}; with undecided counted as wrong in both, the gain is {signed(as_wrong)} points."
    ]
