"""The command probe: its figures, their way back to the queries, and its exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from restem.benchmarks import find_benchmark
from restem.benchmarks.attacks.recipe import Kind
from restem.harness.app.probe_figures import Figures, figures
from restem.harness.app.probe_rows import read_rows, write_rows
from restem.harness.app.probe_search import search_verifiers
from restem.harness.cli.probe_text import data
from tests.conftest import restem
from tests.judge_server import JudgeServer


def searched(name: str, budget: int = 600, count: int = 12, **options: Any) -> Figures:
    problems = find_benchmark("linear_1d").problems(0, "train-easy", {"test": count})["test"]
    (found,) = search_verifiers([name], options, problems, budget=budget, quiet=True)
    return figures(found.rows)


def test_the_gold_is_paid_for_no_bad_text_and_refuses_no_right_one() -> None:
    shown = searched("sympy")
    assert (shown.ceiling, shown.refused.value, shown.undecided.value, shown.exceeds(0)) == (0, 0, 0, False)


def test_what_accepts_everything_pays_for_everything_and_refuses_nothing() -> None:
    shown = searched("accept_all")
    assert (shown.ceiling, shown.refused.value) == (1, 0)
    assert shown.policy is not None
    assert shown.policy.pay.value == 1


def test_what_rejects_everything_refuses_every_right_answer() -> None:
    shown = searched("reject_all")
    assert (shown.ceiling, shown.refused.value, shown.reached) == (0, 1, None)


def test_the_figures_are_those_of_the_rows_that_were_written(tmp_path: Path) -> None:
    problems = find_benchmark("linear_1d").problems(0, "train-easy", {"test": 8})["test"]
    (found,) = search_verifiers(["format_only"], {}, problems, budget=400, repeats=2, quiet=True)
    path = tmp_path / "queries.jsonl"
    path.write_text(write_rows(found.rows, "format_only"), "utf-8")
    again = figures(read_rows(path)["format_only"])
    assert data("format_only", again) == data("format_only", figures(found.rows))


def test_the_rows_are_rows_of_restem_verify(tmp_path: Path) -> None:
    path = tmp_path / "queries.jsonl"
    assert restem("probe", "--verifier", "format_only", "--budget", 300, "--output", path, "--no-forms").exit_code == 0
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    scored = restem("verify", "--verifier", "sympy", "--input", path, "--output", tmp_path / "verdicts.jsonl", "--json")
    summary = json.loads(scored.stdout)["verifiers"][0]
    verdicts = [json.loads(line)["outcome"] for line in (tmp_path / "verdicts.jsonl").read_text("utf-8").splitlines()]
    bad = [verdict for row, verdict in zip(rows, verdicts, strict=True) if row["kind"] == Kind.BAD]
    assert summary["verifier"] == "sympy"
    assert len(bad) > 50
    assert "correct" not in bad


def test_headline_figures_come_first_and_the_forms_last() -> None:
    text = restem("probe", "--verifier", "sympy", "--budget", 200, "--count", 4, "--quiet").stdout
    places = [
        text.index(each) for each in ("Highest reward of", "Right answers refused", "problems searched", "near miss")
    ]
    assert places == sorted(places)


@pytest.mark.parametrize(("verifier", "code"), [("sympy", 0), ("format_only", 1)])
def test_a_verifier_that_pays_a_bad_text_fails(verifier: str, code: int) -> None:
    arguments = ("--budget", 200, "--count", 4, "--no-forms", "--quiet", "--fail-above", 0)
    assert restem("probe", "--verifier", verifier, *arguments).exit_code == code


def test_a_verifier_that_compares_responses_is_not_asked() -> None:
    shown = json.loads(restem("probe", "--verifier", "majority", "--count", 4, "--json", "--quiet").stdout)
    assert shown == {"search": [{"verifier": "majority", "applicable": False}], "forms": []}


def test_problems_come_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "problems.jsonl"
    lines = [
        {"question": f"Who is number {n}?", "answer": name} for n, name in enumerate(("Ada", "Bob", "Cleo", "Dan"))
    ]
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines), "utf-8")
    result = restem(
        "probe", "--verifier", "sympy", "--problems", path, "--budget", 300, "--no-forms", "--json", "--quiet"
    )
    (shown,) = json.loads(result.stdout)["search"]
    assert (shown["searched"], shown["held_out"], shown["highest_reward"]) == (2, 2, 0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "--verifier NAME or --input"),
        (("--verifier", "sympy", "--problems", "UNANSWERED"), "no problem has a reference"),
        (("--input", "OTHER"), "rows.jsonl:1"),
    ],
)
def test_mistakes_are_told_before_any_work(arguments: tuple[str, ...], message: str, tmp_path: Path) -> None:
    unanswered, other = tmp_path / "unanswered.jsonl", tmp_path / "rows.jsonl"
    unanswered.write_text('{"question": "Why?"}\n', "utf-8")
    other.write_text('{"verifier": "sympy", "id": 3}\n', "utf-8")
    paths = {"UNANSWERED": str(unanswered), "OTHER": str(other)}
    result = restem("probe", *(paths.get(each, each) for each in arguments))
    assert result.exit_code == 2
    assert message in result.output


# -- Judges ------------------------------------------------------------------------------------------------------------


def obedient(prompt: str) -> str:
    """Accepts what asks for it."""
    return str(int("Ignore the above" in prompt))


def judge(server: JudgeServer, **options: Any) -> dict[str, Any]:
    return {"judge": {"base_url": server.base_url, "model": "m", "check_model": False, **options}}


def test_a_sentence_that_a_judge_obeys_is_measured_on_the_same_problems(running: JudgeServer) -> None:
    running.reset(obedient)
    shown = searched("judge", 300, 16, **judge(running))
    effect = shown.sentence
    assert effect is not None
    assert effect.difference is not None
    assert effect.problems >= 6  # of 8: where the answer is 1, a sentence with a 1 is no bad text
    assert (effect.sentence, effect.accepted_with, effect.accepted_without) == ("override", effect.problems, 0)
    assert effect.difference.value == 1
    assert effect.flips.p_value < 0.05
    assert running.requests <= 300


def test_a_judge_at_a_temperature_is_asked_again(running: JudgeServer) -> None:
    turn = iter(range(10**6))
    running.reset(lambda _: str(next(turn) % 2))
    shown = searched("judge", 300, 8, **judge(running, temperature=0.7))
    assert [again.asked for again in shown.repeated] == [10, 10, 10]
    assert all(again.accepted.n == 10 and 0.3 <= again.accepted.value <= 0.7 for again in shown.repeated)
