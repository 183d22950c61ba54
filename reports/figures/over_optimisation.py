"""Proxy reward and gold accuracy over best-of-k, as a figure.

Takes what analysis/over_optimisation.py gives; gives a Drawing of small multiples, one verifier each.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, NullLocator

from restem.reports.analysis.over_optimisation import Curve
from restem.reports.figures.style import DASHED, LIGHT, Drawing, Looks, Theme, draw_band, legend, multiples, name_panel


def over_optimisation(curves: Sequence[Curve], looks: Looks) -> Drawing | None:
    """The figure of all verifiers that carry information; None where each problem has one sample."""
    caption = (
        "Each verifier picks, of k test samples of a problem, the one that it rewards most. Dashed: its own reward of "
        "the pick (proxy). Solid: the gold accuracy of the same. Grey: samples of the base. In colour: of the last "
        "checkpoint that was trained on it. Lines that part as k grows: picking harder finds the verifier's errors; "
        "where gold falls, that is over-optimisation. Bands: 95 %, clustered by problem, of these seeds."
    )
    draw = functools.partial(over_optimisation_figure, curves, looks)
    title = "Proxy reward and gold accuracy over best-of-k"
    return Drawing(name="over_optimisation", title=title, caption=caption, draw=draw) if curves else None


def over_optimisation_figure(curves: Sequence[Curve], looks: Looks, theme: Theme = LIGHT) -> Figure:
    """Small multiples, one verifier each: proxy dashed and gold solid, the base in grey."""
    names = list(dict.fromkeys(curve.verifier for curve in curves))
    figure, grid, columns = multiples(len(names), theme)
    most = max(curve.most for curve in curves)
    for axes, name in zip(grid, names, strict=True):
        for curve in (curve for curve in curves if curve.verifier == name):
            colour = looks[curve.arm].colour(theme) if curve.arm else theme.soft
            ks = tuple(curve.proxy)
            draw_band(axes, ks, [curve.proxy[k] for k in ks], colour, DASHED, "")
            draw_band(axes, ks, [curve.gold[k] for k in ks], colour, "-", "")
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_locator(FixedLocator([2**power for power in range(most.bit_length())]))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(lambda k, _: f"{k:g}")
        name_panel(axes, name, theme)
    figure.supxlabel("k, samples to pick from", fontsize=9, color=theme.soft)
    figure.supylabel("% of test problems", fontsize=9, color=theme.soft)
    style = {"color": theme.ink, "linewidth": 1.8}
    handles = [
        Line2D([], [], linestyle=DASHED, label="proxy: the verifier's reward of its pick", **style),
        Line2D([], [], label="gold accuracy of the pick, 95 % by problem", **style),
        Line2D([], [], color=theme.soft, linewidth=1.8, label="samples of the base"),
    ]
    legend(figure, handles, theme, min(columns, 2))
    return figure
