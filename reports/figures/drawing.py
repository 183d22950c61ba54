"""The pictures of a report: accuracy over iterations, reward quality against accuracy gain, the law against what came.

Takes plain values (Panel, Dot, Mark); gives the bytes of an SVG or a PNG. Same values, same bytes: text is drawn as
paths, identifiers come from a fixed salt, no date is written. Colours are Okabe and Ito's, told apart by colour-blind
readers; gold is ink, controls are grey and dashed outlines. Knows nothing of runs.
"""

from __future__ import annotations

import dataclasses
import io
import math
from collections.abc import Sequence

import matplotlib as mpl
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, PercentFormatter

from restem.reports.stats.estimates import Difference, Estimate

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
DARK_PALETTE = ("#4DA3DB", "#F0803C", "#2FC498", "#DE9CC0", "#F0B840", "#7CC7F0")
GREYS = ("#8A8A8A", "#A9A9A9", "#6F6F6F")
_KINDS = ("gold", "", "control")
MARKERS = ("o", "s", "^", "v", "p", "h")
CROWDED = 12


@dataclasses.dataclass(frozen=True, kw_only=True)
class Theme:
    """Colours of paper, ink, and arms."""

    paper: str
    ink: str
    soft: str
    grid: str
    palette: tuple[str, ...]


LIGHT = Theme(paper="#FFFFFF", ink="#1C1C1C", soft="#5F5F5F", grid="#E4E4E4", palette=PALETTE)
DARK = Theme(paper="#16181C", ink="#ECECEC", soft="#A6A6A6", grid="#2E3138", palette=DARK_PALETTE)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Look:
    """How an arm is drawn wherever it appears."""

    name: str
    kind: str
    order: int

    def colour(self, theme: Theme) -> str:
        if self.kind == "gold":
            return theme.ink
        return GREYS[self.order % len(GREYS)] if self.kind == "control" else theme.palette[self.order % 6]

    @property
    def marker(self) -> str:
        return "D" if self.kind == "gold" else MARKERS[self.order % len(MARKERS)]

    @property
    def title(self) -> str:
        return f"{self.name} ({self.kind})" if self.kind else self.name


@dataclasses.dataclass(frozen=True, kw_only=True)
class Panel:
    """One arm over iterations: gold accuracy, and its training verifier's own reward.

    Attributes:
        replicates: Gold accuracy of each seed by itself, where there are several; NaN where it is not there yet.
    """

    look: Look
    iterations: tuple[int, ...]
    accuracy: tuple[Estimate, ...]
    reward: tuple[Estimate, ...]
    replicates: tuple[tuple[float, ...], ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Dot:
    """One M-step: precision of what its verifier accepted, and the gold accuracy gained over the base."""

    look: Look
    iteration: int
    precision: Estimate
    gain: Difference


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mark:
    """One M-step: the change of log-odds that the law predicted, and the one that came."""

    look: Look
    iteration: int
    predicted: Estimate
    observed: Estimate


def accuracy_figure(panels: Sequence[Panel], theme: Theme = LIGHT) -> Figure:
    """Small multiples, one arm each, on shared axes; the other arms stand behind in grey."""
    figure, grid, columns = multiples(len(panels), theme)
    last = max((max(panel.iterations, default=0) for panel in panels), default=0)
    for axes, panel in zip(grid, panels, strict=True):
        for other in panels:
            if other is not panel:
                values = [100 * e.value for e in other.accuracy]
                axes.plot(other.iterations, values, color=theme.soft, alpha=0.35, linewidth=0.9, zorder=1)
        _draw_panel(axes, panel, theme)
        axes.set_xlim(-0.12, last + 0.12)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    figure.supxlabel("iteration", fontsize=9, color=theme.soft)
    figure.supylabel("% of test samples", fontsize=9, color=theme.soft)
    handles = [
        Line2D([], [], color=theme.ink, linewidth=2, label="gold accuracy, 95 % by problem"),
        Line2D([], [], color=theme.ink, linewidth=1.5, linestyle=(0, (4, 2)), label="training verifier's own reward"),
    ]
    if len(panels) > 1:
        handles.append(Line2D([], [], color=theme.soft, linewidth=0.9, alpha=0.35, label="the other arms"))
    several = next((panel.look for panel in reversed(panels) if panel.replicates), None)
    if several:  # in a colour, as thin and grey is what the other arms are
        colour = theme.palette[several.order % 6]
        handles.append(Line2D([], [], color=colour, linewidth=0.8, alpha=0.55, label="each seed by itself, in colour"))
    legend(figure, handles, theme, min(columns, 2))
    return figure


def multiples(count: int, theme: Theme) -> tuple[Figure, list[Axes], int]:
    """A figure of small multiples on shared axes: the figure, its `count` panels, and how many stand in a row."""
    columns = 2 if count == 4 else min(3, max(1, count))
    rows = math.ceil(max(1, count) / columns)
    figure = Figure(figsize=(1.1 + 2.45 * columns, 0.95 + 2.1 * rows), layout="constrained", facecolor=theme.paper)
    grid = list(figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).flat)
    for place, axes in enumerate(grid):
        if place >= count:
            axes.set_axis_off()
            continue
        plain(axes, theme)
        axes.tick_params(labelbottom=place + columns >= count, labelleft=place % columns == 0)
    return figure, grid[:count], columns


def name_panel(axes: Axes, title: str, theme: Theme) -> None:
    """The panel's title, on its left, cut where it is long."""
    axes.set_title(short(title, 30), fontsize=9.5, color=theme.ink, loc="left", fontweight="bold")


def _draw_panel(axes: Axes, panel: Panel, theme: Theme) -> None:
    colour = panel.look.colour(theme)
    low, high = [100 * e.low for e in panel.accuracy], [100 * e.high for e in panel.accuracy]
    axes.fill_between(panel.iterations, low, high, color=colour, alpha=0.18, linewidth=0, zorder=2)
    for seed in panel.replicates:
        axes.plot(panel.iterations, [100 * value for value in seed], color=colour, alpha=0.55, linewidth=0.8, zorder=3)
    values = [100 * e.value for e in panel.accuracy]
    axes.plot(panel.iterations, values, color=colour, linewidth=2, marker="o", markersize=4, zorder=4)
    rewards = [100 * e.value for e in panel.reward]
    axes.plot(panel.iterations, rewards, color=colour, linewidth=1.5, linestyle=(0, (4, 2)), zorder=3)
    name_panel(axes, panel.look.title, theme)


def quality_figure(dots: Sequence[Dot], base: float, eta: float, theme: Theme = LIGHT) -> Figure:
    """A dot for every arm and iteration; the line on which the policy is as accurate as what was accepted."""
    figure = Figure(figsize=(7.0, 4.9), layout="constrained", facecolor=theme.paper)
    axes = figure.subplots()
    plain(axes, theme)
    axes.axhline(0, color=theme.soft, linewidth=0.8, zorder=1)
    looks = sorted({dot.look for dot in dots}, key=lambda look: (_KINDS.index(look.kind), look.order))
    for look in looks:
        own = [dot for dot in dots if dot.look == look]
        places = [100 * dot.precision.value for dot in own], [100 * dot.gain.value for dot in own]
        axes.plot(*places, color=look.colour(theme), linewidth=1, alpha=0.3, zorder=2)
    for dot in dots:
        _draw_dot(axes, dot, theme, 0.3 if len(dots) > CROWDED else 0.6)
    low, high = _range(dots, base)
    edges = [low, high]
    axes.plot(edges, [100 * (x / 100 - base) for x in edges], color=theme.ink, linewidth=1.2, zorder=1)
    handles = [Line2D([], [], color=theme.ink, linewidth=1.2, label="ideal step: as accurate as what was accepted")]
    if not math.isnan(eta):
        axes.plot(edges, [100 * eta * (x / 100 - base) for x in edges], color=theme.ink, linewidth=1.2, linestyle=":")
        handles.append(
            Line2D([], [], color=theme.ink, linewidth=1.2, linestyle=":", label=f"a step of η = {eta:.2f} (gold arm)")
        )
    handles += [_dot_handle(look, theme) for look in looks]
    gains = [100 * bound for dot in dots for bound in (dot.gain.low, dot.gain.high)] or [0.0]
    margin = 0.12 * max(5.0, max(gains) - min(gains))
    axes.set_ylim(min(0.0, *gains) - margin, max(0.0, *gains) + margin)
    axes.set_xlim(low, high)
    axes.xaxis.set_major_formatter(PercentFormatter(decimals=0, symbol=" %"))
    axes.set_xlabel("reward quality: accepted training samples that the gold calls correct", fontsize=9)
    axes.set_ylabel("gold accuracy gained over the base, points", fontsize=9)
    legend(figure, handles, theme, 3)
    return figure


def _draw_dot(axes: Axes, dot: Dot, theme: Theme, alpha: float) -> None:
    x, y, colour = 100 * dot.precision.value, 100 * dot.gain.value, dot.look.colour(theme)
    axes.plot([100 * dot.precision.low, 100 * dot.precision.high], [y, y], color=colour, linewidth=1, alpha=alpha)
    axes.plot([x, x], [100 * dot.gain.low, 100 * dot.gain.high], color=colour, linewidth=1, alpha=alpha)
    _draw_mark(axes, (x, y), dot.look, dot.iteration, theme)


def _draw_mark(axes: Axes, place: tuple[float, float], look: Look, iteration: int, theme: Theme) -> None:
    """An arm's mark with the iteration's number in it."""
    colour = look.colour(theme)
    face = theme.paper if look.kind == "control" else colour
    axes.plot(*place, marker=look.marker, color=colour, markerfacecolor=face, markersize=11, linewidth=0, zorder=5)
    down = {"^": -1.2, "v": 1.2}.get(look.marker, 0.0)
    axes.annotate(
        str(iteration),
        place,
        (0, down),
        textcoords="offset points",
        ha="center",
        va="center_baseline",
        fontsize=7,
        color=on(face),
        zorder=6,
    )


def law_figure(marks: Sequence[Mark], theme: Theme = LIGHT) -> Figure:
    """Observed against predicted change of log-odds, a mark an arm and iteration; on the line the law is right."""
    figure = Figure(figsize=(5.6, 5.2), layout="constrained", facecolor=theme.paper)
    axes = figure.subplots()
    plain(axes, theme)
    looks = sorted({mark.look for mark in marks}, key=lambda look: (_KINDS.index(look.kind), look.order))
    for mark in marks:
        across, up = mark.predicted, mark.observed
        style = {"color": mark.look.colour(theme), "linewidth": 1, "alpha": 0.5, "zorder": 2}
        axes.plot([across.low, across.high], [up.value, up.value], **style)
        axes.plot([across.value, across.value], [up.low, up.high], **style)
        _draw_mark(axes, (across.value, up.value), mark.look, mark.iteration, theme)
    ends = [x for mark in marks for e in (mark.predicted, mark.observed) for x in (e.low, e.value, e.high)]
    known = [0.0, *(x for x in ends if math.isfinite(x))]
    margin = 0.06 * max(0.5, max(known) - min(known))
    edges = [min(known) - margin, max(known) + margin]
    axes.plot(edges, edges, color=theme.ink, linewidth=1.2, zorder=1)
    axes.axhline(0, color=theme.soft, linewidth=0.8, zorder=1)
    axes.axvline(0, color=theme.soft, linewidth=0.8, zorder=1)
    axes.set_xlim(*edges)
    axes.set_ylim(*edges)
    axes.set_aspect("equal")
    axes.set_xlabel("change of log-odds that the law predicts", fontsize=9)
    axes.set_ylabel("change of log-odds that came", fontsize=9)
    line = Line2D([], [], color=theme.ink, linewidth=1.2, label="as predicted")
    legend(figure, [line, *(_dot_handle(look, theme) for look in looks)], theme, 3)
    return figure


def on(colour: str) -> str:
    """Black or white, whichever is easier to read on a colour (relative luminance, WCAG 2.2)."""
    red, green, blue = ((c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4) for c in to_rgb(colour))
    return "#000000" if 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.179 else "#FFFFFF"


def _dot_handle(look: Look, theme: Theme) -> Line2D:
    colour = look.colour(theme)
    face = theme.paper if look.kind == "control" else colour
    label = short(look.title, 30)
    return Line2D(
        [], [], marker=look.marker, color=colour, markerfacecolor=face, linewidth=0, markersize=7, label=label
    )


def _range(dots: Sequence[Dot], base: float) -> tuple[float, float]:
    """What the horizontal axis shows, in percent: all dots with their intervals, and the base."""
    known = [100 * x for dot in dots for x in (dot.precision.low, dot.precision.high) if not math.isnan(x)]
    known.append(0.0 if math.isnan(base) else 100 * base)
    low, high = min(known), max(known)
    margin = max(2.0, 0.05 * (high - low))
    return low - margin, high + margin


def short(text: str, limit: int) -> str:
    """Text for a picture: no mathematics mode, bounded length."""
    plain = "".join(c if c.isprintable() else "?" for c in text).replace("$", r"\$")
    return plain if len(plain) <= limit else f"{plain[: limit - 1]}…"


def plain(axes: Axes, theme: Theme) -> None:
    """No frame, a quiet grid."""
    axes.set_facecolor(theme.paper)
    axes.grid(color=theme.grid, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(colors=theme.soft, labelsize=8.5, length=0)
    axes.xaxis.label.set_color(theme.soft)
    axes.yaxis.label.set_color(theme.soft)
    for spine in axes.spines.values():
        spine.set_visible(False)


def legend(figure: Figure, handles: Sequence[Artist], theme: Theme, columns: int) -> None:
    """What the marks mean, above the panels."""
    figure.legend(
        handles=list(handles),
        loc="outside upper left",
        ncols=columns,
        frameon=False,
        fontsize=8.5,
        labelcolor=theme.ink,
    )


def svg(figure: Figure) -> bytes:
    """The figure as SVG; the same figure gives the same bytes."""
    buffer = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "restem", "svg.fonttype": "path"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return buffer.getvalue()


def png(figure: Figure) -> bytes:
    """The figure as PNG, 160 dots per inch."""
    buffer = io.BytesIO()
    FigureCanvasAgg(figure)
    figure.savefig(buffer, format="png", dpi=160, metadata={"Software": None})
    return buffer.getvalue()
