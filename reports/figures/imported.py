"""Imported rewards over training steps, as figures: reward against gold, and error rates.

Takes the traces of analysis/imported.py; gives Drawings of small multiples, one reward each.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from restem.harness.names import RECORDED
from restem.reports.analysis.imported import Imported
from restem.reports.analysis.reward_traces import Onset, Trace
from restem.reports.figures.style import (
    DASHED,
    LIGHT,
    Drawing,
    Theme,
    draw_band,
    legend,
    multiples,
    name_panel,
)
from restem.reports.stats.estimates import Estimate

MOST_PANELS = 9


def drawings(found: Imported) -> list[Drawing]:
    """The figures that the run has something for, not drawn yet."""
    traces = [trace for trace in found.traces if len(trace.points) > 1][:MOST_PANELS]
    if not traces:
        return []
    figures = [_over_steps(traces, found.gold)]
    rated = [trace for trace in traces if any(point.quality.n for point in trace.points)]
    return [*figures, *([_rates(rated)] if rated else [])]


def _over_steps(traces: Sequence[Trace], gold: str) -> Drawing:
    told = (
        "Share of responses that each reward accepts over training steps; 95 % bands clustered by problem, of each "
        "point by itself. Without a gold nothing says which responses are right."
    )
    if gold:
        told = (
            f"Share of responses that the reward accepts (dashed) and gold accuracy by {gold} (solid) over training "
            "steps; 95 % bands clustered by problem, of each point by itself. Dashed that rises away from solid: the "
            "policy learns what the reward wrongly accepts. Vertical line: the first step at which this is more than "
            "chance and more than the new accuracy explains, for all steps at once."
        )
    return Drawing(
        name="reward_over_steps",
        title="Reward against gold over training steps" if gold else "Rewards over training steps",
        caption=f"{told} Neighbouring steps are pooled where there are more than 20.",
        draw=functools.partial(reward_figure, traces, bool(gold)),
    )


def _rates(traces: Sequence[Trace]) -> Drawing:
    return Drawing(
        name="rates_over_steps",
        title="Error rates over training steps",
        caption=(
            "Of the responses that the gold calls wrong, the share that the reward accepts (FPR, solid), and of the "
            "right ones, the share that it rejects (FNR, dashed); 95 % bands clustered by problem. FPR that rises: the "
            "policy writes more of the wrong answers that this reward accepts. Bands widen as wrong, or right, "
            "responses become few."
        ),
        draw=functools.partial(rates_figure, traces),
    )


def reward_figure(traces: Sequence[Trace], with_gold: bool, theme: Theme = LIGHT) -> Figure:
    """Small multiples, one reward each: accepted share dashed, gold accuracy solid, the onset as a vertical line."""
    figure, grid, columns = multiples(len(traces), theme)
    for axes, trace in zip(grid, traces, strict=True):
        colour = theme.palette[0]
        places = [point.last for point in trace.points]
        _band(axes, places, [point.reward for point in trace.points], colour, DASHED, "s")
        if with_gold:
            _band(axes, places, [point.accuracy for point in trace.points], theme.ink, "-", "o")
        if trace.at is not None:
            at, hacked = trace.points[trace.at].last, trace.onset is Onset.HACKED
            axes.axvline(at, color=theme.palette[1], linewidth=1.4, linestyle="-" if hacked else DASHED, zorder=1)
        _panel(axes, trace, theme)
    figure.supxlabel("training step", fontsize=9, color=theme.soft)
    figure.supylabel("% of responses", fontsize=9, color=theme.soft)
    handles = [_handle("accepted by the reward", theme.palette[0], DASHED, "s")]
    if with_gold:
        handles.append(_handle("right by the gold, 95 % by problem", theme.ink, "-", "o"))
    if any(trace.onset is Onset.HACKED for trace in traces):
        handles.append(_handle("reward hacking from here on", theme.palette[1], "-", ""))
    if any(trace.onset is Onset.OVERSTATED for trace in traces):
        handles.append(_handle("overstates more from here on", theme.palette[1], DASHED, ""))
    legend(figure, handles, theme, min(columns, 2))
    return figure


def rates_figure(traces: Sequence[Trace], theme: Theme = LIGHT) -> Figure:
    """Small multiples, one reward each: false accepts solid, false rejects dashed."""
    figure, grid, columns = multiples(len(traces), theme)
    for axes, trace in zip(grid, traces, strict=True):
        points = [point for point in trace.points if point.quality.n]
        places = [point.last for point in points]
        _band(axes, places, [point.quality.fpr for point in points], theme.palette[1], "-", "o")
        _band(axes, places, [_turned(point.quality.tpr) for point in points], theme.palette[0], DASHED, "s")
        _panel(axes, trace, theme)
    figure.supxlabel("training step", fontsize=9, color=theme.soft)
    figure.supylabel("error rate, %", fontsize=9, color=theme.soft)
    handles = [
        _handle("FPR: wrong responses accepted", theme.palette[1], "-", "o"),
        _handle("FNR: right responses rejected", theme.palette[0], DASHED, "s"),
    ]
    legend(figure, handles, theme, min(columns, 2))
    return figure


def _turned(rate: Estimate) -> Estimate:
    """The share that is rejected."""
    return Estimate(value=1 - rate.value, low=1 - rate.high, high=1 - rate.low, n=rate.n, clusters=rate.clusters)


def _band(
    axes: Axes, places: Sequence[int], values: Sequence[Estimate], colour: str, dashes: object, marker: str
) -> None:
    draw_band(axes, places, values, colour, dashes, marker if len(places) <= 12 else "")


def _panel(axes: Axes, trace: Trace, theme: Theme) -> None:
    course, name = trace.course, trace.verifier.removeprefix(RECORDED)
    name_panel(axes, f"{name} ({course.split})", theme)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))


def _handle(label: str, colour: str, dashes: Any, marker: str) -> Line2D:
    return Line2D([], [], color=colour, linestyle=dashes, marker=marker, markersize=4, linewidth=1.8, label=label)
