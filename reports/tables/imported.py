"""Imported rewards as tables: what each did over the steps, what another verifier would have kept, and what was read.

Takes what analysis/imported.py gives; gives Tables.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from restem.harness.names import RECORDED
from restem.reports.analysis.imported import Imported, Kept, rewards
from restem.reports.analysis.reward_traces import Onset, Point, Trace
from restem.reports.data.imported import ImportedSource, sources
from restem.reports.stats.estimates import Estimate
from restem.reports.tables.format import DASH, difference, estimate, number, share
from restem.reports.tables.table import CLUSTERED, Cell, Column, Table

SEVERAL_STEPS = "At several neighbouring steps together where there are more than 20. "


def rewards_table(found: Imported) -> Table:
    """Each reward from the first step to the last: the first page's table."""
    traces = found.traces
    several = len({(trace.course.series, trace.course.split) for trace in traces}) > 1
    graded = any(not math.isnan(point.raw.value) for trace in traces for point in trace.points)
    moving = any(len(trace.points) > 1 for trace in traces)
    steps = {_steps(trace) for trace in traces}
    return Table.of(
        traces,
        [
            Column("verifier", "Reward", _verifier, names=True),
            Column("course", "Series, split", _course, names=True) if several else None,
            Column("hacking", "Reward hacking", onset_words, names=True) if moving and found.gold else None,
            Column("reward", "Accepted, %", lambda t: _from_to(t, lambda p: number(p.reward.value))),
            Column("raw", "Mean reward", lambda t: _from_to(t, lambda p: raw(p.raw).text)) if graded else None,
            Column("accuracy", "Gold accuracy, %", lambda t: _from_to(t, lambda p: number(p.accuracy.value)))
            if found.gold
            else None,
            *(_rates() if found.gold else ()),
            Column("drift", "FPR at the ends, %", _drift) if moving and found.gold else None,
            Column("steps", "Steps", _steps) if several or len(steps) > 1 else None,
            Column("samples", "Samples decided", lambda t: share(sum(p.n for p in t.points), t.course.samples)),
        ],
        id="rewards",
        title="Reward against gold" if found.gold else "Rewards over the steps",
        note=_rewards_note(found, moving),
    )


def _rates() -> tuple[Column[Trace], ...]:
    return (
        Column("tpr", "TPR, %", lambda t: estimate(t.quality.tpr)),
        Column("fpr", "FPR, %", lambda t: estimate(t.quality.fpr)),
        Column("ratio", "LR+", lambda t: estimate(t.quality.likelihood_ratio, 2, 1)),
    )


def _rewards_note(found: Imported, moving: bool) -> str:
    arrow = "a → b: at the first and at the last step. " + SEVERAL_STEPS if moving else ""
    if not found.gold:
        return f"Accepted: share of the decided samples from the threshold on. {arrow}No gold has decided any sample."
    onset = (
        "Reward hacking: the share of accepted samples less gold accuracy has grown by over 2 points more than the new "
        "accuracy predicts at the first step's TPR and FPR, while accepted samples became more and gold accuracy is "
        "not shown to have risen; by 95 % bands that hold for all steps at once. "
        if moving
        else ""
    )
    return (
        f"Gold: {found.gold}. Accepted: share of the decided samples from the threshold on. TPR, FPR and LR+ = TPR / "
        f"FPR on the samples of all steps that both decided. {arrow}{onset}{CLUSTERED}"
    )


def _verifier(trace: Trace) -> Cell:
    name = trace.verifier
    return Cell(name.removeprefix(RECORDED), "recorded") if name.startswith(RECORDED) else Cell(name, "asked here")


def _course(trace: Trace) -> str:
    return f"{trace.course.series}, {trace.course.split}"


def _steps(trace: Trace) -> str:
    first, last = trace.ends
    return span(first.first, last.last)


def span(first: int, last: int) -> str:
    """`7`, or `0 to 7`."""
    return str(first) if first == last else f"{first} to {last}"


def raw(value: Estimate) -> Cell:
    """The mean of numbers in their own unit."""
    return estimate(value, 3, 1)


def _from_to(trace: Trace, text: Callable[[Point], str]) -> str:
    first, last = (text(point) for point in trace.ends)
    return first if trace.ends[0] is trace.ends[1] else f"{first}\u00a0→\u00a0{last}"


def _drift(trace: Trace) -> Cell:
    """FPR at the first and at the last step, and their difference."""
    ends = _from_to(trace, lambda point: number(point.quality.fpr.value))
    return Cell(DASH if trace.ends[0] is trace.ends[1] else ends, difference(trace.drift).line.replace(DASH, ""))


def onset_words(trace: Trace) -> Cell:
    """What is shown of hacking, short enough for a cell."""
    if trace.at is None:
        return Cell(
            {
                Onset.NONE: "not shown",
                Onset.ONE_POINT: "one step alone",
                Onset.NO_GOLD: "not known: no gold",
                Onset.FEW_PROBLEMS: "too few problems",
            }.get(trace.onset, DASH)
        )
    first = trace.points[trace.at].first
    when = f"from step {first} on" if trace.lasts else f"at step {first}, not at the last"
    return Cell(f"hacked {when}" if trace.onset is Onset.HACKED else f"overstates more {when}", _beyond(trace))


def _beyond(trace: Trace) -> str:
    shown = trace.shown
    return f"gap {difference(shown.beyond).line}" if shown else ""


def over_steps(found: Imported) -> Table:
    """Every reward at every step: the drift of its rates."""
    traces = [trace for trace in found.traces if len(trace.points) > 1]
    several = len({(trace.course.series, trace.course.split) for trace in traces}) > 1
    graded = any(not math.isnan(point.raw.value) for trace in traces for point in trace.points)
    return Table.of(
        [(trace, place) for trace in traces for place in range(len(trace.points))],
        [
            Column("verifier", "Reward", lambda r: _verifier(r[0]), names=True),
            Column("course", "Series, split", lambda r: _course(r[0]), names=True) if several else None,
            Column("step", "Step", lambda r: span(_point(r).first, _point(r).last)),
            Column("samples", "Samples", lambda r: str(_point(r).n)),
            Column("undecided", "Undecided, %", lambda r: number(_point(r).undecided)),
            Column("reward", "Accepted, %", lambda r: estimate(_point(r).reward)),
            Column("raw", "Mean reward", lambda r: raw(_point(r).raw)) if graded else None,
            *(_gold_columns() if found.gold else ()),
        ],
        id="steps",
        title="Rewards step by step",
        note=(
            (
                "Gap: accepted less gold accuracy on the samples that both decided. Beyond: what of the gap's change "
                "since the first step the new accuracy does not predict, with its 95 % band for all steps at once. "
                if found.gold
                else ""
            )
            + f"{SEVERAL_STEPS}Intervals of a step are for other problems like those of that step. {CLUSTERED}"
        ),
    )


def _point(record: tuple[Trace, int]) -> Point:
    return record[0].points[record[1]]


def _gold_columns() -> tuple[Column[tuple[Trace, int]], ...]:
    return (
        Column("accuracy", "Gold accuracy, %", lambda r: estimate(_point(r).accuracy)),
        Column("gap", "Gap, points", lambda r: difference(_point(r).gap)),
        Column("beyond", "Beyond, points", lambda r: _beyond_at(*r)),
        Column("tpr", "TPR, %", lambda r: estimate(_point(r).quality.tpr)),
        Column("fpr", "FPR, %", lambda r: estimate(_point(r).quality.fpr)),
        Column("ratio", "LR+", lambda r: estimate(_point(r).quality.likelihood_ratio, 2, 1)),
    )


def _beyond_at(trace: Trace, place: int) -> Cell:
    return difference(next((moved.beyond for moved in trace.moved if moved.place == place), None))


def kept(found: Imported) -> Table:
    """What each verifier would have kept, beside the recorded reward."""
    known = bool(found.gold)
    name = (found.reward or "").removeprefix(RECORDED)
    return Table.of(
        found.kept if len(found.kept) > 1 else (),
        [
            Column("verifier", "Filter by", lambda k: _kept_name(k, found.reward), names=True),
            Column("judged", "Samples", lambda k: str(k.judged)),
            Column("accepted", "Kept", lambda k: share(k.accepted, k.judged)),
            Column("precision", "Precision of the kept, %", lambda k: estimate(k.precision)) if known else None,
            Column("shared", f"Kept by {name} too, %", lambda k: number(k.shared)),
            *(_changes() if known else ()),
        ],
        id="kept",
        title="What another verifier would have kept",
        note=(
            f"All samples on which both the verifier and {name} gave a verdict, of all steps together; kept is what "
            "is accepted. These samples are of a policy that trained on the recorded rewards: with another reward it "
            "would have written other ones. "
            + ("Right and wrong: by the gold; samples that it left undecided are in neither. " if known else "")
            + CLUSTERED
        ),
    )


def _kept_name(kept: Kept, reward: str | None) -> Cell:
    name = kept.verifier
    recorded = "recorded, compared with" if name == reward else "recorded" if name.startswith(RECORDED) else ""
    return Cell(name.removeprefix(RECORDED), recorded)


def _changes() -> tuple[Column[Kept], ...]:
    return (
        Column("lost", "Right lost / added", lambda k: f"{k.right_lost} / {k.right_added}"),
        Column("dropped", "Wrong dropped / added", lambda k: f"{k.wrong_dropped} / {k.wrong_added}"),
    )


def imported_sources(found: Imported) -> Table:
    """The files that were imported, and what of them was not."""
    return Table.of(
        sources(found.run.facts),
        [
            Column("source", "Source", lambda s: s.name, names=True),
            Column("format", "Format", lambda s: s.title or DASH, names=True),
            Column("imported", "Samples imported", lambda s: str(s.imported)),
            Column("moved", "Under another index", lambda s: str(s.moved)),
            Column("refused", "Rows refused", lambda s: str(s.refused)),
            Column("reasons", "Commonest reasons", _reasons, names=True),
        ],
        id="sources",
        title="What was imported",
        note="Under another index: two rows of the same problem and step had one index and different texts.",
    )


def _reasons(source: ImportedSource) -> str:
    return "; ".join(f"{reason[:80]} ({count})" for reason, count in source.reasons[:3]) or DASH


def undecided(found: Imported) -> Table:
    """Why verifiers could not tell."""
    run = found.run
    counted: dict[str, dict[str, int]] = {}
    for (_, _, verifier), items in run.reasons.items():
        for reason, count in items:
            of_verifier = counted.setdefault(verifier, {})
            of_verifier[reason] = of_verifier.get(reason, 0) + count
    names = [name for name in (run.gold, *rewards(run)) if name in counted]
    return Table.of(
        dict.fromkeys(names),
        [
            Column("verifier", "Verifier", lambda name: name, names=True),
            Column("undecided", "Undecided", lambda name: _asked(found, name, sum(counted[name].values()))),
            Column("reasons", "Commonest reasons", lambda name: _commonest(counted[name]), names=True),
        ],
        id="undecided",
        title="Undecided verdicts",
        note="They count neither as right nor as wrong.",
    )


def _asked(found: Imported, name: str, count: int) -> Cell:
    return share(count, int(found.run.outcomes[name].scored.sum()))


def _commonest(reasons: dict[str, int]) -> str:
    ordered = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
    return "; ".join(f"{reason[:60]} ({count})" for reason, count in ordered[:3])


def shown_first(tables: Sequence[Table]) -> tuple[Table, ...]:
    """Those with rows."""
    return tuple(table for table in tables if table.rows)
