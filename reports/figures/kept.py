"""What became of the samples that were drawn for training, as a figure.

Takes Findings; gives a Drawing with a bar for every arm and iteration.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.patches import Patch

from restem.reports.analysis.findings import Findings, TrainingData
from restem.reports.figures.style import LIGHT, Drawing, Look, Looks, Theme, legend, plain, short


@dataclasses.dataclass(frozen=True, kw_only=True)
class Bar:
    """What became of the samples of one E-step (or of one a replicate), in samples.

    Attributes:
        right: Kept, and correct by the gold.
        wrong: Kept, and wrong by the gold.
        unknown: Kept, and left undecided by the gold.
        left_out: Accepted and left out: duplicates, those over the cap, and the like.
        undecided: The training verifier could not decide.
        rejected: The training verifier calls them wrong.
    """

    look: Look
    iteration: int
    right: int
    wrong: int
    unknown: int
    left_out: int
    undecided: int
    rejected: int

    @property
    def parts(self) -> tuple[int, ...]:
        return self.right, self.wrong, self.unknown, self.left_out, self.undecided, self.rejected


def kept(findings: Findings, looks: Looks) -> Drawing | None:
    """The figure of all E-steps; None where none has samples."""
    bars = bars_of(findings, looks)
    caption = (
        "One bar an arm and iteration (the number beside it): what became of the training samples that were drawn for "
        "it, as shares of them, counted and so without intervals; of an arm with replicates, over all of them. What "
        "the policy was trained on stands on the left, coloured by the gold's verdict. Left out: accepted, but "
        "duplicates, over the cap of a problem, and the like. Right of each bar: samples kept, and the share of them "
        "that the gold calls correct (its interval, clustered by problem, stands in the table of training data)."
    )
    draw = functools.partial(kept_figure, bars)
    return Drawing(name="kept", title="What the policies were trained on", caption=caption, draw=draw) if bars else None


def bars_of(findings: Findings, looks: Looks) -> list[Bar]:
    """What became of every E-step's samples."""
    return [_bar(item, looks[item.arm.name]) for item in findings.data if item.sampled]


def _bar(item: TrainingData, look: Look) -> Bar:
    right = round(item.precision.value * item.precision.n) if item.precision.n else 0
    return Bar(
        look=look,
        iteration=item.iteration,
        right=right,
        wrong=item.precision.n - right,
        unknown=item.kept - item.precision.n,
        left_out=max(0, item.accepted - item.kept),
        undecided=item.undecided,
        rejected=item.sampled - max(item.accepted, item.kept) - item.undecided,  # GRPO may keep rejected ones
    )


def kept_figure(bars: Sequence[Bar], theme: Theme = LIGHT) -> Figure:
    """A bar an arm and iteration: what became of its samples; at its end, how many were kept and how pure they are."""
    figure = Figure(figsize=(8.0, 1.15 + 0.27 * len(bars)), layout="constrained", facecolor=theme.paper)
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
    shown = [place for place in range(len(kinds)) if any(bar.parts[place] for bar in bars)]
    for row, bar in enumerate(bars):
        start, whole = 0.0, max(1, sum(bar.parts))
        for place in shown:
            width, (_, colour, hatch) = 100 * bar.parts[place] / whole, kinds[place]
            axes.barh(row, width, 0.74, start, color=colour, hatch=hatch, edgecolor=theme.paper, linewidth=0)
            start += width
        known, kept = bar.right + bar.wrong, bar.right + bar.wrong + bar.unknown
        pure = f", {100 * bar.right / known:.0f} % correct" if known else ""
        axes.text(101, row, f"{kept} kept{pure}", fontsize=8, color=theme.ink, va="center")
    names = [f"{short(bar.look.title, 30)}  {bar.iteration}" for bar in bars]
    axes.set_yticks(range(len(bars)), names)
    axes.set_ylim(len(bars) - 0.45, -0.55)
    axes.set_xlim(0, 124)
    axes.set_xticks(range(0, 101, 20))
    axes.set_xlabel("% of the samples drawn", fontsize=9)
    keys = [
        Patch(facecolor=colour, hatch=hatch, edgecolor=theme.paper, linewidth=0, label=label)
        for label, colour, hatch in (kinds[place] for place in shown)
    ]
    legend(figure, keys, theme, 3)
    return figure
