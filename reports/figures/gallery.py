"""A run's pictures, each with its caption: what it shows, and what its intervals are clustered by.

Takes Findings and the law's steps; gives Pictures, drawn in both themes. A picture that has nothing to show is left
out. How they are drawn: `restem.reports.figures.drawing` and `restem.reports.figures.diagnostics`.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.figure import Figure

from restem.harness.names import BASE
from restem.reports.analysis.findings import TEST, Findings, Standing, TrainingData, confusion
from restem.reports.analysis.predictions import Step
from restem.reports.analysis.probe import form_grids
from restem.reports.analysis.raters import Pair
from restem.reports.data.run import Arm, Run
from restem.reports.figures import diagnostics, drawing
from restem.reports.figures.diagnostics import Drift, Fate, Reach, Square
from restem.reports.figures.drawing import DARK, LIGHT, Dot, Look, Mark, Panel, Theme
from restem.reports.figures.probe import probe_figure
from restem.reports.stats import estimates
from restem.reports.stats.estimates import Estimate, Ints
from restem.reports.stats.reward_quality import FALSE_ACCEPT, FALSE_REJECT, TRUE_ACCEPT, TRUE_REJECT

Looks = dict[str, Look]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Picture:
    """A figure as files and for the page in both themes."""

    name: str
    title: str
    caption: str
    light: bytes
    dark: bytes
    png: bytes


def pictures(findings: Findings, eta: Estimate, steps: Sequence[Step], pairs: Sequence[Pair]) -> list[Picture]:
    """All pictures that the run has something for, in the page's order."""
    looks = looks_of(findings)
    drawn = (
        *(_accuracy(findings, looks), _quality(findings, looks, eta), _law(steps, looks), _drift(findings, looks)),
        *(_reach(findings, looks), _kept(findings, looks), _agreement(pairs)),
        _probe(findings.run),
    )
    return [picture for picture in drawn if picture]


def _accuracy(findings: Findings, looks: Looks) -> Picture | None:
    panels = [_panel(findings, name, look) for name, look in looks.items()]
    panels = [panel for panel in panels if panel.iterations]
    caption = (
        f"Accuracy by {findings.run.gold} on the test split (solid; 95 % bands clustered by problem, of these "
        "seeds) and the mean reward of each arm's own training verifier on the same samples (dashed). The other arms "
        "stand behind in grey. Dashed above solid: the verifier is too generous. The gap moves with accuracy even "
        "where TPR and FPR stay: whether they did is told by the error rates further down."
    )
    draw = functools.partial(drawing.accuracy_figure, panels)
    return _picture("accuracy", "Accuracy and reward over iterations", caption, draw) if panels else None


def _quality(findings: Findings, looks: Looks, eta: Estimate) -> Picture | None:
    dots = _dots(findings, looks)
    base = findings.base.accuracy.value if findings.base else math.nan
    caption = (
        "One mark an arm and iteration (the number in it). Across: the share of the samples its verifier accepted "
        "that the gold calls correct. Up: gold accuracy gained over the base, paired by problem. Bars: 95 %, clustered "
        "by problem. Solid line: an ideal step, which makes the policy as accurate as what was accepted (F1). Dotted: "
        "a step from the base of the size that the gold arm makes (F3). Hollow marks are control arms."
    )
    draw = functools.partial(drawing.quality_figure, dots, base, eta.value)
    return _picture("quality", "Reward quality and accuracy gain", caption, draw) if dots else None


def _law(steps: Sequence[Step], looks: Looks) -> Picture | None:
    marks = _marks(steps, looks)
    caption = (
        "One mark an arm and iteration (the number in it): the change of the log-odds of gold accuracy from the policy "
        "that training started from. Across: predicted from TPR and FPR on the training samples, with η from the gold "
        "arm (F3). Up: what was measured on the test split. Bars: 95 %, clustered by problem. Above the line the arm "
        "gained more than predicted. The gold arm lies near the line because η was fitted on it."
    )
    draw = functools.partial(drawing.law_figure, marks)
    return _picture("law", "The law and what came", caption, draw) if marks else None


def _drift(findings: Findings, looks: Looks) -> Picture | None:
    found = drifts(findings, looks)
    caption = (
        "Errors of each arm's training verifier, by the gold, on the test samples of the arm's own policies: of the "
        "wrong ones, the share it accepts (FPR, solid), and of the correct ones, the share it rejects (FNR, dashed); "
        "95 % bands clustered by problem, of these seeds. Grey: the same verifier on the other arms' policies, where "
        "it was asked about them. FPR that rises here and not in grey: the policy has learnt what its verifier lets "
        "pass. FPR that rises in both: the wrong answers that are left are the harder ones to tell. The bands widen "
        "as wrong samples become few. The gold and control arms have no such rates to drift."
    )
    draw = functools.partial(diagnostics.drift_figure, found)
    return _picture("drift", "Error rates of the training verifiers over iterations", caption, draw) if found else None


def drifts(findings: Findings, looks: Looks) -> list[Drift]:
    """The error rates of every training verifier that carries information and is not the gold."""
    informed = [arm for arm in findings.run.arms if not arm.gold and not arm.control]
    return [drift for arm in informed if (drift := _drift_of(findings.run, arm, looks[arm.name]))]


def _drift_of(run: Run, arm: Arm, look: Look) -> Drift | None:
    """The verifier's rates on its own chain, and pooled over the other arms'; None where no step was measured."""
    verifiers = [replica.verifier for replica in run.replicates(arm)]
    own = {i: _errors(run, [(id, verifiers[n]) for id, n in ids]) for i, ids in _chain(run, arm).items()}
    own = {iteration: table for iteration, table in own.items() if table.any()}
    if len(own) < 2:
        return None
    others = [_chain(run, other) for other in run.arms if other != arm]
    apart = {i: [(id, verifiers[n]) for chain in others for id, n in chain.get(i, ())] for i in own if i}
    elsewhere = {0: own[0]} if 0 in own else {}
    elsewhere |= {iteration: _errors(run, asked) for iteration, asked in apart.items()}
    rates = {i: _rates(table) for i, table in own.items()}
    return Drift(
        look=look,
        iterations=tuple(own),
        fpr=tuple(fpr for fpr, _ in rates.values()),
        fnr=tuple(fnr for _, fnr in rates.values()),
        elsewhere=tuple((fpr.value, fnr.value) for fpr, fnr in (_rates(elsewhere[i]) for i in own)),
    )


def _chain(run: Run, arm: Arm) -> dict[int, list[tuple[str, int]]]:
    """Iteration -> checkpoints of the arm, each with its replicate's number; the base is 0."""
    found = {0: [(BASE, number) for number, _ in enumerate(run.replicates(arm))]}
    for number, replica in enumerate(run.replicates(arm)):
        for checkpoint in run.chain(replica.name):
            found.setdefault(checkpoint.iteration, []).append((checkpoint.id, number))
    return found


def _errors(run: Run, asked: Sequence[tuple[str, str]]) -> Ints:
    """Confusion per problem, summed over checkpoints, each by its verifier."""
    tables = [confusion(run, run.rows(checkpoint, TEST), TEST, verifier) for checkpoint, verifier in asked]
    return np.sum([np.zeros((run.size(TEST), 4), np.int64), *tables], axis=0)


def _rates(table: Ints) -> tuple[Estimate, Estimate]:
    """FPR and FNR."""
    wrong = table[:, FALSE_ACCEPT] + table[:, TRUE_REJECT]
    correct = table[:, TRUE_ACCEPT] + table[:, FALSE_REJECT]
    return estimates.rate(table[:, FALSE_ACCEPT], wrong), estimates.rate(table[:, FALSE_REJECT], correct)


def _reach(findings: Findings, looks: Looks) -> Picture | None:
    base, lasts = findings.base, [findings.last(arm) for arm in findings.run.arms]
    found = [
        Reach(look=looks[last.arm.name], iteration=last.iteration, before=base.passed, after=last.passed)
        for last in lasts
        if base and last and last.arm and len(last.passed) > 1
    ]
    caption = (
        "The chance that at least one of k samples of a problem is correct by the gold (unbiased, arXiv:2107.03374): "
        "before training (grey, dashed) and after each arm's last iteration (solid). Bands: 95 %, clustered by "
        "problem. Higher on the left alone: training made the policy surer of what it could already do. Lower on the "
        "right: it lost solutions that it once found. Higher throughout: it solves problems that it did not."
    )
    draw = functools.partial(diagnostics.reach_figure, found)
    return _picture("passes", "pass@k before and after", caption, draw) if found else None


def _kept(findings: Findings, looks: Looks) -> Picture | None:
    found = fates(findings, looks)
    caption = (
        "One bar an arm and iteration (the number beside it): what became of the training samples that were drawn for "
        "it, as shares of them, counted and so without intervals; of an arm with replicates, over all of them. What "
        "the policy was trained on stands on the left, told apart by the gold. Left out: accepted, but duplicates, "
        "over the cap of a problem, and the like. Right of each bar: samples kept, and the share of them that the "
        "gold calls correct (its interval, clustered by problem, stands in the table of training data)."
    )
    draw = functools.partial(diagnostics.kept_figure, found)
    return _picture("kept", "What the policies were trained on", caption, draw) if found else None


def fates(findings: Findings, looks: Looks) -> list[Fate]:
    """What became of every E-step's samples."""
    return [_fate(item, looks[item.arm.name]) for item in findings.data if item.sampled]


def _fate(item: TrainingData, look: Look) -> Fate:
    right = round(item.precision.value * item.precision.n) if item.precision.n else 0
    undecided, rejected = item.dropped.get("undecided", 0), item.dropped.get("wrong", 0)
    return Fate(
        look=look,
        iteration=item.iteration,
        right=right,
        wrong=item.precision.n - right,
        unknown=item.kept - item.precision.n,
        spared=item.sampled - item.kept - undecided - rejected,
        undecided=undecided,
        rejected=rejected,
    )


def _agreement(pairs: Sequence[Pair]) -> Picture | None:
    found = squares(pairs)
    caption = (
        "Every pair of verifiers on the test samples of all checkpoints that both decided. Large, and by colour: "
        "Gwet's AC1, agreement beyond chance. Small: the share of samples on which both say the same. Blue: they "
        "agree; no colour: as by chance; orange: they contradict each other. Verifiers that agree with each "
        "other and not with the gold share their errors. Intervals, clustered by problem, stand in the table of "
        "agreement."
    )
    draw = functools.partial(diagnostics.agreement_figure, found)
    return _picture("agreement", "Agreement between verifiers, at a glance", caption, draw) if found else None


def squares(pairs: Sequence[Pair]) -> list[Square]:
    """Every pair of verifiers."""
    return [
        Square(left=pair.left, right=pair.right, ac1=pair.agreement.ac1.value, raw=pair.agreement.raw.value)
        for pair in pairs
    ]


def _probe(run: Run) -> Picture | None:
    grids = form_grids(run)
    caption = (
        "What each verifier says of responses that no policy wrote: above, attacks, none of which is a right answer; "
        "below, right answers in other forms. A cell a form, in it a place a problem: filled where the response is "
        "accepted, grey where it is left undecided, empty where it is rejected. A good verifier has nothing filled "
        "above and all below. Counted, and so without intervals; shares with intervals, and the texts, stand in the "
        "tables of the attack probe."
    )
    draw = functools.partial(probe_figure, grids)
    return _picture("probe", "Attack probe, at a glance", caption, draw) if grids else None


def _picture(name: str, title: str, caption: str, draw: Callable[[Theme], Figure]) -> Picture:
    light = draw(LIGHT)
    return Picture(
        name=name,
        title=title,
        caption=caption,
        light=drawing.svg(light),
        dark=drawing.svg(draw(DARK)),
        png=drawing.png(light),
    )


def looks_of(findings: Findings) -> Looks:
    """Arm -> its look; colours are given in the suite's order, apart for controls."""
    looks: dict[str, Look] = {}
    for arm in findings.run.arms:
        order = sum(look.kind == arm.mark for look in looks.values())
        looks[arm.name] = Look(name=arm.name, kind=arm.mark, order=order)
    return looks


def _panel(findings: Findings, name: str, look: Look) -> Panel:
    own = [s for (arm, _), s in sorted(findings.standings.items()) if arm == name]
    return Panel(
        look=look,
        iterations=tuple(s.iteration for s in own),
        accuracy=tuple(s.accuracy for s in own),
        reward=tuple(s.reward for s in own),
        replicates=_replicates(own),
    )


def _replicates(own: Sequence[Standing]) -> tuple[tuple[float, ...], ...]:
    """Accuracy over iterations of each replicate by itself."""
    names = dict.fromkeys(one.arm.name for s in own for one in s.replicates if one.arm)
    found = [{one.arm.name: one.accuracy.value for one in s.replicates if one.arm} for s in own]
    return tuple(tuple(values.get(name, math.nan) for values in found) for name in names)


def _marks(steps: Sequence[Step], looks: Looks) -> list[Mark]:
    """The steps that can be drawn: both changes are known and finite."""
    return [
        Mark(
            look=looks[step.arm],
            iteration=step.iteration,
            predicted=step.change.predicted,
            observed=step.change.observed,
        )
        for step in steps
        if math.isfinite(step.change.predicted.value) and math.isfinite(step.change.observed.value)
    ]


def _dots(findings: Findings, looks: Looks) -> list[Dot]:
    dots: list[Dot] = []
    for item in findings.data:
        standing = findings.standings.get((item.arm.name, item.iteration))
        if standing and standing.gain and item.accepted_precision.n:
            dots.append(
                Dot(
                    look=looks[item.arm.name],
                    iteration=item.iteration,
                    precision=item.accepted_precision,
                    gain=standing.gain,
                )
            )
    return dots
