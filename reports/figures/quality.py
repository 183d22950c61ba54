"""Reward quality against accuracy gain, as a figure: does training on better texts gain more?

Takes Findings; gives a Drawing with a mark for every arm and iteration.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import PercentFormatter

from restem.reports.analysis.findings import Findings
from restem.reports.analysis.predictions import PredictedStep
from restem.reports.figures.style import (
    LIGHT,
    Drawing,
    Look,
    Looks,
    Theme,
    draw_crossed,
    in_legend_order,
    legend,
    mark_handle,
    plain,
)
from restem.reports.stats import predictor
from restem.reports.stats.estimates import Difference, Estimate

CROWDED = 12  # marks; with more of them the bars are fainter


@dataclasses.dataclass(frozen=True, kw_only=True)
class Dot:
    """One M-step: precision of what it was trained on, and the gold accuracy gained over the base."""

    look: Look
    iteration: int
    precision: Estimate
    gain: Difference


def quality(findings: Findings, looks: Looks, steps: Sequence[PredictedStep]) -> Drawing | None:
    """The figure of all M-steps; None where none has data that the gold has judged.

    Args:
        steps: Of the predictor: the precision of the base's distinct texts, where its curve crosses 0.
    """
    dots = _dots(findings, looks)
    base = findings.base.accuracy.value if findings.base else math.nan
    distinct = steps[0].distinct.value if steps else math.nan
    caption = (
        "One mark an arm and iteration (the number in it). Across: the share of the texts it was trained on that the "
        "gold calls correct. Up: gold accuracy gained over the base, paired by problem. Bars: 95 %, clustered by "
        "problem. Line: the predictor, from the base's accuracy and the precision of its distinct texts, where the "
        "line crosses 0; nothing is fitted on this run. Hollow marks are control arms."
    )
    draw = functools.partial(quality_figure, dots, base, distinct)
    title = "Reward quality and accuracy gain"
    return Drawing(name="quality", title=title, caption=caption, draw=draw) if dots else None


def _dots(findings: Findings, looks: Looks) -> list[Dot]:
    dots: list[Dot] = []
    for item in findings.data:
        standing = findings.standings.get((item.arm.name, item.iteration))
        if standing and standing.gain and item.precision.n:
            dots.append(
                Dot(
                    look=looks[item.arm.name],
                    iteration=item.iteration,
                    precision=item.precision,
                    gain=standing.gain,
                )
            )
    return dots


def quality_figure(dots: Sequence[Dot], base: float, distinct: float, theme: Theme = LIGHT) -> Figure:
    """A dot for every arm and iteration, and the predictor's curve."""
    figure = Figure(figsize=(7.0, 4.9), layout="constrained", facecolor=theme.paper)
    axes = figure.subplots()
    plain(axes, theme)
    axes.axhline(0, color=theme.soft, linewidth=0.8, zorder=1)
    looks = in_legend_order(dot.look for dot in dots)
    for look in looks:
        of_arm = [dot for dot in dots if dot.look == look]
        places = [100 * dot.precision.value for dot in of_arm], [100 * dot.gain.value for dot in of_arm]
        axes.plot(*places, color=look.colour(theme), linewidth=1, alpha=0.3, zorder=2)
    for dot in dots:
        alpha = 0.3 if len(dots) > CROWDED else 0.6
        draw_crossed(axes, dot.precision, dot.gain, dot.look, dot.iteration, theme, alpha=alpha)
    low, high = _range(dots, distinct)
    handles: list[Line2D] = []
    if math.isfinite(base) and math.isfinite(distinct):
        across = np.linspace(max(low, 0.0), min(high, 100.0), 100)
        up = predictor.moved(base, predictor.gain(across / 100, distinct)) - base
        axes.plot(across, 100 * up, color=theme.ink, linewidth=1.2, zorder=1)
        handles.append(Line2D([], [], color=theme.ink, linewidth=1.2, label="predicted"))
    handles += [mark_handle(look, theme) for look in looks]
    gains = [100 * bound for dot in dots for bound in (dot.gain.low, dot.gain.high)] or [0.0]
    margin = 0.12 * max(5.0, max(gains) - min(gains))
    axes.set_ylim(min(0.0, *gains) - margin, max(0.0, *gains) + margin)
    axes.set_xlim(low, high)
    axes.xaxis.set_major_formatter(PercentFormatter(decimals=0, symbol=" %"))
    axes.set_xlabel("reward quality: texts trained on that the gold calls correct", fontsize=9)
    axes.set_ylabel("gold accuracy gained over the base, points", fontsize=9)
    legend(figure, handles, theme, 3)
    return figure


def _range(dots: Sequence[Dot], distinct: float) -> tuple[float, float]:
    """What the horizontal axis shows, in percent: all dots with their intervals, and the base's distinct texts."""
    known = [100 * x for dot in dots for x in (dot.precision.low, dot.precision.high) if not math.isnan(x)]
    known.append(0.0 if math.isnan(distinct) else 100 * distinct)
    low, high = min(known), max(known)
    margin = max(2.0, 0.05 * (high - low))
    return low - margin, high + margin
