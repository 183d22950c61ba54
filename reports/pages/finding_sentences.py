"""What stands beside the answer in sentences: reward gap, law, seeds, attacks of the probe, what a run still lacks.

Takes the codes and figures of `restem.reports.analysis`; gives sentences. Decides nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from restem.reports.analysis.findings import Standing
from restem.reports.analysis.ranking import arm_of, crossed
from restem.reports.analysis.reward_gap import GapMove, Parting
from restem.reports.analysis.unfinished import Lack, Missing
from restem.reports.pages.sentences import listed
from restem.reports.tables.format import signed

if TYPE_CHECKING:
    from restem.reports.analysis.predictions import Count, LawTally
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
    GapMove.NONE: "No over-optimisation is shown for {}.",
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


def law_sentences(tally: LawTally | None) -> list[str]:
    """How many changes of log-odds the law predicted, and whether one eta fits the gold arm."""
    if tally is None:
        return []
    controls = f" (control arms alone: {_count(tally.controls)})" if tally.controls else ""
    seeded = f"; over seeds and problems, {_count(tally.seeded)}" if tally.seeded else ""
    sentences = [
        f"Of the changes of log-odds that the law predicted for arms other than the gold's, {_count(tally.others)} "
        f"came within the interval by problem{controls}{seeded}."
    ]
    if tally.misfit:
        sentences.append(
            f"One η does not fit all iterations of the gold arm, on which it was fitted (residual beyond its interval "
            f"at {', '.join(map(str, tally.misfit))}), so the others' misfit is in part η's own."
        )
    return sentences


def _count(count: Count) -> str:
    return f"{count.part} of {count.whole}"


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
        sentences.append(f"One seed alone, so an interval that says nothing of other seeds: {', '.join(alone)}.")
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
    return {
        Lack.SUITE: "the suite was not recorded",
        Lack.CHECKPOINT: f"checkpoint {missing.checkpoint} is not made",
        Lack.SAMPLES: f"checkpoint {missing.checkpoint} has {missing.count} of {missing.wanted} test samples",
        Lack.VERDICTS: f"{missing.count} verdicts of {missing.verifier} on {missing.checkpoint}",
        Lack.END: "the run has not been marked finished",
    }[missing.code]
