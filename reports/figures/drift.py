"""Error rates of the training verifiers over iterations, as a figure.

Takes Findings; gives a Drawing of small multiples, one arm each.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from restem.harness.names import BASE
from restem.reports.analysis.findings import TEST, Findings, confusion
from restem.reports.data.run import Arm, Run
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
from restem.reports.stats import estimates
from restem.reports.stats.estimates import Estimate, Ints
from restem.reports.stats.reward_quality import FALSE_ACCEPT, FALSE_REJECT, TRUE_ACCEPT, TRUE_REJECT


@dataclasses.dataclass(frozen=True, kw_only=True)
class Drift:
    """An arm's training verifier over iterations: its errors on the arm's own samples, and on the other arms'.

    Attributes:
        elsewhere: FPR and FNR on the other arms' samples of that iteration; NaN where it has not judged any.
    """

    look: Look
    iterations: tuple[int, ...]
    fpr: tuple[Estimate, ...]
    fnr: tuple[Estimate, ...]
    elsewhere: tuple[tuple[float, float], ...]


def drift(findings: Findings, looks: Looks) -> Drawing | None:
    """The figure of all training verifiers; None where no verifier has rates to drift."""
    drifts = drifts_of(findings, looks)
    caption = (
        "Errors of each arm's training verifier, by the gold, on the test samples of the arm's own policies: of the "
        "wrong ones, the share it accepts (FPR, solid), and of the correct ones, the share it rejects (FNR, dashed); "
        "95 % bands clustered by problem, of these seeds. Grey: the same verifier on the other arms' policies, where "
        "it was asked about them. FPR that rises here and not in grey: the policy has learnt what its verifier lets "
        "pass. FPR that rises in both: the wrong answers that are left are the harder ones to tell. The bands widen "
        "as wrong samples become few. The gold and control arms have no such rates to drift."
    )
    draw = functools.partial(drift_figure, drifts)
    title = "Error rates of the training verifiers over iterations"
    return Drawing(name="drift", title=title, caption=caption, draw=draw) if drifts else None


def drifts_of(findings: Findings, looks: Looks) -> list[Drift]:
    """The error rates of every training verifier that carries information and is not the gold."""
    informed = [arm for arm in findings.run.arms if not arm.gold and not arm.control]
    return [drift for arm in informed if (drift := _drift_of(findings.run, arm, looks[arm.name]))]


def _drift_of(run: Run, arm: Arm, look: Look) -> Drift | None:
    """The verifier's rates on its own chain, and pooled over the other arms'; None where no step was measured."""
    verifiers = [replica.verifier for replica in run.replicates(arm)]
    here = {i: _errors(run, [(id, verifiers[n]) for id, n in ids]) for i, ids in _chain(run, arm).items()}
    here = {iteration: table for iteration, table in here.items() if table.any()}
    if len(here) < 2:
        return None
    others = [_chain(run, other) for other in run.arms if other != arm]
    apart = {i: [(id, verifiers[n]) for chain in others for id, n in chain.get(i, ())] for i in here if i}
    elsewhere = {0: here[0]} if 0 in here else {}
    elsewhere |= {iteration: _errors(run, asked) for iteration, asked in apart.items()}
    rates = {i: _rates(table) for i, table in here.items()}
    return Drift(
        look=look,
        iterations=tuple(here),
        fpr=tuple(fpr for fpr, _ in rates.values()),
        fnr=tuple(fnr for _, fnr in rates.values()),
        elsewhere=tuple((fpr.value, fnr.value) for fpr, fnr in (_rates(elsewhere[i]) for i in here)),
    )


def _chain(run: Run, arm: Arm) -> dict[int, list[tuple[str, int]]]:
    """Iteration -> checkpoints of the arm, each with its replicate's number; the base is 0."""
    chain = {0: [(BASE, number) for number, _ in enumerate(run.replicates(arm))]}
    for number, replica in enumerate(run.replicates(arm)):
        for checkpoint in run.chain(replica.name):
            chain.setdefault(checkpoint.iteration, []).append((checkpoint.id, number))
    return chain


def _errors(run: Run, asked: Sequence[tuple[str, str]]) -> Ints:
    """Confusion per problem, summed over checkpoints, each by its verifier."""
    tables = [confusion(run, run.rows(checkpoint, TEST), TEST, verifier) for checkpoint, verifier in asked]
    return np.sum([np.zeros((run.size(TEST), 4), np.int64), *tables], axis=0)


def _rates(table: Ints) -> tuple[Estimate, Estimate]:
    """FPR and FNR."""
    wrong = table[:, FALSE_ACCEPT] + table[:, TRUE_REJECT]
    correct = table[:, TRUE_ACCEPT] + table[:, FALSE_REJECT]
    return estimates.proportion(table[:, FALSE_ACCEPT], wrong), estimates.proportion(table[:, FALSE_REJECT], correct)


def drift_figure(drifts: Sequence[Drift], theme: Theme = LIGHT) -> Figure:
    """Small multiples, one arm each: false accepts solid, false rejects dashed, the same verifier elsewhere in grey."""
    figure, grid, columns = multiples(len(drifts), theme)
    for axes, drift in zip(grid, drifts, strict=True):
        colour, style = drift.look.colour(theme), {"color": theme.soft, "alpha": 0.7, "linewidth": 1, "zorder": 1}
        for place, dashes in enumerate(("-", DASHED)):
            values = [100 * rates[place] for rates in drift.elsewhere]
            axes.plot(drift.iterations, values, linestyle=dashes, **style)
        draw_band(axes, drift.iterations, drift.fpr, colour, "-", "o")
        draw_band(axes, drift.iterations, drift.fnr, colour, DASHED, "s")
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
