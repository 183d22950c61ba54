"""Gain of each arm-iteration against Youden's J and against LR+, as a figure.

Takes what analysis/gain_by_quality.py gives; gives a Drawing of two panels.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from restem.reports.analysis.gain_by_quality import TrainedOn
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
from restem.reports.stats.estimates import Estimate

TICKS = tuple(digit * 10.0**power for power in range(-2, 5) for digit in (1, 3))


def gain(steps: Sequence[TrainedOn], looks: Looks) -> Drawing | None:
    """The figure of all arm-iterations; None where there are none."""
    caption = (
        "One mark an arm and iteration (the number in it): gold accuracy gained over the base on test problems, "
        "against J = TPR − FPR (left) and LR+ = TPR / FPR (right) of its verifier on the training samples drawn for "
        "that iteration. The gold has J = 1 and an infinite LR+. Bars: 95 %; up, of other seeds on other problems; "
        "across, clustered by problem. Hollow marks are control arms. A measure that told the gain would put the "
        "marks on one rising line."
    )
    draw = functools.partial(gain_figure, steps, looks)
    return Drawing(name="gain", title="Gain against J and LR+", caption=caption, draw=draw) if steps else None


def gain_figure(steps: Sequence[TrainedOn], looks: Looks, theme: Theme = LIGHT) -> Figure:
    """Two panels with one vertical axis: gain against J, and against LR+ on a log axis and a place for infinity."""
    figure = Figure(figsize=(8.4, 4.2), layout="constrained", facecolor=theme.paper)
    left, right = figure.subplots(1, 2, sharey=True)
    for axes in (left, right):
        plain(axes, theme)
        axes.axhline(0, color=theme.soft, linewidth=0.8, zorder=1)
    _draw(left, steps, looks, lambda step: step.youden, theme)
    left.set_xlim(min(-0.06, *(step.youden.low for step in steps)) - 0.02, 1.06)
    left.set_xlabel("J of the training verifier", fontsize=9)
    left.set_ylabel("gold accuracy gained over the base, points", fontsize=9)
    low, high, end = _log_range([step.ratio for step in steps])
    _draw(right, steps, looks, lambda step: _within(step.ratio, low, high, end), theme)
    right.set_xscale("log")
    right.set_xlim(low / 1.3, end * 1.3)
    ticks = [tick for tick in TICKS if low <= tick <= high]
    right.xaxis.set_major_locator(FixedLocator([*ticks, end]))
    right.xaxis.set_minor_locator(NullLocator())
    right.xaxis.set_major_formatter(lambda x, _: "∞" if x == end else f"{x:g}")
    right.set_xlabel("LR+ of the training verifier, log scale", fontsize=9)
    legend(figure, [mark_handle(look, theme) for look in in_legend_order(looks[s.arm.name] for s in steps)], theme, 4)
    return figure


def _draw(
    axes: Axes, steps: Sequence[TrainedOn], looks: Looks, across: Callable[[TrainedOn], Estimate], theme: Theme
) -> None:
    for step in steps:
        x, y, look = across(step), step.gain, looks[step.arm.name]
        if math.isnan(x.value):
            continue
        draw_crossed(axes, x, y, look, step.iteration, theme, alpha=0.4, scale=1)


def _log_range(ratios: Sequence[Estimate]) -> tuple[float, float, float]:
    """The smallest and the largest finite LR+ to show, and the place of infinity to the right of them."""
    known = [1.0, *(r.value for r in ratios if math.isfinite(r.value) and r.value > 0)]
    low, high = max(0.03, min(known) / 1.3), min(max(known) * 1.3, 1000.0)
    return low, max(high, 3.0), 2.5 * max(high, 3.0)


def _within(ratio: Estimate, low: float, high: float, end: float) -> Estimate:
    """An LR+ as the axis can show it: 0 at its lower end, infinity at the place for it, limits cut at the edges."""

    def place(x: float) -> float:
        return end if math.isinf(x) else min(max(x, low / 1.2), high * 1.2)

    value, lower, upper = (math.nan if math.isnan(x) else place(x) for x in (ratio.value, ratio.low, ratio.high))
    return Estimate(value=value, low=lower, high=upper, n=ratio.n, clusters=ratio.clusters)
