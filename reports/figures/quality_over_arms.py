"""Gain of each arm against four measures of its verifier's quality, as a figure.

Takes a group of analysis/quality_over_arms.py; gives a Drawing.
"""

from __future__ import annotations

import functools
import math

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

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
    Measure.ACCURACY: ("accuracy of the verifier, %", 100),
    Measure.YOUDEN: ("J", 1),
    Measure.LOG_RATIO: ("ln LR+", 1),
    Measure.PRECISION: ("precision of accepted, %", 100),
}


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
    """A panel for each of four measures, with one vertical axis; the tables have the others."""
    figure = Figure(figsize=(10.0, 3.3), layout="constrained", facecolor=theme.paper)
    grid = figure.subplots(1, len(AXES), sharey=True).tolist()
    for axes, (measure, (label, scale)) in zip(grid, AXES.items(), strict=True):
        plain(axes, theme)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=4))
        axes.axhline(0, color=theme.soft, linewidth=0.8, zorder=1)
        for arm, value, gain in zip(group.arms, group.values[measure], group.gains, strict=True):
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
    figure.supylabel("gain over the base, points", fontsize=9, color=theme.soft)
    legend(figure, [mark_handle(k, theme) for k in in_legend_order(looks[arm.name] for arm in group.arms)], theme, 4)
    return figure
