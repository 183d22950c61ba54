"""Reliability of the scores of verifiers that grade, as a figure.

Takes what analysis/calibration.py gives; gives a Drawing of small multiples, one verifier each.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from restem.reports.analysis.calibration import Calibration
from restem.reports.figures.style import LIGHT, Drawing, Theme, legend, multiples, name_panel


def calibration(items: Sequence[Calibration]) -> Drawing | None:
    """The figure of all verifiers that grade; None where all scores are 0 or 1."""
    caption = (
        "Test samples in ten bins of the score that a verifier gave them: mean score across, share that the gold calls "
        "correct up, the number of samples beside the mark. On the line the scores are probabilities; below it the "
        "verifier is too sure. Bars: 95 %, clustered by problem."
    )
    draw = functools.partial(calibration_figure, items)
    return Drawing(name="calibration", title="Reliability of scores", caption=caption, draw=draw) if items else None


def calibration_figure(items: Sequence[Calibration], theme: Theme = LIGHT) -> Figure:
    """Small multiples, one verifier each: share of correct samples against score."""
    figure, grid, columns = multiples(len(items), theme)
    for place, (axes, item) in enumerate(zip(grid, items, strict=True)):
        colour = theme.palette[place % len(theme.palette)]
        axes.plot([0, 1], [0, 100], color=theme.soft, linewidth=1, zorder=1)
        bins = [each for each in item.bins if each.correct.n]
        for each in bins:
            ends = [100 * each.correct.low, 100 * each.correct.high]
            axes.plot([each.score] * 2, ends, color=colour, linewidth=1.2, alpha=0.6, zorder=2)
            above = each.correct.value < 0.85
            axes.annotate(
                str(each.correct.n),
                (each.score, ends[1] if above else ends[0]),
                (0, 3 if above else -3),
                textcoords="offset points",
                ha="center",
                va="bottom" if above else "top",
                fontsize=6.5,
                color=theme.soft,
            )
        values = [100 * each.correct.value for each in bins]
        axes.plot(
            [each.score for each in bins], values, color=colour, marker="o", markersize=4.5, linewidth=1.2, zorder=3
        )
        axes.set_xlim(-0.05, 1.05)
        axes.set_ylim(-8, 112)
        name_panel(axes, item.verifier, theme)
    figure.supxlabel("score", fontsize=9, color=theme.soft)
    figure.supylabel("correct by the gold, %", fontsize=9, color=theme.soft)
    handles = [
        Line2D(
            [], [], color=theme.ink, marker="o", markersize=4.5, linewidth=1.2, label="share correct, 95 % by problem"
        ),
        Line2D([], [], color=theme.soft, linewidth=1, label="score = share correct"),
    ]
    legend(figure, handles, theme, min(columns, 2))
    return figure
