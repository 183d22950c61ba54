"""All figures of a report, in the page's order, drawn in both themes.

Takes Findings with their details, the predictor's steps and the pairs of verifiers; gives Pictures. A figure
without anything to show is left out.
"""

from __future__ import annotations

from collections.abc import Sequence

from restem.reports.analysis.agreement_between_verifiers import VerifierPair
from restem.reports.analysis.details import Details
from restem.reports.analysis.findings import Findings
from restem.reports.analysis.predictions import PredictedStep
from restem.reports.figures.accuracy import accuracy
from restem.reports.figures.agreement import agreement
from restem.reports.figures.calibration import calibration
from restem.reports.figures.difficulty import difficulty
from restem.reports.figures.diversity import diversity
from restem.reports.figures.drift import drift
from restem.reports.figures.gain import gain
from restem.reports.figures.kept import kept
from restem.reports.figures.over_optimisation import over_optimisation
from restem.reports.figures.passes import passes
from restem.reports.figures.picture import Picture
from restem.reports.figures.prediction import prediction
from restem.reports.figures.probe import probe
from restem.reports.figures.quality import quality
from restem.reports.figures.quality_over_arms import quality_over_arms
from restem.reports.figures.style import DARK, LIGHT, Drawing, lay_out_as, looks_of, png, svg
from restem.reports.figures.sweep import sweep
from restem.reports.figures.train_test_gap import train_test_gap


def drawings(
    findings: Findings,
    steps: Sequence[PredictedStep],
    pairs: Sequence[VerifierPair],
    details: Details,
) -> list[Drawing]:
    """All figures that the run has something for, in the page's order, not drawn yet."""
    looks = looks_of(findings.run)
    figures = (
        accuracy(findings, looks),
        quality(findings, looks, steps),
        gain(details.trained, looks),
        *(quality_over_arms(group, looks, number) for number, group in enumerate(details.groups, 1)),
        sweep(details.swept),
        prediction(steps, looks),
        drift(findings, looks),
        passes(findings, looks),
        diversity(details.diversities, looks),
        over_optimisation(details.curves, looks),
        train_test_gap(details.gaps, looks),
        kept(findings, looks),
        difficulty(details.difficulty, looks),
        agreement(pairs),
        calibration(details.calibrations),
        probe(findings.run),
    )
    return [drawing for drawing in figures if drawing]


def pictures(
    findings: Findings,
    steps: Sequence[PredictedStep],
    pairs: Sequence[VerifierPair],
    details: Details,
) -> list[Picture]:
    """The same, drawn."""
    return [drawn(drawing) for drawing in drawings(findings, steps, pairs, details)]


def drawn(drawing: Drawing) -> Picture:
    """A drawing in both themes, as bytes."""
    light, dark = drawing.draw(LIGHT), drawing.draw(DARK)
    light_svg = svg(light)
    lay_out_as(dark, light)
    return Picture(
        name=drawing.name,
        title=drawing.title,
        caption=drawing.caption,
        light=light_svg,
        dark=svg(dark),
        png=png(light),
    )
