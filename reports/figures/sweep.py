"""Gain against the value of the setting that a suite sweeps over, as a figure.

Takes what analysis/sweep.py gives; gives a Drawing.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

from restem.reports.analysis.sweep import Sweep
from restem.reports.figures.style import LIGHT, Drawing, Look, Theme, draw_lines, legend, mark_handle, plain, short


def sweep(swept: Sweep | None) -> Drawing | None:
    """The figure of all arms over the values; None where the suite has no sweep."""
    if swept is None:
        return None
    caption = (
        f"Gold accuracy gained over the base on test problems, by {swept.key}: a line an arm of the suite's file, a "
        "mark a value, each arm after its own last iteration. Bars: 95 %, of other seeds on other problems. Arms are "
        "compared on the same problems, so that two may differ although their bars overlap: the table of arms side by "
        "side has the differences. Hollow marks are control arms."
    )
    figure = functools.partial(draw, swept)
    return Drawing(name="sweep", title=f"Gain by {swept.key}", caption=caption, draw=figure)


def draw(swept: Sweep, theme: Theme = LIGHT) -> Figure:
    """One panel: a line an arm; on a log axis where the values are far apart."""
    figure = Figure(figsize=(6.4, 3.9), layout="constrained", facecolor=theme.paper)
    axes = figure.subplots()
    plain(axes, theme)
    axes.axhline(0, color=theme.soft, linewidth=0.8, zorder=1)
    places = {value: value if swept.numeric else place for place, value in enumerate(swept.values)}
    looks = _looks(swept)
    for number, (arm, look) in enumerate(zip(swept.arms, looks, strict=True)):
        shift = (number + 0.5) / len(looks) - 0.5
        across = [_shifted(swept, places, value, shift) for value in arm.values]
        draw_lines(axes, across, arm.gains, look, theme)
    if swept.logarithmic:
        axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(list(places.values())))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FixedFormatter([_text(value) for value in swept.values]))
    axes.set_xlabel(short(swept.key, 60), fontsize=9)
    axes.set_ylabel("gold accuracy gained over the base, points", fontsize=9)
    legend(figure, [mark_handle(look, theme) for look in looks], theme, 4)
    return figure


def _looks(swept: Sweep) -> list[Look]:
    """The looks of the arms by their names in the suite's file."""
    counts = {kind: itertools.count() for kind in ("gold", "", "control")}
    return [Look(name=arm.name, kind=arm.arm.mark, order=next(counts[arm.arm.mark])) for arm in swept.arms]


def _text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else short(str(value), 20)


def _shifted(swept: Sweep, places: Mapping[Any, float], value: Any, shift: float) -> float:
    """Where an arm's mark stands: beside the value, so that the bars of several arms do not hide each other."""
    if swept.logarithmic:
        return places[value] * (max(swept.values) / min(swept.values)) ** (0.03 * shift)
    return places[value] + 0.03 * shift * (max(places.values()) - min(places.values()))
