"""The law against what was observed, as a figure.

Takes the law's steps; gives a Drawing with a mark for every arm and iteration.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from restem.reports.analysis.predictions import PredictedStep
from restem.reports.figures.style import (
    LIGHT,
    Drawing,
    Look,
    Looks,
    Theme,
    draw_mark,
    in_legend_order,
    legend,
    mark_handle,
    plain,
)
from restem.reports.stats.estimates import Estimate


@dataclasses.dataclass(frozen=True, kw_only=True)
class Change:
    """One M-step: the change of log-odds that the law predicted, and the observed one."""

    look: Look
    iteration: int
    predicted: Estimate
    observed: Estimate


def law(steps: Sequence[PredictedStep], looks: Looks) -> Drawing | None:
    """The figure of all steps for which both changes are known and finite; None where there is none."""
    changes = _changes(steps, looks)
    caption = (
        "One mark an arm and iteration (the number in it): the change of the log-odds of gold accuracy from the policy "
        "that training started from. Across: predicted from TPR and FPR on the training samples, with η from the gold "
        "arm (F3). Up: what was measured on the test split. Bars: 95 %, clustered by problem. Above the line the arm "
        "gained more than predicted. The gold arm lies near the line because η was fitted on it."
    )
    draw = functools.partial(law_figure, changes)
    return Drawing(name="law", title="The law and what came", caption=caption, draw=draw) if changes else None


def _changes(steps: Sequence[PredictedStep], looks: Looks) -> list[Change]:
    return [
        Change(
            look=looks[step.arm],
            iteration=step.iteration,
            predicted=step.change.predicted,
            observed=step.change.observed,
        )
        for step in steps
        if math.isfinite(step.change.predicted.value) and math.isfinite(step.change.observed.value)
    ]


def law_figure(changes: Sequence[Change], theme: Theme = LIGHT) -> Figure:
    """Observed against predicted change of log-odds, a mark an arm and iteration; on the line the law is right."""
    figure = Figure(figsize=(5.6, 5.2), layout="constrained", facecolor=theme.paper)
    axes = figure.subplots()
    plain(axes, theme)
    looks = in_legend_order(change.look for change in changes)
    for change in changes:
        across, up = change.predicted, change.observed
        style = {"color": change.look.colour(theme), "linewidth": 1, "alpha": 0.5, "zorder": 2}
        axes.plot([across.low, across.high], [up.value, up.value], **style)
        axes.plot([across.value, across.value], [up.low, up.high], **style)
        draw_mark(axes, (across.value, up.value), change.look, change.iteration, theme)
    ends = [x for change in changes for e in (change.predicted, change.observed) for x in (e.low, e.value, e.high)]
    known = [0.0, *(x for x in ends if math.isfinite(x))]
    margin = 0.06 * max(0.5, max(known) - min(known))
    edges = [min(known) - margin, max(known) + margin]
    axes.plot(edges, edges, color=theme.ink, linewidth=1.2, zorder=1)
    axes.axhline(0, color=theme.soft, linewidth=0.8, zorder=1)
    axes.axvline(0, color=theme.soft, linewidth=0.8, zorder=1)
    axes.set_xlim(*edges)
    axes.set_ylim(*edges)
    axes.set_aspect("equal")
    axes.set_xlabel("change of log-odds that the law predicts", fontsize=9)
    axes.set_ylabel("change of log-odds that came", fontsize=9)
    line = Line2D([], [], color=theme.ink, linewidth=1.2, label="as predicted")
    legend(figure, [line, *(mark_handle(look, theme) for look in looks)], theme, 3)
    return figure
