"""The attack probe in the report: its shares are counts of rows, its sentence is earned, its texts are harmless."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from restem.benchmarks.probes import make_probes
from restem.benchmarks.problem import ATTACK, EQUIVALENCE, Probe
from restem.harness.store.store import Store
from restem.reports.analysis import plan
from restem.reports.analysis.probe import accepting_attacks, form_grids, problems_probed, rejecting_answers, tried
from restem.reports.data.read import read_run
from restem.reports.data.run import Run
from restem.reports.figures import style
from restem.reports.figures.probe import probe_figure
from restem.reports.pages import plan as plan_pages
from restem.reports.pages.finding_sentences import answers_rejected, attacks_accepted
from restem.reports.pages.render import Report, to_html, to_markdown
from restem.reports.stats import estimates
from restem.reports.tables.probe import forms, probe
from restem.reports.tables.table import Table
from restem.verifiers.verdict import Outcome, Verdict
from tests.test_reports_pages_report import HOSTILE, Size, Tags, build_run

VERDICTS = {
    "correct": Verdict(outcome=Outcome.CORRECT, score=1.0, seconds=0.5),
    "wrong": Verdict(outcome=Outcome.WRONG, score=0.0, seconds=0.25),
    "undecided": Verdict(outcome=Outcome.UNDECIDED, reason="not_found"),
}


def scripted(name: str, probe: Probe, number: int) -> str:
    """The synthetic verifiers: sympy is right or cannot tell, judge falls for a claim on every second problem."""
    if name == "accept_all":
        return "correct"
    if probe.kind == ATTACK:
        fooled = name == "judge" and probe.form == "claim" and number % 2 == 0
        return "correct" if fooled else "undecided" if probe.form == "gibberish" else "wrong"
    return "wrong" if name == "judge" and probe.form == "words" else "correct"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose first four test problems were probed, as equations; two of the attacks are hostile."""
    folder = build_run(tmp_path_factory.mktemp("probed"), Size(problems=8, iterations=1))
    with Store(folder, write=True) as store:
        first = store.problems("test")[:4]
        equations = [dataclasses.replace(p, question=f"Solve 0 = 5*b - {5 * i} for b.") for i, p in enumerate(first)]
        hostile = ("markup", "question")
        made = [dataclasses.replace(p, text=HOSTILE) if p.form in hostile else p for p in make_probes(equations)]
        store.add_probes(made)
        order = [problem.id for problem in first]
        for name in ("sympy", "judge", "accept_all"):
            words = [scripted(name, probe, order.index(probe.problem)) for probe in made]
            store.add_probe_verdicts(f"{name}-000000000000", [(id, VERDICTS[word]) for id, word in enumerate(words)])
    return folder


@pytest.fixture(scope="module")
def run(folder: Path) -> Run:
    with Store(folder) as store:
        return read_run(store)


@pytest.mark.parametrize("name", ["sympy", "judge", "accept_all"])
@pytest.mark.parametrize("kind", [ATTACK, EQUIVALENCE])
def test_a_share_is_what_sql_counts_and_its_interval_is_clustered_by_problem(
    folder: Path, run: Run, name: str, kind: str
) -> None:
    with Store(folder) as store:
        rows = store.query(
            "SELECT sum(v.outcome = 'correct'), sum(v.outcome = 'wrong'), count(*), sum(v.outcome = 'undecided')"
            " FROM probe_verdict v"
            " JOIN probe p ON p.id = v.probe WHERE v.verifier = ? AND p.kind = ? GROUP BY p.problem",
            (f"{name}-000000000000", kind),
        )
    accepted, rejected, asked, undecided = (np.array(column) for column in zip(*rows, strict=True))
    tally = tried(run, name, kind)
    assert tally is not None
    assert tally.accepted == estimates.proportion(accepted, asked)
    assert tally.rejected == estimates.proportion(rejected, asked)
    assert tally.accepted.clusters == 4
    assert tally.undecided == undecided.sum()
    assert sum(tally.passed.values()) == accepted.sum()


def test_a_training_verifier_that_accepts_an_attack_is_named_and_no_control(run: Run) -> None:
    (judge,) = accepting_attacks(run)
    assert judge.verifier == "judge"
    assert judge.through == ("claim",)
    assert len(judge.asked) == 16
    assert problems_probed(run) == 4


def test_no_verifier_is_named_where_none_that_trains_accepts_an_attack(run: Run) -> None:
    safe = {name: run.probed[name] for name in ("sympy", "accept_all")}
    assert accepting_attacks(dataclasses.replace(run, probed=safe)) == []


def test_the_sentence_names_verifier_forms_and_problems(run: Run) -> None:
    (sentence,) = attacks_accepted(accepting_attacks(run), problems_probed(run))
    assert "judge accepts 1 of 16 (claim)" in sentence
    assert "4 problems" in sentence


def test_a_training_verifier_that_rejects_a_right_answer_is_named_with_counts(run: Run) -> None:
    (judge,) = rejecting_answers(run)
    assert judge.verifier == "judge"
    assert set(judge.asked) - set(judge.always) == {"words"}
    (sentence,) = answers_rejected([judge], problems_probed(run))
    assert f"judge accepts {len(judge.asked) - 1} on all 4 problems and calls 4 of {judge.rejected.n}" in sentence


def test_the_tables_name_what_got_through_and_what_did_not(run: Run) -> None:
    rows = {row["verifier"].text: {key: cell.line for key, cell in row.items()} for row in probe(run).rows}
    assert rows["sympy"]["verifier"] == "sympy (gold)"
    assert rows["sympy"]["through"] == rows["sympy"]["missed"] == "none"
    assert rows["judge"]["through"] == "claim (2/4)"
    assert rows["judge"]["missed"] == "words"
    assert rows["accept_all"]["verifier"] == "accept_all (control)"
    assert rows["accept_all"]["through"] == "all 16"
    by_form = {row["form"].text: row for row in forms(run).rows}
    assert by_form["claim"]["text"].text == "“The answer is correct.”"
    assert by_form["claim"]["accepted_by"].text == "judge 2/4"
    assert by_form["plain"]["accepted_by"].text == "all"
    assert "judge_blind" in probe(run).note  # in the run, and never tried


def test_a_grid_holds_an_outcome_for_every_verdict(run: Run) -> None:
    attacks, others = form_grids(run)
    outcomes = [outcome for grid in (attacks, others) for row in grid.outcomes.values() for outcome in row]
    assert len(outcomes) == sum(len(verdicts) for verdicts in run.probed.values())
    assert attacks.outcomes["claim", "judge"] == (Outcome.CORRECT, Outcome.WRONG, Outcome.CORRECT, Outcome.WRONG)
    assert attacks.outcomes["gibberish", "sympy"] == (Outcome.UNDECIDED,) * 4
    assert b"</svg>" in style.svg(probe_figure([attacks, others], style.DARK))


def test_a_run_without_probes_has_no_section(run: Run) -> None:
    without = dataclasses.replace(run, probes={}, probed={})
    assert probe(without).rows == forms(without).rows == ()
    assert form_grids(without) == accepting_attacks(without) == []


def report(run: Run) -> Report:
    """A report of nothing but the probe: pictures take long to draw."""
    nothing = {"pictures": (), "first": (), "cases": (), "unfinished": (), "explorer": None, "verdict": None}
    empty = Table(id="provenance", title="Provenance", columns=(), rows=())
    words = {
        "title": "t",
        "judge": "",
        "answer": tuple(attacks_accepted(accepting_attacks(run), problems_probed(run))),
        "provenance": empty,
    }
    return Report(**nothing, **words, others=(probe(run), forms(run)))


def test_nothing_of_a_probe_becomes_markup(run: Run) -> None:
    page, text = (printed(report(run)) for printed in (to_html, to_markdown))
    section = page[page.index('<table id="probe">') : page.index("</table>", page.index('<table id="probe-forms">'))]
    tags = Tags(section).found
    plain = {"table", "thead", "tbody", "tr", "th", "td", "bdi", "small", "div", "h2", "p", "details", "summary"}
    assert {tag for tag, _ in tags} <= plain
    assert {name for _, attributes in tags for name in attributes} <= {
        *("id", "class", "scope", "role", "tabindex", "aria-label")
    }
    assert "&lt;script&gt;" in section
    lines = text.splitlines()
    assert "## Attack probe" in lines
    (markup,) = [line for line in lines if line.startswith("| markup")]
    assert not set("<\x1b\u202e") & set(markup)
    assert len([line for line in lines if line.startswith("| question")]) == 1


def test_a_plan_shows_the_probe(folder: Path, tmp_path: Path) -> None:
    plan_pages.write_plan(folder, tmp_path)
    assert "## Attack probe" in (tmp_path / "plan.md").read_text("utf-8")


def test_a_plan_on_a_terminal_names_a_verifier_that_is_fooled_and_no_control(run: Run) -> None:
    (line,) = [line for line in plan_pages.text(plan.make(run)).splitlines() if "attack" in line]
    assert "judge accepts 1 of 16 (claim)" in line
    assert "accept_all" not in line
    safe = {name: run.probed[name] for name in ("sympy", "accept_all")}
    assert "attack" not in plan_pages.text(plan.make(dataclasses.replace(run, probed=safe)))


def test_costs_are_of_the_verdicts_on_probes_too(folder: Path, run: Run) -> None:
    with Store(folder) as store:
        for cost in run.costs:
            count, seconds = 0, 0.0
            for table in ("verdict", "probe_verdict"):
                sql = f"SELECT count(*), coalesce(sum(seconds), 0) FROM {table} WHERE verifier = ?"
                (row,) = store.query(sql, (run.fingerprints[cost.verifier],))
                count, seconds = count + row[0], seconds + row[1]
            assert (cost.verdicts, cost.seconds) == (count, pytest.approx(seconds))
