"""The words of a decision's code, short enough for a table's cell.

Takes codes and the figures beside them; gives Cells. Sentences are made in `restem.reports.pages`.
"""

from __future__ import annotations

from restem.reports.analysis.compare import CheckpointPair, Rerun
from restem.reports.analysis.contest import Contest, ContestResult, arm_of
from restem.reports.analysis.ranking import Ranking
from restem.reports.analysis.recommendation import Advice, Fault, Recommendation
from restem.reports.data.run import Run
from restem.reports.tables.format import DASH, number
from restem.reports.tables.table import Cell

FAULTS = {
    Fault.REWARD_HACKED: "reward-hacked",
    Fault.ACCURACY_FELL: "accuracy fell",
    Fault.UNTRUSTED_REWARD: "do not trust its reward",
    Fault.MEMORISED: "memorises its errors",
    Fault.SEEDS_DISAGREE: "seeds disagree",
}


def samples_of(run: Run) -> str:
    """What the tables of verifiers are about: the test samples of a run of ours, all samples of an imported one."""
    return "imported samples" if run.imported else "test samples"


def compared(ranking: Ranking) -> str:
    """After which of their iterations arms are compared."""
    if not ranking.held_back:
        return "Each arm after its own last iteration."
    most = max(ranking.iterations, default=0)
    return f"The run is unfinished: no arm is compared later than after iteration {most}."


def contest_words(contest: Contest, rerun: Rerun | None = None) -> str:
    """What the tests of a contest show; between a run and its re-run neither side is better."""
    if rerun and contest.decided:
        return "differs between " + ("seeds" if rerun is Rerun.OTHER_SEED else "re-runs")
    within = f"{100 * contest.equivalence.margin:.0f} points"
    better = "is ahead, of one seed" if contest.seeds == 1 else "is better"
    return {
        ContestResult.LEFT_BETTER: f"{contest.left} {better}",
        ContestResult.RIGHT_BETTER: f"{contest.right} {better}",
        ContestResult.EQUAL: f"equal within {within}",
        ContestResult.NO_WORSE: f"no worse by {within}",
        ContestResult.NO_DIFFERENCE: "no difference detectable",
    }[contest.result]


def pair_title(pair: CheckpointPair) -> str:
    """`base`, or `sympy/2 against sympy/1` where the two runs' checkpoints have different names."""
    left, right = pair.names
    return left if left == right else f"{left} against {right}"


def advice_cell(advice: Advice) -> Cell:
    """What to do with a verifier, and below it what else has to be known: nearly always a detectable effect."""
    fault = FAULTS[advice.fault] if advice.fault else ""
    if advice.code is Recommendation.TRAIN_UP_TO:
        return Cell(f"train up to iteration {advice.stop_at}: {fault} after it")
    if advice.stop_at is not None:
        fault = f"{fault}: stop at iteration {advice.stop_at}"
    elif advice.fell_since is not None:
        fault = f"{fault} since iteration {advice.fell_since}"
    return Cell("; ".join(part for part in (_order(advice), fault) if part), _why(advice))


def _order(advice: Advice) -> str:
    how = "so" if arm_of(advice.standing).shared else "on"
    return {
        Recommendation.CEILING: "ceiling",
        Recommendation.GOLD: "gold, another arm",
        Recommendation.GOLD_BELOW: "gold, below the ceiling",
        Recommendation.CONTROL: "floor" if advice.stability else "floor: trained nothing",
        Recommendation.UNTRAINED: "not trained: nothing accepted",
        Recommendation.TRAIN: _train(advice),
        Recommendation.STOP: "",  # the failure alone says it, with the iteration
        Recommendation.OTHER_GAINS_MORE: f"{advice.than} gains more",
        Recommendation.OTHER_TRUSTED: f"rather {advice.than}",
        Recommendation.ACCURACY_FELL: f"do not train {how}: accuracy fell",
        Recommendation.NO_GAIN: f"do not train {how}: no gain shown",
        Recommendation.CONTROL_MAY_DO: f"control {advice.than} may do as well",
        Recommendation.UNKNOWN: DASH,
    }[advice.code]


def _train(advice: Advice) -> str:
    """The best candidate, or one that is as good or not shown to differ."""
    if advice.contest is None:
        return "train so" if arm_of(advice.standing).shared else "train on it"
    if advice.contest.equal:
        return f"as good as {advice.than}" + ": take the cheaper" * (advice.fault is None)
    return f"not shown to be worse than {advice.than}"


def _why(advice: Advice) -> str:
    if advice.contest is None:
        return ""
    if advice.code is Recommendation.TRAIN and advice.contest.equal:
        return f"equal within {100 * advice.contest.equivalence.margin:.0f} points"
    return _not_shown(advice.contest)


def _not_shown(contest: Contest) -> str:
    """Why a difference is not shown; p where its interval alone would show it and the correction does not."""
    detectable = f"detectable: {number(contest.claim.detectable)} points"
    excludes_zero = contest.claim.low > 0 or contest.claim.high < 0
    return f"p = {contest.adjusted_p:.2g} after correction; {detectable}" if excludes_zero else detectable
