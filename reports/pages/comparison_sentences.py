"""A comparison of two runs in sentences: the answer, and what to know beside the figures.

Takes a RunComparison; gives sentences, of which the first alone is an answer. Decides nothing.
"""

from __future__ import annotations

from restem.reports.analysis.compare import Note, NoteCode, RunComparison, differing
from restem.reports.tables.phrases import contest_words, pair_title


def comparison_sentences(comparison: RunComparison) -> list[str]:
    """The sentences on top; the first one alone is an answer."""
    contests = [pair.contest for pair in comparison.pairs]
    detectable = [100 * contest.claim.detectable for contest in contests]
    span = f"{min(detectable):.1f}" if len(detectable) == 1 else f"{min(detectable):.1f} to {max(detectable):.1f}"
    pairs = differing(comparison)
    if not pairs:
        of = "" if len(contests) == 1 else f" in any of {len(contests)} comparisons"
        equal = sum(contest.equal for contest in contests)
        margin = 100 * contests[0].equivalence.margin
        also = f" {equal} of {len(contests)} equal within {margin:g} points." if equal else ""
        return [f"No difference detectable{of}; minimum detectable effect {span} points.{also}"]
    words = [f"{contest_words(pair.contest)} at {pair_title(pair)}" for pair in pairs]
    return [
        f"{'; '.join(words)}.",
        f"Told apart: {len(pairs)} of {len(contests)}; minimum detectable effect {span} points.",
    ]


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
        NoteCode.VERIFIER: (
            f"Reward quality leaves out {names}: it is {left} in A and {right} in B, two verifiers of one name."
        ),
    }[note.code]


def _undecided(share: object) -> str:
    percent = f"{100 * share:.1f}" if isinstance(share, float) else "some"
    return f"the gold left up to {percent} % of a checkpoint's samples undecided."
