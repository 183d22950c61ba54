"""Gold accuracy and each arm's own reward over iterations, as a figure.

Takes Findings; gives a Drawing of small multiples, one arm each.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from restem.reports.analysis.findings import Findings, Standing
from restem.reports.figures.style import DASHED, LIGHT, Drawing, Look, Looks, Theme, legend, multiples, name_panel
from restem.reports.stats.estimates import Estimate


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


def accuracy(findings: Findings, looks: Looks) -> Drawing | None:
    """The figure of all arms; None where nothing was measured."""
    panels = [_panel(findings, name, look) for name, look in looks.items()]
    panels = [panel for panel in panels if panel.iterations]
    caption = (
        f"Accuracy by {findings.run.gold} on the test split (solid; 95 % bands clustered by problem, of these "
        "seeds) and the mean reward of each arm's own training verifier on the same samples (dashed). The other arms "
        "stand behind in grey. Dashed above solid: the verifier is too generous. The gap moves with accuracy even "
        "where TPR and FPR stay: whether they did is told by the error rates further down."
    )
    draw = functools.partial(accuracy_figure, panels)
    title = "Accuracy and reward over iterations"
    return Drawing(name="accuracy", title=title, caption=caption, draw=draw) if panels else None


def _panel(findings: Findings, name: str, look: Look) -> Panel:
    chain = [s for (arm, _), s in sorted(findings.standings.items()) if arm == name]
    return Panel(
        look=look,
        iterations=tuple(s.iteration for s in chain),
        accuracy=tuple(s.accuracy for s in chain),
        reward=tuple(s.reward for s in chain),
        replicates=_replicates(chain),
    )


def _replicates(chain: Sequence[Standing]) -> tuple[tuple[float, ...], ...]:
    """Accuracy over iterations of each replicate by itself."""
    names = dict.fromkeys(seed.arm.name for s in chain for seed in s.replicates if seed.arm)
    measured = [{seed.arm.name: seed.accuracy.value for seed in s.replicates if seed.arm} for s in chain]
    return tuple(tuple(values.get(name, math.nan) for values in measured) for name in names)


def accuracy_figure(panels: Sequence[Panel], theme: Theme = LIGHT) -> Figure:
    """Small multiples, one arm each, on shared axes; the other arms are behind it in grey."""
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
        Line2D([], [], color=theme.ink, linewidth=1.5, linestyle=DASHED, label="training verifier's own reward"),
    ]
    if len(panels) > 1:
        handles.append(Line2D([], [], color=theme.soft, linewidth=0.9, alpha=0.35, label="the other arms"))
    several = next((panel.look for panel in reversed(panels) if panel.replicates), None)
    if several:  # in a colour, as thin and grey is what the other arms are
        colour = theme.palette[several.order % 6]
        handles.append(Line2D([], [], color=colour, linewidth=0.8, alpha=0.55, label="each seed by itself, in colour"))
    legend(figure, handles, theme, min(columns, 2))
    return figure


def _draw_panel(axes: Axes, panel: Panel, theme: Theme) -> None:
    colour = panel.look.colour(theme)
    low, high = [100 * e.low for e in panel.accuracy], [100 * e.high for e in panel.accuracy]
    axes.fill_between(panel.iterations, low, high, color=colour, alpha=0.18, linewidth=0, zorder=2)
    for seed in panel.replicates:
        axes.plot(panel.iterations, [100 * value for value in seed], color=colour, alpha=0.55, linewidth=0.8, zorder=3)
    values = [100 * e.value for e in panel.accuracy]
    axes.plot(panel.iterations, values, color=colour, linewidth=2, marker="o", markersize=4, zorder=4)
    rewards = [100 * e.value for e in panel.reward]
    axes.plot(panel.iterations, rewards, color=colour, linewidth=1.5, linestyle=DASHED, zorder=3)
    name_panel(axes, panel.look.title, theme)
