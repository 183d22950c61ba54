"""Distinct texts and entropy of the answers over iterations, as a figure.

Takes what analysis/diversity.py gives; gives a Drawing of two panels.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from restem.reports.analysis.diversity import Diversity
from restem.reports.figures.style import (
    LIGHT,
    Drawing,
    Look,
    Looks,
    Theme,
    in_legend_order,
    legend,
    mark_handle,
    plain,
)
from restem.reports.stats.estimates import Estimate


def diversity(items: Sequence[Diversity], looks: Looks) -> Drawing | None:
    """The figure of all arms; None where nothing was trained or each problem has one sample."""
    caption = (
        "Test samples of one problem, mean over problems. Left: distinct texts as a share of the samples. Right: "
        "entropy of their final answers, corrected for few samples (Miller and Madow); 0 where all agree. An arm "
        "that falls and gains has grown surer; one that falls without a gain repeats its errors. Bars: 95 %, clustered "
        "by problem, of these seeds. Hollow marks are control arms."
    )
    draw = functools.partial(diversity_figure, items, looks)
    title = "Distinct texts and entropy over iterations"
    trained = any(item.arm for item in items)
    return Drawing(name="diversity", title=title, caption=caption, draw=draw) if trained else None


def diversity_figure(items: Sequence[Diversity], looks: Looks, theme: Theme = LIGHT) -> Figure:
    """Two panels: share of distinct texts, and entropy of the answers; a line an arm."""
    figure = Figure(figsize=(8.4, 3.7), layout="constrained", facecolor=theme.paper)
    left, right = figure.subplots(1, 2)
    shown = in_legend_order(looks[item.arm.name] for item in items if item.arm)
    for place, look in enumerate(shown):
        chain = [item for item in items if item.arm is None or item.arm.name == look.name]
        shift = 0.16 * ((place + 0.5) / len(shown) - 0.5)
        _draw(left, chain, lambda item: item.distinct, 100, look, shift, theme)
        _draw(right, chain, lambda item: item.answers, 1, look, shift, theme)
    for axes, label in ((left, "distinct texts, % of the samples"), (right, "entropy of the answers, nats")):
        plain(axes, theme)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
        axes.set_ylabel(label, fontsize=9)
        axes.set_ylim(bottom=0)
    figure.supxlabel("iteration", fontsize=9, color=theme.soft)
    legend(figure, [mark_handle(look, theme) for look in shown], theme, 4)
    return figure


def _draw(
    axes: Axes,
    chain: Sequence[Diversity],
    up: Callable[[Diversity], Estimate],
    scale: float,
    look: Look,
    shift: float,
    theme: Theme,
) -> None:
    colour = look.colour(theme)
    for item in chain:
        ends = [scale * up(item).low, scale * up(item).high]
        axes.plot([item.iteration + shift] * 2, ends, color=colour, linewidth=1.2, alpha=0.55, zorder=2)
    axes.plot(
        [item.iteration + shift for item in chain],
        [scale * up(item).value for item in chain],
        color=colour,
        marker=look.marker,
        markerfacecolor=theme.paper if look.kind == "control" else colour,
        markersize=5,
        linewidth=1.4,
        zorder=3,
    )
