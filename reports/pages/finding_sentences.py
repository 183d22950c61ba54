"""What stands beside the answer in sentences: gap, prediction, seeds, attacks of the probe, what a run still lacks.

Takes the codes and figures of `restem.reports.analysis`; gives sentences. Decides nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from restem.reports.analysis.contest import arm_of, crossed
from restem.reports.analysis.findings import TEST, Standing
from restem.reports.analysis.reward_gap import GapMove, Parting
from restem.reports.analysis.unfinished import Lack, Missing
from restem.reports.pages.sentences import listed
from restem.reports.tables.format import signed

if TYPE_CHECKING:
    from restem.reports.analysis.predictions import Tally
    from restem.reports.analysis.probe import Tried

FEW_FORMS = 3  # forms of the probe that a sentence names
GAP_MOVES = {
    GapMove.GROWN: (
        "Over-optimisation: the reward gap grows more than the new accuracy predicts at the base's TPR and FPR, as the "
        "policy has learnt errors of its verifier: {}."
    ),
    GapMove.FALLEN: (
        "The reward gap falls more than the new accuracy predicts at the base's TPR and FPR, as the verifier accepts "
        "less of what the policy now writes: {}."
    ),
    GapMove.EXPLAINED: (
        "The reward gap moves, but is not shown to move more than the new accuracy predicts at the base's TPR and FPR: "
        "{}."
    ),
    GapMove.NONE: "No significant move of the reward gap: {}.",
}


def gap_sentences(partings: Sequence[Parting]) -> list[str]:
    """Where the gap between reward and accuracy moves, and whether more than accuracy alone moves it."""
    sentences: list[str] = []
    for move, template in GAP_MOVES.items():
        arms = [parting for parting in partings if parting.move is move]
        if arms:
            words = ", ".join(p.arm for p in arms) if move is GapMove.NONE else "; ".join(map(_moved, arms))
            sentences.append(template.replace("{}", words))  # not `format`: the words hold names that a suite chose
    return sentences


def _moved(parting: Parting) -> str:
    now = parting.start + parting.change.value
    text = f"{parting.arm} from {signed(parting.start)} to {signed(now)} points at iteration {parting.iteration}"
    if math.isnan(parting.beyond.low):
        return text
    low, high = signed(parting.beyond.low), signed(parting.beyond.high)
    return f"{text} ({signed(parting.beyond.value)} [{low}, {high}] more than predicted)"


def prediction_sentences(tally: Tally | None) -> list[str]:
    """How well the predictions from the base alone fit what was observed."""
    if tally is None:
        return []
    order = f"; {tally.in_order} of {tally.pairs} pairs of arms came in the predicted order" if tally.pairs else ""
    return [
        f"Predicted before training, from the base's samples alone: the gains of arms other than the gold's were "
        f"off by {100 * tally.error:.1f} points on average, {tally.within} of {tally.steps} within the interval{order}."
    ]


def seed_sentences(standings: Sequence[Standing]) -> list[str]:
    """What the intervals of the answer are of, where arms have replicates."""
    several = [standing for standing in standings if crossed(standing)]
    if not several:
        return []
    counts = sorted({len(standing.replicates) for standing in several})
    sentences = [
        f"Arms stand for the mean of {' or '.join(map(str, counts))} seeds, and the intervals of their gains and "
        "differences are of other seeds on other problems."
    ]
    alone = [arm_of(standing).name for standing in standings if standing not in several]
    if alone:
        sentences.append(f"One seed alone, so that its spread is taken from earlier runs: {', '.join(alone)}.")
    return sentences


def attacks_accepted(verifiers: Sequence[Tried], problems: int) -> list[str]:
    """One sentence on the verifiers that accept attacks of the probe, which was constructed for this many problems."""
    if not verifiers:
        return []
    named = [f"{v.verifier} accepts {len(v.through)} of {len(v.asked)}{_forms(v.through)}" for v in verifiers]
    return [
        f"Of the attack patterns, none of which is a right answer, {listed(named, 'and')}, on at least one of "
        f"{problems} problems."
    ]


def answers_rejected(verifiers: Sequence[Tried], problems: int) -> list[str]:
    """One sentence on the verifiers that do not accept right answers in other forms; for this many problems."""
    if not verifiers:
        return []
    forms = max(len(v.asked) for v in verifiers)
    named = [
        f"{v.verifier} accepts {len(v.always)} on all {problems} problems and calls "
        f"{round(v.rejected.value * v.rejected.n)} of {v.rejected.n} answers wrong"
        for v in verifiers
    ]
    return [f"Of {forms} forms of a right answer, {'; '.join(named)}."]


def _forms(forms: Sequence[str]) -> str:
    return f" ({', '.join(forms)})" if len(forms) <= FEW_FORMS else ""


def missing_sentence(missing: Missing) -> str:
    """One thing that an unfinished run still lacks."""
    split, on = missing.split or TEST, f"{missing.checkpoint or 'imported samples'}"
    elsewhere = f" ({split})" if split != TEST else ""
    return {
        Lack.SUITE: "the suite was not recorded",
        Lack.CHECKPOINT: f"checkpoint {missing.checkpoint} is not made",
        Lack.SAMPLES: f"checkpoint {missing.checkpoint} has {missing.count} of {missing.wanted} {split} samples",
        Lack.VERDICTS: f"{missing.count} verdicts of {missing.verifier} on {on}{elsewhere}",
        Lack.END: "the run has not been marked finished",
    }[missing.code]
