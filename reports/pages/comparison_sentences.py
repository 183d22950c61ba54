"""A comparison of two runs in sentences: the answer, and what to know beside the figures.

Takes a RunComparison; gives sentences, of which the first alone is an answer. Decides nothing.
"""

from __future__ import annotations

from restem.reports.analysis.compare import Note, NoteCode, Rerun, RunComparison, differing
from restem.reports.tables.format import points
from restem.reports.tables.phrases import contest_words, pair_title

RERUNS = {
    Rerun.SAME_SEED: (
        "A and B are runs of one resolved suite under one seed, so neither is better: a difference between them is "
        "what a re-run brings, by other rounding on another machine or by other versions."
    ),
    Rerun.OTHER_SEED: (
        "A and B are runs of one resolved suite under two seeds, so neither is better: a difference between them is "
        "what another seed brings."
    ),
}


def comparison_sentences(comparison: RunComparison) -> list[str]:
    """The sentences on top; the first one alone is an answer."""
    contests = [pair.contest for pair in comparison.pairs]
    detectable = [100 * contest.claim.detectable for contest in contests]
    span = " to ".join(dict.fromkeys((f"{min(detectable):.1f}", f"{max(detectable):.1f}")))
    pairs = differing(comparison)
    if comparison.rerun:
        return [RERUNS[comparison.rerun], f"{_largest(comparison)}; minimum detectable effect {span} points."]
    if not pairs:
        of = "" if len(contests) == 1 else f" in any of {len(contests)} comparisons"
        equal = sum(contest.equal for contest in contests)
        margin = 100 * contests[0].equivalence.margin
        also = f" {equal} of {len(contests)} equal within {margin:g} points." if equal else ""
        return [f"No difference detectable{of}; minimum detectable effect {span} points.{also}"]
    words = [f"{contest_words(pair.contest)} at {pair_title(pair)}" for pair in pairs]
    return [
        f"{'; '.join(words)}.",
        f"Significant after correction: {len(pairs)} of {len(contests)}; minimum detectable effect {span} points.",
    ]


def _largest(comparison: RunComparison) -> str:
    """How large the differences of a run and its re-run are, and how many are more than chance would give."""
    largest = max(comparison.pairs, key=lambda pair: abs(pair.contest.claim.value))
    count, whole = len(differing(comparison)), len(comparison.pairs)
    return (
        f"The largest is {points(largest.contest.claim)} at {pair_title(largest)}; after correction {count} of {whole} "
        f"{'is' if count == 1 else 'are'} significant"
    )


def note_sentence(note: Note) -> str:
    """One thing to know beside the figures."""
    left, right, names = note.left, note.right, ", ".join(note.names)
    trained = f"Arm {names} was trained on {left} in A and on {right} in B."
    return {
        NoteCode.SAMPLE_COUNTS: (
            f"A has {left} and B {right} samples a problem: each problem's share of correct samples is compared."
        ),
        NoteCode.ARM_VERIFIER: (
            f"{trained} It is not compared; --left and --right choose its checkpoints all the same."
        ),
        NoteCode.CHOSEN_ARM_VERIFIER: trained,
        NoteCode.ONLY_LEFT: f"Only in A, so not compared: {names}.",
        NoteCode.ONLY_RIGHT: f"Only in B, so not compared: {names}.",
        NoteCode.UNDECIDED_LEFT: f"In A {_undecided(left)}",
        NoteCode.UNDECIDED_RIGHT: f"In B {_undecided(right)}",
        NoteCode.OTHER_PROBLEMS: f"Problems that one run alone has are left out: {left} of A, {right} of B.",
        NoteCode.VERIFIER: (
            f"Reward quality leaves out {names}: it is {left} in A and {right} in B, two verifiers of one name."
        ),
    }[note.code]


def _undecided(share: object) -> str:
    percent = f"{100 * share:.1f}" if isinstance(share, float) else "some"
    return f"the gold left up to {percent} % of a checkpoint's samples undecided."
