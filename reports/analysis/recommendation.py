"""What to do with each arm's verifier, as codes and the arms and tests that they rest on.

Takes Findings and their Ranking; gives one Advice an arm. Every rule reads intervals and tests that the report shows;
none reads a bare value. Costs have no interval, so which of two tied verifiers is cheaper is left to the reader, who
sees them side by side. An Advice gives one order at most: a fault of an arm that another arm beats comes second. Holds
no English: `restem.reports.tables.phrases` words the codes.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Sequence

from restem.reports.analysis.contest import Contest, arm_of
from restem.reports.analysis.findings import Findings, Standing
from restem.reports.analysis.ranking import Ranking
from restem.reports.analysis.stability import Stability, stabilities, stop_at
from restem.reports.data.run import Arm


class Recommendation(enum.StrEnum):
    """What the tests allow to recommend for an arm's verifier."""

    CEILING = "ceiling"
    """The gold's own arm: what exact verdicts give; never recommended, as who has the gold has no question."""
    GOLD = "gold"
    """Another arm of the gold's, not shown to be less accurate than the ceiling."""
    GOLD_BELOW = "gold_below"
    """Another arm of the gold's, shown to be less accurate than the ceiling."""
    CONTROL = "control"
    """A control arm, the floor: never recommended."""
    UNTRAINED = "untrained"
    """The verifier accepted nothing, so no policy was trained."""
    TRAIN = "train"
    """The best candidate, or one that is not shown to be worse: which of these leads may be chance."""
    TRAIN_UP_TO = "train_up_to"
    """The best candidate, which was better at an earlier iteration."""
    STOP = "stop"
    """A gain is shown at an earlier iteration alone."""
    OTHER_GAINS_MORE = "other_gains_more"
    OTHER_TRUSTED = "other_trusted"
    """Its reward has a fault that the best candidate's has not, whether or not it is shown to gain less."""
    ACCURACY_FELL = "accuracy_fell"
    """Accuracy is shown to be below the base's."""
    NO_GAIN = "no_gain"
    """No gain over the base is shown."""
    CONTROL_MAY_DO = "control_may_do"
    """A gain over the base is shown, none over the best control arm."""
    UNKNOWN = "unknown"
    """There is nothing to compare the arm with."""


class Fault(enum.StrEnum):
    """What is shown to have gone wrong while an arm trained."""

    REWARD_HACKED = "reward_hacked"
    """Reward outgrew accuracy, and accuracy fell after an iteration that had gained."""
    ACCURACY_FELL = "accuracy_fell"
    """Accuracy fell after an earlier iteration."""
    UNTRUSTED_REWARD = "untrusted_reward"
    """Reward outgrew accuracy by over 2 points, or false accepts grew by over 5 points since the base."""
    MEMORISED = "memorised"
    """False accepts grew by over 5 points on training samples: the policy writes again what was wrongly accepted."""
    SEEDS_DISAGREE = "seeds_disagree"
    """One replicate is shown to have gained and another to have lost."""


REWARD_FAULTS = (Fault.REWARD_HACKED, Fault.UNTRUSTED_REWARD)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Advice:
    """What to do with an arm's verifier.

    Attributes:
        stability: None where the arm trained nothing.
        than: The arm that the code compares with: the best arm, or the best control arm.
        contest: The contest that the code rests on, where it is one that shows no difference.
        fault: What is shown to have gone wrong, besides the code.
        stop_at: Iteration to stop at: a gain is shown for it, and accuracy fell after it.
        fell_since: Iteration since which accuracy fell, whether or not a gain is shown for it.
    """

    standing: Standing
    stability: Stability | None
    code: Recommendation
    than: str | None = None
    contest: Contest | None = None
    fault: Fault | None = None
    stop_at: int | None = None
    fell_since: int | None = None


def advise(findings: Findings, ranking: Ranking) -> list[Advice]:
    """One for every arm that the ranking compares, best first; those that trained nothing last."""
    stability = stabilities(findings)
    standings = (*ranking.standings, *ranking.idle)
    best = stability.get(_best(ranking) or "")
    return [_advice(findings, ranking, s, stability.get(arm_of(s).name), best) for s in standings]


def most_hacked(advices: Sequence[Advice]) -> Arm | None:
    """The arm whose responses show most of its verifier's errors: one with a fault of its reward, if there is any.

    Of several the one with the largest reward gap; controls and the gold's own arm are left out. None where the reward
    is accuracy everywhere.
    """
    gaps = [
        (advice.fault in REWARD_FAULTS, gap.value, arm)
        for advice in advices
        if (gap := advice.standing.gap) and gap.value and not (arm := arm_of(advice.standing)).control
    ]
    return max(gaps, key=lambda item: item[:2])[2] if gaps else None


def _advice(
    findings: Findings, ranking: Ranking, standing: Standing, stability: Stability | None, best: Stability | None
) -> Advice:
    """The advice on one arm; `best` is the stability of the best candidate."""
    if arm_of(standing).control:
        return Advice(standing=standing, stability=stability, code=Recommendation.CONTROL)
    if stability is None:
        return Advice(standing=standing, stability=None, code=Recommendation.UNTRAINED)
    if standing not in ranking.candidates:
        return Advice(standing=standing, stability=stability, code=_gold(ranking, standing))
    gained, stop = ranking.gained(standing), stop_at(findings, stability)
    advice = Advice(standing=standing, stability=stability, code=Recommendation.STOP)
    if stop:
        fault = Fault.ACCURACY_FELL if stability.parts_at is None else Fault.REWARD_HACKED
        advice = dataclasses.replace(advice, fault=fault, stop_at=stop.iteration, fell_since=stop.iteration)
        if standing in ranking.worthy[:1]:
            return dataclasses.replace(advice, code=Recommendation.TRAIN_UP_TO)
        if not gained and ranking.beaten(standing):
            return dataclasses.replace(advice, code=Recommendation.OTHER_GAINS_MORE, than=_best(ranking))
        if not gained:
            return advice
    elif gained and (fault := _fault(stability)):
        before = stability.best_before if fault is Fault.ACCURACY_FELL else None
        advice = dataclasses.replace(advice, fault=fault, fell_since=before.iteration if before else None)
    code, than, contest = _worth(ranking, standing)
    behind = code is Recommendation.OTHER_GAINS_MORE or (code is Recommendation.TRAIN and contest is not None)
    if behind and advice.fault in REWARD_FAULTS and best and not best.untrusted:
        code = Recommendation.OTHER_TRUSTED  # whether it gains less as well may be chance, that its reward fails is not
    return dataclasses.replace(advice, code=code, than=than, contest=contest)


def _gold(ranking: Ranking, standing: Standing) -> Recommendation:
    if ranking.ceiling is None or standing is ranking.ceiling:
        return Recommendation.CEILING
    below = ranking.contest(ranking.ceiling, standing).better
    return Recommendation.GOLD_BELOW if below else Recommendation.GOLD


def _fault(stability: Stability) -> Fault | None:
    """The reasons against training an arm further that has gained, other than an iteration to stop at."""
    if stability.untrusted:
        return Fault.UNTRUSTED_REWARD
    if stability.best_before:
        return Fault.ACCURACY_FELL
    if stability.memorises:
        return Fault.MEMORISED
    return Fault.SEEDS_DISAGREE if stability.seeds_disagree else None


def _best(ranking: Ranking) -> str | None:
    return arm_of(ranking.best).name if ranking.best else None


def _worth(ranking: Ranking, standing: Standing) -> tuple[Recommendation, str | None, Contest | None]:
    """What the contests with the base, the best arm and the best control arm show: a code, an arm, a contest."""
    gain, best, control = ranking.gain(standing), ranking.best, ranking.control
    if gain is None or best is None:
        return Recommendation.UNKNOWN, None, None
    if gain.worse:
        return Recommendation.ACCURACY_FELL, None, None
    if ranking.beaten(standing):  # first, as it is the surer of the two where a small gain may be none
        return Recommendation.OTHER_GAINS_MORE, _best(ranking), None
    if not gain.better:
        return Recommendation.NO_GAIN, None, gain
    if control and not ranking.beats_control(standing):
        return Recommendation.CONTROL_MAY_DO, arm_of(control).name, ranking.contest(standing, control)
    if standing is best:
        return Recommendation.TRAIN, None, None
    return Recommendation.TRAIN, _best(ranking), ranking.contest(best, standing)
