"""Precision of the kept data and gain by difficulty of the problem for the base, as a figure.

Takes what analysis/difficulty.py gives; gives a Drawing of two panels.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from restem.reports.analysis.difficulty import BANDS, EDGES, ByDifficulty
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
from restem.reports.stats.estimates import Difference, Estimate

SPREAD = 0.6  # of the distance of two bands, over which the arms stand side by side


def difficulty(items: Sequence[ByDifficulty], looks: Looks) -> Drawing | None:
    """The figure of all arms; None where problems cannot be sorted."""
    caption = (
        "Problems by the share of their even-numbered base samples that are correct; all that is drawn is of other "
        "samples, so that an arm that changes nothing gains nothing anywhere. Left: of what each arm's selection keeps "
        "of the base's training samples, the share that the gold calls correct. Right: gold accuracy gained on test "
        "problems after the arm's last iteration. Bars: 95 %, clustered by problem, of these seeds. Hollow marks are "
        "control arms."
    )
    draw = functools.partial(difficulty_figure, items, looks)
    title = "Kept precision and gain by difficulty"
    return Drawing(name="difficulty", title=title, caption=caption, draw=draw) if items else None


def difficulty_figure(items: Sequence[ByDifficulty], looks: Looks, theme: Theme = LIGHT) -> Figure:
    """Two panels: precision of the kept data, and gain; the arms side by side in each band."""
    figure = Figure(figsize=(8.4, 3.9), layout="constrained", facecolor=theme.paper)
    left, right = figure.subplots(1, 2)
    _draw(left, items, looks, lambda item: item.precision, theme)
    _draw(right, items, looks, lambda item: item.gain, theme)
    right.axhline(0, color=theme.soft, linewidth=0.8, zorder=1)
    left.set_ylabel("kept samples that the gold calls correct, %", fontsize=9)
    right.set_ylabel("gold accuracy gained over the base, points", fontsize=9)
    figure.supxlabel("share of the base's samples of a problem that are correct, %", fontsize=9, color=theme.soft)
    shown = in_legend_order(looks[item.arm.name] for item in items)
    legend(figure, [mark_handle(look, theme) for look in shown], theme, 4)
    return figure


def _draw(
    axes: Axes,
    items: Sequence[ByDifficulty],
    looks: Looks,
    up: Callable[[ByDifficulty], Estimate | Difference | None],
    theme: Theme,
) -> None:
    plain(axes, theme)
    axes.grid(False, axis="x")
    names = list(dict.fromkeys(item.arm.name for item in items))
    for place, name in enumerate(names):
        look, shift = looks[name], SPREAD * ((place + 0.5) / len(names) - 0.5)
        known = [(item.band + shift, e) for item in items if item.arm.name == name and (e := up(item))]
        known = [(x, e) for x, e in known if not math.isnan(e.value)]
        colour = look.colour(theme)
        for x, e in known:
            axes.plot([x, x], [100 * e.low, 100 * e.high], color=colour, linewidth=1.2, alpha=0.55, zorder=2)
        face = theme.paper if look.kind == "control" else colour
        axes.plot(
            [x for x, _ in known],
            [100 * e.value for _, e in known],
            color=colour,
            marker=look.marker,
            markerfacecolor=face,
            markersize=5.5,
            linewidth=0.8,
            zorder=3,
        )
    labels = [f"{100 * low:.0f} to {100 * high:.0f}" for low, high in itertools.pairwise(EDGES)]
    axes.set_xticks(range(BANDS), labels)
    axes.set_xlim(-0.5, BANDS - 0.5)
