"""The pictures of what lies behind the gains: error rates over iterations, agreement, pass@k, and the kept data.

Takes plain values (Drift, Reach, Fate, shares of a square); gives figures in the manner of `drawing.py`. Knows
nothing of runs.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator

from restem.reports.figures.drawing import LIGHT, Look, Theme, legend, multiples, name_panel, on, plain, short
from restem.reports.stats.estimates import Estimate

DASHED = (0, (4, 2))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Drift:
    """An arm's training verifier over iterations: its errors on the arm's own samples, and on the other arms'.

    Attributes:
        elsewhere: FPR and FNR on the other arms' samples of that iteration; NaN where it was not asked.
    """

    look: Look
    iterations: tuple[int, ...]
    fpr: tuple[Estimate, ...]
    fnr: tuple[Estimate, ...]
    elsewhere: tuple[tuple[float, float], ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Reach:
    """pass@k of the base and of an arm's last checkpoint."""

    look: Look
    iteration: int
    before: Mapping[int, Estimate]
    after: Mapping[int, Estimate]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Square:
    """Two verifiers: how far they agree beyond chance (AC1), and the share of samples on which they do."""

    left: str
    right: str
    ac1: float
    raw: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fate:
    """What became of the samples of one E-step (or of one a replicate), in samples.

    Attributes:
        right: Kept, and correct by the gold.
        wrong: Kept, and wrong by the gold.
        unknown: Kept, and left undecided by the gold.
        spared: Accepted and left out: duplicates, those over the cap, and the like.
        undecided: Dropped as the training verifier could not tell.
        rejected: Dropped as the training verifier calls them wrong.
    """

    look: Look
    iteration: int
    right: int
    wrong: int
    unknown: int
    spared: int
    undecided: int
    rejected: int

    @property
    def parts(self) -> tuple[int, ...]:
        return self.right, self.wrong, self.unknown, self.spared, self.undecided, self.rejected


def drift_figure(drifts: Sequence[Drift], theme: Theme = LIGHT) -> Figure:
    """Small multiples, one arm each: false accepts solid, false rejects dashed, the same verifier elsewhere in grey."""
    figure, grid, columns = multiples(len(drifts), theme)
    for axes, drift in zip(grid, drifts, strict=True):
        colour, style = drift.look.colour(theme), {"color": theme.soft, "alpha": 0.7, "linewidth": 1, "zorder": 1}
        for place, dashes in enumerate(("-", DASHED)):
            values = [100 * rates[place] for rates in drift.elsewhere]
            axes.plot(drift.iterations, values, linestyle=dashes, **style)
        _band(axes, drift.iterations, drift.fpr, colour, "-", "o")
        _band(axes, drift.iterations, drift.fnr, colour, DASHED, "s")
        name_panel(axes, drift.look.title, theme)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    top = grid[0].get_ylim()[1]
    grid[0].set_ylim(-0.03 * top, top)
    figure.supxlabel("iteration", fontsize=9, color=theme.soft)
    figure.supylabel("error rate, %", fontsize=9, color=theme.soft)
    dots = {"color": theme.ink, "linewidth": 1.8, "markersize": 4}
    handles = [
        Line2D([], [], marker="o", label="FPR: wrong samples accepted, 95 % by problem", **dots),
        Line2D([], [], marker="s", linestyle=DASHED, label="FNR: correct samples rejected", **dots),
    ]
    if any(math.isfinite(rate) for drift in drifts for rates in drift.elsewhere[1:] for rate in rates):
        handles.append(Line2D([], [], color=theme.soft, alpha=0.7, linewidth=1, label="on the other arms' samples"))
    legend(figure, handles, theme, min(columns, 2))
    return figure


def _band(
    axes: Axes, places: Sequence[int], found: Sequence[Estimate], colour: str, dashes: object, marker: str
) -> None:
    """A line of estimates in percent, with its band."""
    low, high = [100 * e.low for e in found], [100 * e.high for e in found]
    axes.fill_between(places, low, high, color=colour, alpha=0.15, linewidth=0, zorder=2)
    style = {"linestyle": dashes, "marker": marker, "markersize": 4, "linewidth": 1.8, "zorder": 4}
    axes.plot(places, [100 * e.value for e in found], color=colour, **style)


def reach_figure(found: Sequence[Reach], theme: Theme = LIGHT) -> Figure:
    """Small multiples, one arm each: pass@k of its last checkpoint, and of the base in grey."""
    figure, grid, columns = multiples(len(found), theme)
    for axes, reach in zip(grid, found, strict=True):
        _band(axes, tuple(reach.before), tuple(reach.before.values()), theme.soft, DASHED, "s")
        _band(axes, tuple(reach.after), tuple(reach.after.values()), reach.look.colour(theme), "-", "o")
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_locator(FixedLocator(list(reach.after)))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(lambda k, _: f"{k:g}")
        name_panel(axes, reach.look.title, theme)
    figure.supxlabel("k, samples of a problem", fontsize=9, color=theme.soft)
    figure.supylabel("pass@k, % of test problems", fontsize=9, color=theme.soft)
    style = {"linewidth": 1.8, "markersize": 4}
    handles = [
        Line2D([], [], color=theme.ink, marker="o", label="after the last iteration, 95 % by problem", **style),
        Line2D([], [], color=theme.soft, marker="s", linestyle=DASHED, label="base", **style),
    ]
    legend(figure, handles, theme, min(columns, 2))
    return figure


def agreement_figure(squares: Sequence[Square], theme: Theme = LIGHT) -> Figure:
    """A square for every pair of verifiers: AC1 by colour and number, the share of equal verdicts below it."""
    names = list(dict.fromkeys(name for square in squares for name in (square.left, square.right)))
    size = len(names) - 1
    figure = Figure(figsize=(2.2 + 0.72 * size, 1.3 + 0.56 * size), layout="constrained", facecolor=theme.paper)
    axes = figure.subplots()
    plain(axes, theme)
    axes.grid(False)
    colours = LinearSegmentedColormap.from_list("agreement", [theme.palette[1], theme.paper, theme.palette[0]])
    for square in squares:
        across, down = names.index(square.left), names.index(square.right) - 1
        unknown = math.isnan(square.ac1)
        face = theme.paper if unknown else to_hex(colours((1 + square.ac1) / 2))
        axes.add_patch(Rectangle((across - 0.47, down - 0.46), 0.94, 0.92, facecolor=face, edgecolor=theme.grid))
        if not math.isnan(square.raw):
            ink = on(face)
            text = "–" if unknown else f"{square.ac1:.2f}".replace("-", "−")
            axes.text(across, down - 0.12, text, fontsize=9, color=ink, ha="center", va="center")
            axes.text(
                across, down + 0.24, f"{100 * square.raw:.0f} %", fontsize=6.5, color=ink, ha="center", va="center"
            )
    axes.set_xlim(-0.5, size - 0.5)
    axes.set_ylim(size - 0.5, -0.5)
    axes.set_xticks(range(size), [short(name, 22) for name in names[:-1]], rotation=30, ha="right")
    axes.set_yticks(range(size), [short(name, 22) for name in names[1:]])
    shades = ((1.0, "AC1 1: always equal"), (0.0, "0: as by chance"), (-1.0, "−1: always opposite"))
    keys = [
        Patch(facecolor=colours((1 + value) / 2), edgecolor=theme.grid, label=label)
        for value, label in shades[: 3 if any(square.ac1 < 0 for square in squares) else 2]
    ]
    legend(figure, keys, theme, len(keys) if size > 4 else 1)
    return figure


def kept_figure(fates: Sequence[Fate], theme: Theme = LIGHT) -> Figure:
    """A bar an arm and iteration: what became of its samples; at its end, how many were kept and how pure they are."""
    figure = Figure(figsize=(8.0, 1.15 + 0.27 * len(fates)), layout="constrained", facecolor=theme.paper)
    axes = figure.subplots()
    plain(axes, theme)
    axes.grid(False, axis="y")
    # Kinds differ in lightness and hatch too: the picture must hold in grey print.
    kinds = (
        ("kept, correct", theme.palette[0], ""),
        ("kept, wrong", theme.palette[1], "//"),
        ("kept, gold undecided", theme.palette[4], "\\\\"),
        ("accepted, left out", theme.palette[5], ""),
        ("undecided", theme.soft, ""),
        ("rejected", theme.grid, ""),
    )
    shown = [place for place in range(len(kinds)) if any(fate.parts[place] for fate in fates)]
    for row, fate in enumerate(fates):
        start, whole = 0.0, max(1, sum(fate.parts))
        for place in shown:
            width, (_, colour, hatch) = 100 * fate.parts[place] / whole, kinds[place]
            axes.barh(row, width, 0.74, start, color=colour, hatch=hatch, edgecolor=theme.paper, linewidth=0)
            start += width
        known, kept = fate.right + fate.wrong, fate.right + fate.wrong + fate.unknown
        pure = f", {100 * fate.right / known:.0f} % correct" if known else ""
        axes.text(101, row, f"{kept} kept{pure}", fontsize=8, color=theme.ink, va="center")
    names = [f"{short(fate.look.title, 30)}  {fate.iteration}" for fate in fates]
    axes.set_yticks(range(len(fates)), names)
    axes.set_ylim(len(fates) - 0.45, -0.55)
    axes.set_xlim(0, 124)
    axes.set_xticks(range(0, 101, 20))
    axes.set_xlabel("% of the samples drawn", fontsize=9)
    keys = [
        Patch(facecolor=colour, hatch=hatch, edgecolor=theme.paper, linewidth=0, label=label)
        for label, colour, hatch in (kinds[place] for place in shown)
    ]
    legend(figure, keys, theme, 3)
    return figure
