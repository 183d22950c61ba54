"""The answer to "which verifier is worth training on": a code, and the arms and tests that it rests on.

Takes Findings and their Ranking; gives an Answer. It reads tests after correction, never bare values. It is about the
candidates: the gold's own arm is the ceiling that they are measured by, control arms are the floor. Holds no English:
`restem.reports.pages.sentences` words it.
"""

from __future__ import annotations

import dataclasses
import enum

from restem.reports.analysis.contest import Contest, arm_of
from restem.reports.analysis.findings import Findings, Standing
from restem.reports.analysis.ranking import FULL_COVERAGE, Ranking, gains
from restem.reports.analysis.reward_gap import LEAST
from restem.reports.analysis.stability import stabilities, stop_at
from restem.reports.stats.estimates import Estimate


class Headline(enum.StrEnum):
    """What the answer begins with."""

    NO_CHECKPOINT = "no_checkpoint"
    """No arm that may be recommended has a trained checkpoint with gold verdicts."""
    NO_BASE = "no_base"
    """The base has no gold verdicts to compare with."""
    NO_GAIN = "no_gain"
    """No arm is shown to be better than the base."""
    NO_BETTER_THAN_CONTROL = "no_better_than_control"
    """The best arm is not shown to be better than training without information."""
    TRAIN = "train"
    CEILING_ALONE = "ceiling_alone"
    """The suite has no arm that may be recommended: what the gold's own arm gained is all that there is to say."""


class Control(enum.StrEnum):
    """How the best arm stands against training without information."""

    BEATEN = "beaten"
    NOT_BEATEN = "not_beaten"
    UNTRAINED = "untrained"
    """Control arms accepted nothing, so none was trained."""
    NOT_REACHED = "not_reached"
    """No control arm has reached the iteration."""
    ABSENT = "absent"
    """The suite has no control arm."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Rival:
    """An arm, and the best arm minus it."""

    standing: Standing
    contest: Contest


@dataclasses.dataclass(frozen=True, kw_only=True)
class GoldCoverage:
    """The shares of the samples that the gold decided, and the gain if it would call all others wrong."""

    base: float
    best: float
    gain_as_wrong: float


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Answer:
    """The answer; all but `code`, `iteration`, `seeds`, `ceiling` and `idle` are empty where there is no best arm.

    Attributes:
        iteration: After which the best arm is compared, or the ceiling where there is none.
        seeds: Fewest training seeds of an arm. With one, the spread between seeds in all intervals is an assumed one.
        best: The best arm that is shown to be worth training on; where there is none, the most accurate candidate.
        gain: The best arm minus the base.
        stop: The earlier iteration of the best arm to stop at, since its accuracy fell after it.
        stop_gain: That iteration minus the base.
        share: Of the ceiling's gain that the best arm reached.
        ceiling: The gold's own arm.
        ceiling_gain: That arm minus the base.
        equals: Arms worth training on that are shown to equal the best. An arm whose reward fails is none of these,
            nor of the next, where the best one's does not.
        unclear: Arms worth training on of which neither a difference from the best nor equality is shown.
        faulty: Arms worth training on and not shown to be worse than the best, for which a fault is shown.
        behind: Arms that the best is shown to be better than.
        without_gain: Arms not shown to be worse than the best, for which no gain over the base is shown.
        no_better_than_control: The same with a gain over the base, but none over the best control arm.
        control: How the best arm stands against training without information.
        best_control: The best control arm.
        untrained_controls: Control arms that accepted nothing.
        idle: Arms that accepted nothing, so that no policy was trained.
        overstated: Arms whose training reward is shown to be over 2 points above their accuracy.
        gold_coverage: None where the gold decided nearly all samples of the base and of the best arm.
    """

    code: Headline
    iteration: int
    seeds: int = 0
    best: Standing | None = None
    gain: Contest | None = None
    stop: Standing | None = None
    stop_gain: Contest | None = None
    share: Estimate | None = None
    ceiling: Standing | None = None
    ceiling_gain: Contest | None = None
    equals: tuple[Rival, ...] = ()
    unclear: tuple[Rival, ...] = ()
    faulty: tuple[Standing, ...] = ()
    behind: tuple[Rival, ...] = ()
    without_gain: tuple[tuple[Standing, Contest | None], ...] = ()
    no_better_than_control: tuple[tuple[Standing, Contest | None], ...] = ()
    control: Control | None = None
    best_control: Rival | None = None
    untrained_controls: tuple[Standing, ...] = ()
    idle: tuple[Standing, ...] = ()
    overstated: tuple[Standing, ...] = ()
    gold_coverage: GoldCoverage | None = None


def answer(findings: Findings, ranking: Ranking) -> Answer:
    """The answer at the ranking's iteration."""
    best, control = ranking.best, ranking.control
    ceiling = ranking.ceiling
    basis = Answer(
        code=Headline.NO_CHECKPOINT,
        iteration=_iteration(ranking),
        seeds=ranking.seeds,
        ceiling=ceiling,
        ceiling_gain=ranking.gain(ceiling) if ceiling else None,
        idle=ranking.idle,
    )
    if best is None:
        alone = ceiling is not None and all(arm.gold or arm.control for arm in findings.run.arms)
        return dataclasses.replace(basis, code=Headline.CEILING_ALONE) if alone else basis
    code, gained = _headline(ranking, best), ranking.gained(best)
    stability = stabilities(findings)
    trusted = not stability[arm_of(best).name].untrusted
    stop = stop_at(findings, stability[arm_of(best).name])
    rivals = [
        Rival(standing=s, contest=ranking.contest(best, s))
        for s in ranking.worthy
        if s is not best and not (trusted and stability[arm_of(s).name].untrusted)
    ]
    if code is not Headline.TRAIN:
        rivals = []
    others = [s for s in ranking.candidates if s is not best] if gained else []
    beats_control = control is not None and ranking.beats_control(best)
    return dataclasses.replace(
        basis,
        code=code,
        best=best,
        gain=ranking.gain(best),
        stop=stop,
        stop_gain=gains(findings)[arm_of(stop).name, stop.iteration] if stop else None,
        share=ranking.shares.get(arm_of(best).name),
        equals=tuple(rival for rival in rivals if rival.contest.equal),
        unclear=tuple(rival for rival in rivals if not rival.contest.decided and not rival.contest.equal),
        faulty=_faulty(findings, ranking),
        behind=tuple(Rival(standing=s, contest=ranking.contest(best, s)) for s in others if ranking.beaten(s)),
        without_gain=tuple((s, ranking.gain(s)) for s in others if not ranking.beaten(s) and not ranking.gained(s)),
        no_better_than_control=tuple(
            (s, ranking.gain(s))
            for s in others
            if beats_control and not ranking.beaten(s) and ranking.gained(s) and not ranking.beats_control(s)
        ),
        control=_control(findings, ranking, best),
        best_control=Rival(standing=control, contest=ranking.contest(best, control)) if control else None,
        untrained_controls=tuple(s for s in ranking.idle if arm_of(s).control),
        overstated=tuple(s for s in ranking.candidates if s.gap and s.gap.low > LEAST),
        gold_coverage=_gold_coverage(findings, best),
    )


def _iteration(ranking: Ranking) -> int:
    about = ranking.best or ranking.ceiling
    return about.iteration if about else max(ranking.iterations, default=0)


def _headline(ranking: Ranking, best: Standing) -> Headline:
    gain = ranking.gain(best)
    if gain is None:
        return Headline.NO_BASE
    if not gain.better:
        return Headline.NO_GAIN
    return Headline.TRAIN if ranking.beats_control(best) else Headline.NO_BETTER_THAN_CONTROL


def _faulty(findings: Findings, ranking: Ranking) -> tuple[Standing, ...]:
    stability = stabilities(findings)
    unbeaten = (s for s in ranking.worthy if not ranking.beaten(s))
    return tuple(s for s in unbeaten if stability[arm_of(s).name].holds is False)


def _control(findings: Findings, ranking: Ranking, best: Standing) -> Control:
    if ranking.control:
        return Control.BEATEN if ranking.beats_control(best) else Control.NOT_BEATEN
    if any(arm_of(s).control for s in ranking.idle):
        return Control.UNTRAINED
    return Control.NOT_REACHED if any(arm.control for arm in findings.run.arms) else Control.ABSENT


def _gold_coverage(findings: Findings, best: Standing) -> GoldCoverage | None:
    base = findings.base
    if not base or not base.accuracy.n or min(base.coverage, best.coverage) >= FULL_COVERAGE:
        return None
    return GoldCoverage(base=base.coverage, best=best.coverage, gain_as_wrong=best.bounds[0] - base.bounds[0])
