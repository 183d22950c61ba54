"""A run whose gold cannot read all references: refused before any sampling, unless the suite accepts it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from restem.benchmarks.problem import Problem
from restem.harness.app.references import check_references, unread_facts, unreadable
from restem.harness.config import load_suite, parse_suite
from restem.harness.errors import ConfigError
from restem.harness.store.store import Store
from restem.verifiers.exact.sympy_exact import Sympy
from tests.conftest import SMALL_SUITE, restem

CODE = "__import__('os').system('x')"  # no reference that any reader of mathematics will ever read
SPLITS = {"train": 4, "validation": 2, "test": 3}
SUITE = (
    SMALL_SUITE.replace("train = 24", "train = 4")
    .replace("validation = 8", "validation = 2")
    .replace("test = 16", "test = 3")
    .replace("regime = [3.0, 4.5]", 'name = "file"\npath = "problems.jsonl"')
)


class Half(Sympy):
    """A foreign verifier that reads only even numbers."""

    name = fingerprint = "half"

    def unreadable_references(self, problems: Sequence[Problem]) -> list[tuple[Problem, str]]:
        return [(problem, "odd") for problem in problems if int(problem.reference or 1) % 2]


def write_suite(folder: Path, answers: dict[int, object] | None = None) -> Path:
    """A suite beside its problems; some have these answers, by number, in place of the right one."""
    numbered = [(number, split) for split, count in SPLITS.items() for number in range(count)]
    lines = [
        {
            "id": f"p{place}",
            "question": f"Solve {place + 2}*x = {2 * place + 4} for x.",
            "answer": (answers or {}).get(place, "2"),
            "split": split,
        }
        for place, (_, split) in enumerate(numbered)
    ]
    (folder / "problems.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / "small.toml").write_text(SUITE)
    return folder / "small.toml"


def problem(reference: str | None, id: str = "p") -> Problem:
    return Problem(id=id, question="What is it?", reference=reference, split="test", source="file:1")


def suite(**settings: object):
    arms = [{"name": "exact", "verifier": "exact"}]
    return parse_suite({"name": "s", "arms": arms, **settings}, "s.toml")


def test_a_run_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    path = write_suite(tmp_path, dict.fromkeys((0, 1, 4, 7, 8), CODE))
    result = restem("run", path, "--out", tmp_path / "run")
    assert result.exit_code == 2
    assert "4 of 9" in result.stderr
    assert [f"p{number} (problems.jsonl:{number + 1})" in result.stderr for number in (0, 1, 4, 7)] == [True] * 3 + [
        False
    ]
    assert CODE in result.stderr
    assert "--accept-unreadable" in result.stderr
    assert not (tmp_path / "run").exists()


def test_one_readable_form_of_several_is_enough(tmp_path: Path) -> None:
    loaded = load_suite(str(write_suite(tmp_path, {0: [CODE, "2"]})))
    assert check_references(loaded, {"train": loaded.benchmark.definition.problems(0, None, SPLITS)["train"]}) == []


@pytest.fixture(scope="module")
def accepted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("accepted")
    path = write_suite(folder, {0: CODE, 8: CODE})
    result = restem("run", path, "--accept-unreadable", "--until", "base", "--out", folder / "run")
    assert result.exit_code == 0, result.output
    assert "2 of 9" in result.stderr
    return folder


def test_an_accepted_run_keeps_the_count(accepted: Path) -> None:
    with Store(accepted / "run") as store:
        facts = store.run()
    assert facts["suite"]["accept_unreadable"] is True
    assert facts["unreadable_references"]["splits"] == {"train": [1, 4], "validation": [0, 2], "test": [1, 3]}
    assert [id for id, _ in facts["unreadable_references"]["first"]] == ["p0", "p8"]


def test_an_accepted_runs_report_and_screen_count_the_references(accepted: Path) -> None:
    assert restem("report", accepted / "run", "--output", accepted / "report").exit_code == 0
    screen = restem("show", accepted / "run").output
    for text in ((accepted / "report" / "report.md").read_text(), " ".join(screen.split())):
        assert "1 of 3 test problems, 1 of 4 train problems" in text


def test_the_standings_and_the_summary_of_an_accepted_run_count_them_for_programs(accepted: Path) -> None:
    standings = json.loads(restem("show", accepted / "run", "--json").stdout)
    assert standings["unreadable_references"]["splits"]["test"] == [1, 3]
    (summary,) = json.loads(restem("verify", accepted / "run", "--verifier", "sympy", "--json").stdout)["verifiers"]
    assert {first["id"] for first in summary["unreadable_references"]["first"]} == {"p0", "p8"}


def test_an_accepted_run_resumes_without_the_flag(accepted: Path) -> None:
    result = restem("run", accepted / "small.toml", "--until", "base", "--out", accepted / "run", "--quiet")
    assert result.exit_code == 0, result.output


def test_a_run_without_unreadable_references_has_no_count(finished_run: Path) -> None:
    with Store(finished_run) as store:
        assert "unreadable_references" not in store.run()


def test_the_key_of_the_suite_accepts_too() -> None:
    problems = {"test": [problem(CODE)]}
    with pytest.raises(ConfigError, match="0 of 1"):
        check_references(suite(), problems)
    assert [reason for _, reason in check_references(suite(accept_unreadable=True), problems)] != []
    assert check_references(suite(), problems, begun=True) != []


def test_another_gold_may_read_all() -> None:
    assert check_references(suite(gold="exact"), {"test": [problem(CODE)]}) == []


@pytest.mark.parametrize("gold", ["judge", "cascade"])  # the default cascade ends in a judge
def test_a_judge_reads_every_text_and_needs_no_server_for_that(gold: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    assert unreadable(gold, {}, [problem(CODE)]) == []


def test_a_foreign_gold_is_asked_when_it_is_built(tmp_path: Path) -> None:
    gold = f"gold={__name__}:Half"
    result = restem("run", write_suite(tmp_path, {3: "3"}), "--set", gold, "--out", tmp_path / "run")
    assert result.exit_code == 2
    assert "p3 (problems.jsonl:4)" in result.stderr
    assert "odd" in result.stderr
    assert not (tmp_path / "run").exists()


def test_the_facts_count_by_split() -> None:
    good, bad = problem("1", "good"), problem(CODE, "bad")
    assert unread_facts([(bad, "syntax")], {"train": [good], "test": [good, bad]}) == {
        "splits": {"train": [0, 1], "test": [1, 2]},
        "first": [["bad", "syntax"]],
    }
