"""A run folder becomes report.md, report.html and figures/: the same rows give the same bytes.

Takes a run folder; gives files. What stands on the pages, and in which order, is decided here; `render.py` prints it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from restem.harness.store.store import Store
from restem.reports.analysis import agreement_between_verifiers as between
from restem.reports.analysis import predictions
from restem.reports.analysis.answer import answer
from restem.reports.analysis.curve_shape import long_curves
from restem.reports.analysis.details import Details, details
from restem.reports.analysis.findings import Findings, find
from restem.reports.analysis.plan_check import check_plan, read_plan
from restem.reports.analysis.probe import accepting_attacks, problems_probed, rejecting_answers
from restem.reports.analysis.ranking import Ranking, rank
from restem.reports.analysis.recommendation import advise, most_hacked
from restem.reports.analysis.reward_gap import partings
from restem.reports.analysis.unfinished import missing
from restem.reports.analysis.verifier_quality import measured
from restem.reports.data.read import read_run
from restem.reports.figures.picture import Picture
from restem.reports.pages import explorer, imported
from restem.reports.pages.finding_sentences import (
    answers_rejected,
    attacks_accepted,
    gap_sentences,
    missing_sentence,
    prediction_sentences,
    seed_sentences,
)
from restem.reports.pages.plan import FILE, hold
from restem.reports.pages.render import Report, write_file, write_pages
from restem.reports.pages.sentences import answer_sentences
from restem.reports.tables import agreement, arms, calibration, cost, plan, probe, quality, rewards
from restem.reports.tables.cases import Case, cases
from restem.reports.tables.curve_shape import curve_shapes
from restem.reports.tables.decoding import decoding_sentence
from restem.reports.tables.difficulty import difficulty
from restem.reports.tables.diversity import diversity
from restem.reports.tables.gain_by_quality import gain_by_quality
from restem.reports.tables.over_optimisation import over_optimisation
from restem.reports.tables.pairs import pairs
from restem.reports.tables.prediction import prediction
from restem.reports.tables.price import price
from restem.reports.tables.problem_kinds import by_kind
from restem.reports.tables.provenance import drawn_by, judge_line, origin, other_programs, provenance, unread_references
from restem.reports.tables.quality_over_arms import fits, measures
from restem.reports.tables.seeds import seeds_table
from restem.reports.tables.side_by_side import arms_side_by_side
from restem.reports.tables.strata import by_stratum, parts, rates_by_stratum
from restem.reports.tables.table import Table
from restem.reports.tables.train_test_gap import train_test_gap
from restem.reports.tables.training_data import training_data
from restem.reports.tables.transfer import transfer
from restem.reports.tables.verdict import held, verdict

CHIEF = ("accuracy", "drift", "prediction")  # the figures of the first screen


def write_report(
    run_folder: Path, output: Path | None = None, against: Path | None = None, *, figures: bool = True
) -> Path:
    """Writes report.md, report.html and figures/ from run.db; gives the HTML page's path.

    Args:
        run_folder: Where run.db lies; a run that is unfinished, or still being written, will do.
        output: Folder to write to; the run folder where None.
        against: A plan.json to check the run against; the run folder's own, if it has one, where None.
        figures: Whether to draw them, which takes most of the time.

    Raises:
        ConfigError: The folder holds no run, or `against` is no plan, or one of another base, problems or sampling.
    """
    return written_report(run_folder, output, against, figures=figures)[0]


def written_report(
    run_folder: Path, output: Path | None = None, against: Path | None = None, *, figures: bool = True
) -> tuple[Path, Findings]:
    """The same, with the findings, so that what else is shown of them needs no second look at the rows."""
    beside = run_folder / FILE
    planned = read_plan(against or beside) if against or beside.is_file() else None
    with Store(run_folder) as store:
        run = read_run(store)
        if run.imported:
            composed = imported.compose(store, run, figures=figures)
            return _written(composed, output or run_folder), find(run, brief=True)
        findings = find(run)
        if against and planned:  # the run's own plan may be of an earlier base: the page then says so
            hold(findings.run, planned, against)
        quoted = cases(store, findings)
        opened = most_hacked(advise(findings, rank(findings)))
        explored = explorer.explorer(store, findings.run, [case.row for case in quoted], opened)
    composed = compose(findings, quoted, explored, planned, figures=figures)
    return _written(composed, output or run_folder), findings


def _written(report: Report, folder: Path) -> Path:
    """Writes pages and figures; gives the HTML page's path."""
    for picture in (*report.chief, *report.pictures):
        write_file(folder / "figures" / f"{picture.name}.svg", picture.light)
        write_file(folder / "figures" / f"{picture.name}.png", picture.png)
    return write_pages(report, folder, "report")


def compose(
    findings: Findings,
    quoted: Sequence[Case],
    explored: Mapping[str, Any] | None,
    planned: Mapping[str, Any] | None = None,
    *,
    figures: bool = True,
) -> Report:
    """The report's content, in order."""
    run, ranking = findings.run, rank(findings)
    steps = predictions.predict(findings)
    rated, detailed = between.pairs(run), details(findings, ranking)
    predicted = prediction_sentences(predictions.tally(steps))
    tables = [
        *_arm_tables(findings, ranking, detailed),
        *_verifier_tables(findings, rated, detailed),
        *_data_tables(findings, detailed),
        prediction(steps, " ".join(predicted)),
        *([plan.checked(check_plan(findings, planned))] if planned else []),
        *(seeds_table(findings), arms.picks(findings)),
        *(price(findings), cost.cost(findings), cost.seconds(findings)),
    ]
    advised = verdict(findings, ranking)
    drawn = _pictures(findings, steps, rated, detailed) if figures else ()
    return Report(
        title=f"Reward quality and accuracy gains: {run.suite.get('name', 'a run')}",
        answer=(
            *answer_sentences(answer(findings, ranking)),
            *(*gap_sentences(partings(findings)), *predicted, *seed_sentences(ranking.standings)),
            *attacks_accepted(accepting_attacks(run), problems_probed(run)),
            *answers_rejected(rejecting_answers(run), problems_probed(run)),
            *unread_references(run),
            *filter(None, [decoding_sentence(run)]),
            *drawn_by(run),
            *other_programs(run),
            *origin(run),
        ),
        verdict=advised if advised.rows else None,
        judge=judge_line(run),
        unfinished=tuple(missing_sentence(item) for item in missing(run)),
        first=(
            arms.arms(findings),
            *(
                table
                for table in (arms_side_by_side(findings, ranking), transfer(findings), by_stratum(findings))
                if table.rows
            ),
        ),
        chief=tuple(picture for picture in drawn if picture.name in CHIEF),
        pictures=tuple(picture for picture in drawn if picture.name not in CHIEF),
        others=tuple(table for table in tables if table.rows),
        cases=tuple(quoted),
        provenance=provenance(run),
        explorer=explored,
    )


def _arm_tables(findings: Findings, ranking: Ranking, detailed: Details) -> list[Table]:
    return [
        held(findings, ranking),
        pairs(ranking),
        curve_shapes(long_curves(findings, ranking)),
        arms.curves(findings),
        diversity(detailed.diversities, findings.samples_per_problem),
        rewards.choosing(findings),
        over_optimisation(detailed.curves),
    ]


def _verifier_tables(findings: Findings, rated: Sequence[between.VerifierPair], detailed: Details) -> list[Table]:
    run, rates = findings.run, measured(findings.run)
    graded = detailed.calibrations
    return [
        quality.verifier_quality(run, rates),
        gain_by_quality(detailed.trained),
        fits(detailed.groups),
        measures(detailed.groups),
        quality.steady(run, rates),
        calibration.calibration(graded),
        calibration.reliability(graded),
        calibration.thresholds(graded),
        quality.by_checkpoint(run, rates),
        rewards.corrected(findings),
        rewards.errors(findings),
        agreement.agreement(run, rated),
        agreement.together(run),
        agreement.second_opinion(run),
    ]


def _data_tables(findings: Findings, detailed: Details) -> list[Table]:
    return [
        training_data(findings),
        train_test_gap(findings, detailed.gaps),
        difficulty(detailed.difficulty),
        arms.wrong_steps(findings),
        rates_by_stratum(findings) if parts(findings.run) else by_kind(findings),
        probe.probe(findings.run),
        probe.forms(findings.run),
    ]


def _pictures(
    findings: Findings,
    steps: Sequence[predictions.PredictedStep],
    rated: Sequence[between.VerifierPair],
    detailed: Details,
) -> tuple[Picture, ...]:
    from restem.reports.figures.gallery import pictures  # here, as Matplotlib takes a second to import

    return tuple(pictures(findings, steps, rated, detailed))
