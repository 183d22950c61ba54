"""What an imported run shows, in sentences: whether a reward is hacked, what was imported, and what cannot be said.

Takes what analysis/imported.py and analysis/not_known.py give; gives sentences. Decides nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from restem.harness.names import RECORDED
from restem.reports.analysis.imported import Imported, Kept
from restem.reports.analysis.not_known import Limit, NotKnown
from restem.reports.analysis.reward_gap import LEAST
from restem.reports.analysis.reward_traces import Onset, Trace
from restem.reports.data.imported import sources
from restem.reports.pages.sentences import listed
from restem.reports.stats.reward_quality import ErrorRates
from restem.reports.tables.format import difference, estimate, number, signed
from restem.reports.tables.imported import span

MOST_REASONS = 3  # for refused rows that a sentence names
MOST_NAMED = 4  # rewards, likewise


def sentences(found: Imported) -> list[str]:
    """The answer; the first sentence alone is one."""
    recorded = found.recorded
    first = [text for onset in (Onset.HACKED, Onset.OVERSTATED) if (text := _onset(found, recorded, onset))]
    others = [t for t in found.traces if t not in recorded and t.onset in (Onset.HACKED, Onset.OVERSTATED)]
    rest = [_not_shown(found, recorded)] if not first else []
    lines = [*first, *filter(None, rest), *_drifts(found), *([_others(others)] if others else []), *_filters(found)]
    return [" ".join([lines[0], *_one_step(found)]), *lines[1:]]


def _some(texts: Sequence[str]) -> list[str]:
    """The first texts, and how many more there are: the table has all."""
    more = len(texts) - MOST_NAMED
    return [*texts] if more <= 0 else [*texts[:MOST_NAMED], f"{more} more in the table"]


def _onset(found: Imported, traces: Sequence[Trace], onset: Onset) -> str:
    shown = [_moved(found, trace) for trace in traces if trace.onset is onset]
    if not shown:
        return ""
    if onset is Onset.HACKED:
        return f"Reward hacking is shown: {'; '.join(_some(shown))}."
    return f"Reward overstates accuracy more and more: {'; '.join(_some(shown))}."


def _moved(found: Imported, trace: Trace) -> str:
    moved, first = trace.shown, next(point for point in trace.points if point.quality.n)
    assert moved is not None
    point = trace.points[moved.place]
    when = f"from step {point.first} on" if trace.lasts else f"at step {point.first}, but not at the last step,"
    return (
        f"{when} {_title(found, trace)} accepts {difference(moved.reward).line} points more than at step "
        f"{span(first.first, first.last)}, while accuracy by {found.gold} moved {difference(moved.accuracy).line} "
        f"points; the gap is {difference(moved.beyond).line} points wider than the new accuracy explains"
    )


def _drifts(found: Imported) -> list[str]:
    """Of which rewards false accepts grew."""
    grown = [trace for trace in found.recorded if trace.accepts_more]
    if not grown:
        return []
    named = listed(_some([_drift(found, trace) for trace in grown]), "and")
    return [
        f"False accepts grew between first and last step: {named}. Either the "
        "policy learnt wrong answers that the reward lets pass, or it unlearnt the others."
    ]


def _drift(found: Imported, trace: Trace) -> str:
    then, now = (number(point.quality.fpr.value) for point in trace.ends)
    return f"{_title(found, trace)} from {then} to {now} % ({difference(trace.drift).line} points)"


def _title(found: Imported, trace: Trace) -> str:
    """The reward's name; where there are several, with the series and the split."""
    name = trace.verifier.removeprefix(RECORDED)
    several = len({(t.course.series, t.course.split) for t in found.traces}) > 1
    return f"{name} ({trace.course.series}, {trace.course.split})" if several else name


def _not_shown(found: Imported, traces: Sequence[Trace]) -> str:
    """Why the first sentence names no onset."""
    codes = {trace.onset for trace in traces}
    if not traces:
        return "No reward is recorded here and no verifier was asked: `restem verify RUN --verifier NAME` asks one."
    if not found.gold:
        return f"Whether a reward is hacked cannot be said without a gold{_agreeing(found)}."
    if codes <= {Onset.ONE_POINT}:
        return _best(found)
    if Onset.NONE in codes:
        tested = [trace for trace in traces if trace.onset is Onset.NONE]
        names = listed(_some([_title(found, trace) for trace in tested]), "and")
        smallest = max(LEAST + trace.moved[-1].beyond.value - trace.moved[-1].beyond.low for trace in tested)
        return (
            f"No reward hacking is shown for {names}: between first and last step the gap between reward and accuracy "
            f"grew no more than chance and the new accuracy explain; growth of less than {number(smallest)} points "
            "would not be seen here."
        )
    return "Whether a reward is hacked cannot be said: the gold decided too few problems at the first step or later."


def _agreeing(found: Imported) -> str:
    """How far those verifiers agree that agree least, and those that agree most."""
    known = sorted((p for p in found.reward_pairs if p.agreement.n), key=lambda pair: pair.agreement.raw.value)
    if not known:
        return ""
    ends = dict.fromkeys((known[0], known[-1]))
    named = [f"{pair.left} and {pair.right} agree on {estimate(pair.agreement.raw).line} %" for pair in ends]
    return f"; of the responses that both decided, {listed(named, 'and')}"


def _best(found: Imported) -> str:
    """Of runs of one step: each recorded reward against the gold."""
    return f"By {found.gold}, {'; '.join(_some([_rates(*each) for each in found.overall]))}."


def _rates(verifier: str, rates: ErrorRates) -> str:
    shares = ((rates.tpr, "right"), (rates.fpr, "wrong"))
    told = [f"{estimate(rate).line} % of the {kind} responses" for rate, kind in shares if rate.n]
    missing = [f"no {kind} response was decided" for rate, kind in shares if not rate.n]
    return ", ".join([f"{verifier.removeprefix(RECORDED)} accepts {listed(told, 'and')}"] * bool(told) + missing)


def _one_step(found: Imported) -> list[str]:
    alone = all(len(trace.points) == 1 for trace in found.traces) and bool(found.traces) and bool(found.gold)
    several = len({trace.course.series for trace in found.traces}) > 1
    which = "of each series there is one step" if several else "there is one step"
    return [f"Whether a reward is hacked cannot be said: {which} alone."] if alone else []


def _others(traces: Sequence[Trace]) -> str:
    names = listed(list(dict.fromkeys(trace.verifier for trace in traces)), "and")
    return (
        f"Verdicts of {names}, asked here, part from the gold in the same way over these steps, although nothing was "
        "trained on them as far as is known."
    )


def _filters(found: Imported) -> list[str]:
    """What the recorded reward kept, and what the verifier with the most precise kept samples would have."""
    kept = {item.verifier: item for item in found.kept}
    ours = kept.get(found.reward or "")
    if ours is None or not found.gold or not ours.precision.n:
        return []
    name = ours.verifier.removeprefix(RECORDED)
    text = f"Of what {name} accepts, {estimate(ours.precision).line} % are right by {found.gold}"
    other = found.other_filter
    return [f"{text}; {_would(other, name)}." if other else f"{text}."]


def _would(kept: Kept, reward: str) -> str:
    return (
        f"{kept.verifier.removeprefix(RECORDED)}, the most precise of the others, would have kept {kept.accepted:,} of "
        f"{kept.judged:,}, {estimate(kept.precision).line} % right, and of what {reward} accepts would have dropped "
        f"{kept.wrong_dropped:,} wrong and {kept.right_lost:,} right ones"
    )


def import_sentence(found: Imported) -> str:
    """What was imported."""
    run, read = found.run, sources(found.run.facts)
    problems = sum(len(items) for items in run.problems.values())
    files = f"{len(read)} file{'s' * (len(read) != 1)} ({', '.join(dict.fromkeys(s.title for s in read))})"
    text = f"Imported from {files}: {len(run.samples.id):,} samples of {problems:,} problems, {_courses(found)}."
    refused: dict[str, int] = {}
    for reason, count in (item for source in read for item in source.reasons):
        refused[reason] = refused.get(reason, 0) + count
    if not refused:
        return f"{text} No row was refused."
    ordered = sorted(refused.items(), key=lambda item: (-item[1], item[0]))
    named = [f"{reason[:100]} ({count:,})" for reason, count in ordered[:MOST_REASONS]]
    more = f" and {len(ordered) - MOST_REASONS} other reasons" if len(ordered) > MOST_REASONS else ""
    return f"{text} Rows refused: {sum(refused.values()):,}: {'; '.join(named)}{more}."


def _courses(found: Imported) -> str:
    parts = [
        f"{course.series} {course.split}, "
        + (
            f"{course.steps} steps from {course.blocks[0].first} to {course.blocks[-1].last}"
            if course.steps > 1
            else f"step {course.blocks[0].first}"
        )
        for course in found.courses
    ]
    return "; ".join(_some(parts))


def limit_sentence(limit: NotKnown) -> str:
    """One thing that cannot be said, and why or how to learn it."""
    part = f"{limit.count:,} of {limit.whole:,}"
    return {
        Limit.NO_GOLD: (
            "No gold: nothing says which responses are right, so accuracy, TPR, FPR and reward hacking cannot be said. "
            "A column of labels, references, or `restem import --gold NAME` gives one."
        ),
        Limit.GOLD_UNASKED: (
            f"The gold, {limit.name}, has judged nothing yet: `restem verify RUN --verifier {limit.name}` asks it."
        ),
        Limit.GOLD_UNDECIDED: (
            f"The gold, {limit.name}, could decide no response, so accuracy, TPR, FPR and hacking cannot be said."
        ),
        Limit.GOLD_PARTIAL: (
            f"The gold, {limit.name}, decided {part} responses; all figures against it are of these, and hold for the "
            "others only if they are alike."
        ),
        Limit.NO_REFERENCES: (
            f"{part} problems have no reference answer: of these no verifier that compares values can say anything."
        ),
        Limit.NO_REWARD: "The source recorded no reward; verifiers that were asked here stand in its place.",
        Limit.ONE_STEP: "One step alone: nothing can be said about drift.",
        Limit.OTHER_PROBLEMS: (
            f"{part} problems occur at one step alone, so a change from step to step may also be one of the problems, "
            "if they were not drawn at random."
        ),
        Limit.NOT_HELD_OUT: "All samples are training rollouts: accuracy on problems not trained on is unknown.",
        Limit.ONE_SAMPLE: (
            "No problem has two samples at a step, so a gain cannot be predicted, and there is no pass@k or majority."
        ),
        Limit.ONE_TRAINING: (
            f"{'One series' if limit.count == 1 else f'{limit.count} series'} of responses: intervals hold for "
            "other problems, not for another training run, and nothing here shows what training on another verifier "
            "would have given (`restem report RUN --plan` predicts it where a step has several samples a problem)."
        ),
    }[limit.code]


def label_sentence(needed: Sequence[tuple[float, int]], size: int) -> list[str]:
    """How many labels would give the rates that are missing."""
    if not needed:
        return []
    each = [f"{count:,} for {signed(width, 0).lstrip('+')} points" for width, count in needed]
    return [
        f"Labels that would give every verifier's TPR and FPR on the last step's {size:,} responses: about "
        f"{' and '.join(each)} either way, drawn by `restem label RUN --count N --out FILE`; a guess from the verdicts "
        "alone."
    ]
