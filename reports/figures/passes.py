"""pass@k before and after training, as a figure.

Takes Findings; gives a Drawing of small multiples, one arm each.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, NullLocator

from restem.reports.analysis.findings import Findings
from restem.reports.figures.style import (
    DASHED,
    LIGHT,
    Drawing,
    Look,
    Looks,
    Theme,
    draw_band,
    legend,
    multiples,
    name_panel,
)
from restem.reports.stats.estimates import Estimate


@dataclasses.dataclass(frozen=True, kw_only=True)
class Passes:
    """pass@k of the base and of an arm's last checkpoint."""

    look: Look
    iteration: int
    before: Mapping[int, Estimate]
    after: Mapping[int, Estimate]


def passes(findings: Findings, looks: Looks) -> Drawing | None:
    """The figure of all arms; None where each problem has one sample."""
    base, lasts = findings.base, [findings.last(arm) for arm in findings.run.arms]
    each = [
        Passes(look=looks[last.arm.name], iteration=last.iteration, before=base.passed, after=last.passed)
        for last in lasts
        if base and last and last.arm and len(last.passed) > 1
    ]
    caption = (
        "The chance that at least one of k samples of a problem is correct by the gold (unbiased, arXiv:2107.03374): "
        "before training (grey, dashed) and after each arm's last iteration (solid). Bands: 95 %, clustered by "
        "problem. Higher on the left alone: training made the policy surer of what it could already do. Lower on the "
        "right: it lost solutions that it once found. Higher throughout: it solves problems that it did not."
    )
    draw = functools.partial(passes_figure, each)
    return Drawing(name="passes", title="pass@k before and after", caption=caption, draw=draw) if each else None


def passes_figure(each: Sequence[Passes], theme: Theme = LIGHT) -> Figure:
    """Small multiples, one arm each: pass@k of its last checkpoint, and of the base in grey."""
    figure, grid, columns = multiples(len(each), theme)
    for axes, arm in zip(grid, each, strict=True):
        draw_band(axes, tuple(arm.before), tuple(arm.before.values()), theme.soft, DASHED, "s")
        draw_band(axes, tuple(arm.after), tuple(arm.after.values()), arm.look.colour(theme), "-", "o")
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_locator(FixedLocator(list(arm.after)))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(lambda k, _: f"{k:g}")
        name_panel(axes, arm.look.title, theme)
    figure.supxlabel("k, samples of a problem", fontsize=9, color=theme.soft)
    figure.supylabel("pass@k, % of test problems", fontsize=9, color=theme.soft)
    style = {"linewidth": 1.8, "markersize": 4}
    handles = [
        Line2D([], [], color=theme.ink, marker="o", label="after the last iteration, 95 % by problem", **style),
        Line2D([], [], color=theme.soft, marker="s", linestyle=DASHED, label="base", **style),
    ]
    legend(figure, handles, theme, min(columns, 2))
    return figure
