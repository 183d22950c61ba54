"""Gains predicted before training against observed ones, as a figure.

Takes the steps of `analysis/predictions.py`; gives a Drawing with a mark for every arm and iteration.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from restem.reports.analysis.predictions import PredictedStep
from restem.reports.figures.style import (
    LIGHT,
    Drawing,
    Looks,
    Theme,
    draw_crossed,
    in_legend_order,
    legend,
    mark_handle,
    plain,
)


def prediction(steps: Sequence[PredictedStep], looks: Looks) -> Drawing | None:
    """The figure of all steps; None where there is none."""
    caption = (
        "One mark an arm and iteration (the number in it): gold accuracy gained over the base. Across: predicted from "
        "the base's training samples and verdicts, before any training; nothing is fitted on this run. Up: observed "
        "on the test split. Bars: 95 %; across, of other training problems and of the predictor's own error; up, of "
        "other seeds on other test problems. Above the line the arm gained more than predicted."
    )
    draw = functools.partial(prediction_figure, steps, looks)
    return Drawing(name="prediction", title="Predicted and observed", caption=caption, draw=draw) if steps else None


def prediction_figure(steps: Sequence[PredictedStep], looks: Looks, theme: Theme = LIGHT) -> Figure:
    """Observed against predicted gain, a mark an arm and iteration; on the line the prediction is right."""
    figure = Figure(figsize=(5.6, 5.2), layout="constrained", facecolor=theme.paper)
    axes = figure.subplots()
    plain(axes, theme)
    for step in steps:
        draw_crossed(axes, step.gain, step.observed, looks[step.arm], step.iteration, theme, alpha=0.5)
    ends = [100 * x for step in steps for e in (step.gain, step.observed) for x in (e.low, e.value, e.high)]
    known = [0.0, *(x for x in ends if math.isfinite(x))]
    margin = 0.06 * max(5.0, max(known) - min(known))
    edges = [min(known) - margin, max(known) + margin]
    axes.plot(edges, edges, color=theme.ink, linewidth=1.2, zorder=1)
    axes.axhline(0, color=theme.soft, linewidth=0.8, zorder=1)
    axes.axvline(0, color=theme.soft, linewidth=0.8, zorder=1)
    axes.set_xlim(*edges)
    axes.set_ylim(*edges)
    axes.set_aspect("equal")
    axes.set_xlabel("gain predicted before training, points", fontsize=9)
    axes.set_ylabel("gain observed, points", fontsize=9)
    line = Line2D([], [], color=theme.ink, linewidth=1.2, label="as predicted")
    handles = [mark_handle(look, theme) for look in in_legend_order(looks[step.arm] for step in steps)]
    legend(figure, [line, *handles], theme, 3)
    return figure
