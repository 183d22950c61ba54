"""How far every two verifiers agree, as a figure.

Takes pairs of verifiers; gives a Drawing with a square for every pair.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Sequence

from matplotlib.colors import LinearSegmentedColormap, to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from restem.reports.analysis.agreement_between_verifiers import VerifierPair
from restem.reports.figures.style import LIGHT, Drawing, Theme, legend, on, plain, short
from restem.reports.stats.reward_quality import Agreement


@dataclasses.dataclass(frozen=True, kw_only=True)
class Square:
    """Two verifiers: how far their verdicts go together, and the share of samples on which they are equal.

    Attributes:
        together: MCC; Cohen's kappa where MCC is undefined, as one of them never varies.
    """

    left: str
    right: str
    together: float
    raw: float


def agreement(pairs: Sequence[VerifierPair]) -> Drawing | None:
    """The figure of all pairs; None where there is none."""
    squares = squares_of(pairs)
    caption = (
        "Every pair of verifiers but the controls, on the test samples of all checkpoints together that both decided. "
        "Large, and by colour: MCC, the correlation of their verdicts (Cohen's kappa where one of the two never "
        "varies). Small: the share of samples with equal verdicts. Blue: they agree; no colour: as by chance; orange: "
        "they contradict each other. Verifiers that agree with each other and not with the gold share their errors. "
        "Intervals, clustered by problem, stand in the table of agreement."
    )
    draw = functools.partial(agreement_figure, squares)
    title = "Agreement between verifiers at a glance, all checkpoints together"
    return Drawing(name="agreement", title=title, caption=caption, draw=draw) if squares else None


def squares_of(pairs: Sequence[VerifierPair]) -> list[Square]:
    """Every pair of verifiers."""
    return [
        Square(left=pair.left, right=pair.right, together=_together(pair.agreement), raw=pair.agreement.raw.value)
        for pair in pairs
    ]


def _together(agreement: Agreement) -> float:
    return agreement.kappa.value if math.isnan(agreement.mcc.value) else agreement.mcc.value


def agreement_figure(squares: Sequence[Square], theme: Theme = LIGHT) -> Figure:
    """A square for every pair of verifiers: MCC by colour and number, the share of equal verdicts below it."""
    names = list(dict.fromkeys(name for square in squares for name in (square.left, square.right)))
    size = len(names) - 1
    figure = Figure(figsize=(2.2 + 0.72 * size, 1.3 + 0.56 * size), layout="constrained", facecolor=theme.paper)
    axes = figure.subplots()
    plain(axes, theme)
    axes.grid(False)
    colours = LinearSegmentedColormap.from_list("agreement", [theme.palette[1], theme.paper, theme.palette[0]])
    for square in squares:
        across, down = names.index(square.left), names.index(square.right) - 1
        unknown = math.isnan(square.together)
        face = theme.paper if unknown else to_hex(colours((1 + square.together) / 2))
        axes.add_patch(Rectangle((across - 0.47, down - 0.46), 0.94, 0.92, facecolor=face, edgecolor=theme.grid))
        if not math.isnan(square.raw):
            ink = on(face)
            text = "–" if unknown else f"{square.together:.2f}".replace("-", "−")
            axes.text(across, down - 0.12, text, fontsize=9, color=ink, ha="center", va="center")
            axes.text(
                across, down + 0.24, f"{100 * square.raw:.0f} %", fontsize=6.5, color=ink, ha="center", va="center"
            )
    axes.set_xlim(-0.5, size - 0.5)
    axes.set_ylim(size - 0.5, -0.5)
    axes.set_xticks(range(size), [short(name, 22) for name in names[:-1]], rotation=30, ha="right")
    axes.set_yticks(range(size), [short(name, 22) for name in names[1:]])
    shades = ((1.0, "MCC 1: always equal"), (0.0, "0: as by chance"), (-1.0, "−1: always opposite"))
    keys = [
        Patch(facecolor=colours((1 + value) / 2), edgecolor=theme.grid, label=label)
        for value, label in shades[: 3 if any(square.together < 0 for square in squares) else 2]
    ]
    legend(figure, keys, theme, len(keys) if size > 4 else 1)
    return figure
