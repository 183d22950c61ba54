"""Accuracy on training problems and on test problems over iterations, as a figure.

Takes what analysis/train_test_gap.py gives; gives a Drawing of small multiples, one arm each.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from restem.reports.analysis.train_test_gap import TrainTest
from restem.reports.figures.style import DASHED, LIGHT, Drawing, Looks, Theme, draw_band, legend, multiples, name_panel


def train_test_gap(items: Sequence[TrainTest], looks: Looks) -> Drawing | None:
    """The figure of all arms; None where no arm has two checkpoints that were sampled on training problems."""
    sampled = [item.arm.name for item in items if item.arm and item.train.n]
    if len({*sampled}) == len(sampled):
        return None
    caption = (
        "Gold accuracy of samples of each checkpoint, on training problems (dashed) and on test problems (solid). "
        "Iteration 0 is the base; a dashed line ends where the training problems were not sampled any more. Lines that "
        "part from where they begin: the arm gained more on one of the two. Bands: 95 %, clustered by problem, of "
        "these seeds."
    )
    draw = functools.partial(train_test_gap_figure, items, looks)
    title = "Training problems against test problems over iterations"
    return Drawing(name="train_test_gap", title=title, caption=caption, draw=draw)


def train_test_gap_figure(items: Sequence[TrainTest], looks: Looks, theme: Theme = LIGHT) -> Figure:
    """Small multiples, one arm each: training problems dashed, test problems solid."""
    names = [name for name in looks if any(item.arm and item.arm.name == name and item.train.n for item in items)]
    figure, grid, columns = multiples(len(names), theme)
    for axes, name in zip(grid, names, strict=True):
        look, chain = looks[name], [item for item in items if item.arm is None or item.arm.name == name]
        trained = [item for item in chain if item.train.n]
        colour = look.colour(theme)
        draw_band(axes, [item.iteration for item in trained], [item.train for item in trained], colour, DASHED, "s")
        draw_band(axes, [item.iteration for item in chain], [item.test for item in chain], colour, "-", "o")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
        name_panel(axes, look.title, theme)
    figure.supxlabel("iteration", fontsize=9, color=theme.soft)
    figure.supylabel("gold accuracy, %", fontsize=9, color=theme.soft)
    style = {"color": theme.ink, "linewidth": 1.8, "markersize": 4}
    handles = [
        Line2D([], [], linestyle=DASHED, marker="s", label="training problems", **style),
        Line2D([], [], marker="o", label="test problems", **style),
    ]
    legend(figure, handles, theme, min(columns, 2))
    return figure
