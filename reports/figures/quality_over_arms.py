"""Gain of each arm against every measure of its verifier's quality, as a figure.

Takes a group of analysis/quality_over_arms.py; gives a Drawing.
"""

from __future__ import annotations

import functools
import math

from matplotlib.figure import Figure

from restem.reports.analysis.quality_over_arms import Group, Measure
from restem.reports.figures.style import (
    LIGHT,
    Drawing,
    Looks,
    Theme,
    in_legend_order,
    legend,
    mark_handle,
    plain,
)

AXES = {
    Measure.ACCURACY: ("accuracy, %", 100),
    Measure.TPR: ("TPR, %", 100),
    Measure.FPR: ("FPR, %", 100),
    Measure.YOUDEN: ("J", 1),
    Measure.LOG_RATIO: ("ln LR+", 1),
    Measure.PRECISION: ("precision of accepted, %", 100),
    Measure.KEPT: ("precision of kept − of distinct, points", 100),
    Measure.AUROC: ("AUROC", 1),
}
COLUMNS = 4


def quality_over_arms(group: Group, looks: Looks, number: int) -> Drawing:
    """The figure of one group, the run's `number`th."""
    caption = (
        "One mark an arm: gold accuracy gained over the base at its end, against a quality of its verifier's verdicts "
        "on the samples that its first iteration was drawn from. The arms differ in the verifier alone. Bars: 95 %, of "
        "other seeds on other problems. R²: over all arms but the gold's (diamond); control arms are hollow. A measure "
        "that told the gain would put the marks on one line."
    )
    named = ", ".join(f"{key} {value}" for key, value in group.settings.items())
    title = f"Gain against the quality of verifiers{f' ({named})' if named else ''}"
    name = f"quality_over_arms{f'_{number}' if number > 1 else ''}"
    return Drawing(name=name, title=title, caption=caption, draw=functools.partial(draw, group, looks))


def draw(group: Group, looks: Looks, theme: Theme = LIGHT) -> Figure:
    """A panel a measure, with one vertical axis."""
    rows = math.ceil(len(group.values) / COLUMNS)
    figure = Figure(figsize=(10.0, 0.8 + 2.5 * rows), layout="constrained", facecolor=theme.paper)
    grid = figure.subplots(rows, COLUMNS, sharey=True, squeeze=False).ravel().tolist()
    for axes in grid[len(group.values) :]:
        axes.set_axis_off()
    for axes, (measure, values) in zip(grid, group.values.items(), strict=False):
        plain(axes, theme)
        axes.axhline(0, color=theme.soft, linewidth=0.8, zorder=1)
        label, scale = AXES[measure]
        for arm, value, gain in zip(group.arms, values, group.gains, strict=True):
            look = looks[arm.name]
            colour = look.colour(theme)
            place = [scale * value] * 2
            axes.plot(place, [100 * gain.low, 100 * gain.high], color=colour, linewidth=1, alpha=0.4, zorder=2)
            face = theme.paper if look.kind == "control" else colour
            style = {"marker": look.marker, "markersize": 7, "linewidth": 0, "zorder": 3}
            axes.plot(place[:1], [100 * gain.value], color=colour, markerfacecolor=face, **style)
        axes.set_xlabel(label, fontsize=8.5)
        explained = group.fits[measure].explained.value
        if math.isfinite(explained):
            axes.set_title(f"R² {explained:.2f}", fontsize=9, color=theme.ink, loc="left")
    figure.supylabel("gold accuracy gained over the base, points", fontsize=9, color=theme.soft)
    legend(figure, [mark_handle(k, theme) for k in in_legend_order(looks[arm.name] for arm in group.arms)], theme, 4)
    return figure
