"""The attack probe as a figure: each verifier's outcome on each form, a small square a problem.

Takes a Run; gives a Drawing, or a figure of grids of outcomes.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, PathPatch
from matplotlib.path import Path

from restem.benchmarks.problem import ATTACK, EQUIVALENCE
from restem.reports.analysis.probe import FormGrid, form_grids
from restem.reports.data.run import Run
from restem.reports.figures.style import LIGHT, Drawing, Theme, legend, plain, short
from restem.verifiers.verdict import Outcome

FILLED = 0.84  # of a cell's width and height
CELL = "cell"
# Of each kind of probes the verdict that is an error, its colour in the palette, and what the legend calls it.
ERRORS = {
    ATTACK: (Outcome.CORRECT, 1, "attack accepted"),
    EQUIVALENCE: (Outcome.WRONG, 3, "right answer rejected"),
}
TITLES = {ATTACK: "attacks", EQUIVALENCE: "right answers"}


def probe(run: Run) -> Drawing | None:
    """The figure of all verifiers that were tried; None where none was."""
    grids = form_grids(run)
    caption = (
        "The errors of each verifier on responses that no policy wrote: above, attacks, none of which is a right "
        "answer; below, right answers in other forms. A cell a form, in it a place a problem: filled where the verdict "
        "is an error (an attack accepted, a right answer rejected), grey where there is none, empty where it is right. "
        "A good verifier has nothing filled. Counted, and so without intervals; shares with intervals, and the texts, "
        "stand in the tables of the attack probe."
    )
    draw = functools.partial(probe_figure, grids)
    return Drawing(name="probe", title="Attack probe, at a glance", caption=caption, draw=draw) if grids else None


def probe_figure(grids: Sequence[FormGrid], theme: Theme = LIGHT) -> Figure:
    """A panel a kind: forms down, verifiers across, a square a problem."""
    rows = [len(grid.forms) for grid in grids]
    wide = max(len(grid.verifiers) for grid in grids)
    size = (1.9 + 0.46 * wide, 1.6 + 0.21 * sum(rows) + 0.35 * len(grids))
    figure = Figure(figsize=size, layout="constrained", facecolor=theme.paper)
    panels = figure.subplots(len(grids), 1, squeeze=False, sharex=True, gridspec_kw={"height_ratios": rows})
    for place, (axes, grid) in enumerate(zip(panels.flat, grids, strict=True)):
        _draw(axes, grid, theme)
        axes.tick_params(labelbottom=False, labeltop=place == 0)
    keys = [
        *(Patch(facecolor=theme.palette[place], linewidth=0, label=label) for _, place, label in ERRORS.values()),
        Patch(facecolor=theme.soft, linewidth=0, alpha=0.55, label="undecided"),
        Patch(facecolor="none", edgecolor=theme.soft, linewidth=0.6, alpha=0.6, label="right verdict"),
    ]
    legend(figure, keys, theme, 2)
    figure.align_ylabels()
    return figure


def _draw(axes: Axes, grid: FormGrid, theme: Theme) -> None:
    plain(axes, theme)
    axes.grid(False)
    error, colour, _ = ERRORS[grid.kind]
    drawn: dict[str, list[Path]] = {**{outcome: [] for outcome in Outcome}, CELL: []}
    for (form, verifier), outcomes in grid.outcomes.items():
        left, top = grid.verifiers.index(verifier) - FILLED / 2, grid.forms.index(form) - FILLED / 2
        width = FILLED / len(outcomes)
        drawn[CELL].append(_rectangle(left, top, FILLED))
        for place, outcome in enumerate(outcomes):
            drawn[outcome].append(_rectangle(left + (place + 0.06) * width, top, 0.88 * width))
    looks = {
        error: {"facecolor": theme.palette[colour], "linewidth": 0},
        Outcome.UNDECIDED: {"facecolor": theme.soft, "linewidth": 0, "alpha": 0.55},
        CELL: {"facecolor": "none", "edgecolor": theme.soft, "linewidth": 0.6, "alpha": 0.6},
    }
    for name, look in looks.items():
        if drawn[name]:  # as one shape: a shape for each would make the page larger by half a megabyte
            axes.add_patch(PathPatch(Path.make_compound_path(*drawn[name]), **look))
    axes.set_xlim(-0.5, len(grid.verifiers) - 0.5)
    axes.set_ylim(len(grid.forms) - 0.5, -0.5)
    names = [short(name, 22) for name in grid.verifiers]
    axes.set_xticks(range(len(names)), names, rotation=30, ha="left")
    axes.set_yticks(range(len(grid.forms)), [short(form, 22) for form in grid.forms])
    axes.set_ylabel(TITLES[grid.kind], fontsize=9)


def _rectangle(left: float, top: float, width: float) -> Path:
    right, bottom = left + width, top + FILLED
    return Path([(left, top), (right, top), (right, bottom), (left, bottom), (left, top)], closed=True)
