"""How every figure of a report looks, and how it becomes bytes.

Gives colours, the look of each arm of a run, a frame of small multiples, marks and legends, and the bytes of an SVG or
a PNG. Equal figures give equal bytes: text is drawn as paths, identifiers come from a fixed salt, no date is written.
Colours are Okabe and Ito's, which colour-blind readers can tell apart; the gold is in ink, controls are grey with
hollow marks.
"""

from __future__ import annotations

import dataclasses
import io
import math
from collections.abc import Callable, Iterable, Sequence

import matplotlib as mpl
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from restem.reports.data.run import Run
from restem.reports.stats.estimates import Difference, Estimate

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
DARK_PALETTE = ("#4DA3DB", "#F0803C", "#2FC498", "#DE9CC0", "#F0B840", "#7CC7F0")
GREYS = ("#8A8A8A", "#A9A9A9", "#6F6F6F")
KINDS = ("gold", "", "control")  # of arms, in a legend's order
GOLD_MARKERS = ("D", "P", "X", "*")
MARKERS = ("o", "s", "^", "v", "p", "h")
DASHED = (0, (4, 2))


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
        markers = GOLD_MARKERS if self.kind == "gold" else MARKERS
        return markers[self.order % len(markers)]

    @property
    def title(self) -> str:
        return f"{self.name} ({self.kind})" if self.kind else self.name


Looks = dict[str, Look]


def looks_of(run: Run) -> Looks:
    """Arm -> its look; colours are given in the suite's order, those of controls apart."""
    looks: dict[str, Look] = {}
    for arm in run.arms:
        order = sum(look.kind == arm.mark for look in looks.values())
        looks[arm.name] = Look(name=arm.name, kind=arm.mark, order=order)
    return looks


@dataclasses.dataclass(frozen=True, kw_only=True)
class Drawing:
    """A figure that is not drawn yet: its name, title and caption, and what draws it in a theme."""

    name: str
    title: str
    caption: str
    draw: Callable[[Theme], Figure]


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


def draw_band(
    axes: Axes, places: Sequence[int], values: Sequence[Estimate], colour: str, dashes: object, marker: str
) -> None:
    """A line of estimates in percent, with its band."""
    low, high = [100 * e.low for e in values], [100 * e.high for e in values]
    axes.fill_between(places, low, high, color=colour, alpha=0.15, linewidth=0, zorder=2)
    style = {"linestyle": dashes, "marker": marker, "markersize": 4, "linewidth": 1.8, "zorder": 4}
    axes.plot(places, [100 * e.value for e in values], color=colour, **style)


def draw_lines(
    axes: Axes, places: Sequence[float], values: Sequence[Estimate | Difference], look: Look, theme: Theme
) -> None:
    """An arm's line in percent, with a bar from limit to limit at each place."""
    colour = look.colour(theme)
    for place, value in zip(places, values, strict=True):
        limits = [100 * value.low, 100 * value.high]
        axes.plot([place] * 2, limits, color=colour, linewidth=1.2, alpha=0.55, zorder=2)
    style = {"marker": look.marker, "markersize": 6, "linewidth": 1.4, "zorder": 3}
    face = theme.paper if look.kind == "control" else colour
    axes.plot(places, [100 * value.value for value in values], color=colour, markerfacecolor=face, **style)


def draw_mark(axes: Axes, place: tuple[float, float], look: Look, iteration: int, theme: Theme) -> None:
    """An arm's mark, the iteration's number in it."""
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


def draw_crossed(
    axes: Axes,
    across: Estimate,
    up: Estimate | Difference,
    look: Look,
    iteration: int,
    theme: Theme,
    *,
    alpha: float,
    scale: float = 100,
) -> None:
    """An arm's mark with a bar each way, from limit to limit; up in percent, across times `scale`."""
    style = {"color": look.colour(theme), "linewidth": 1, "alpha": alpha, "zorder": 2}
    x, y = scale * across.value, 100 * up.value
    axes.plot([scale * across.low, scale * across.high], [y, y], **style)
    axes.plot([x, x], [100 * up.low, 100 * up.high], **style)
    draw_mark(axes, (x, y), look, iteration, theme)


def mark_handle(look: Look, theme: Theme) -> Line2D:
    """An arm's mark for a legend."""
    colour = look.colour(theme)
    face = theme.paper if look.kind == "control" else colour
    label = short(look.title, 30)
    return Line2D(
        [], [], marker=look.marker, color=colour, markerfacecolor=face, linewidth=0, markersize=7, label=label
    )


def in_legend_order(looks: Iterable[Look]) -> list[Look]:
    """Each look once: the gold, the arms, the controls."""
    return sorted({*looks}, key=lambda look: (KINDS.index(look.kind), look.order))


def on(colour: str) -> str:
    """Black or white: the one that is easier to read on a colour (relative luminance, WCAG 2.2)."""
    red, green, blue = ((c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4) for c in to_rgb(colour))
    return "#000000" if 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.179 else "#FFFFFF"


def short(text: str, limit: int) -> str:
    """Text for a picture: no mathematics mode, bounded length."""
    plain = "".join(c if c.isprintable() else "?" for c in text).replace("$", r"\$")
    return plain if len(plain) <= limit else f"{plain[: limit - 1]}…"


def plain(axes: Axes, theme: Theme) -> None:
    """Axes without a frame, with a light grid."""
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


def lay_out_as(figure: Figure, drawn: Figure) -> None:
    """Puts everything where it stands in a figure that was drawn, which differs in colours alone: layout takes long."""
    figure.set_layout_engine("none")
    for axes, placed in zip(figure.axes, drawn.axes, strict=True):
        axes.set_position(placed.get_position(original=True))
    for text, placed in zip(figure.texts, drawn.texts, strict=True):
        text.set_position(placed.get_position())


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
