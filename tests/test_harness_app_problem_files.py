"""Files in the shapes of GSM8K and MATH, run until base on the embedded policy: what the run and its pages show."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from restem.harness.app.problem_file import file_facts
from restem.harness.config import load_suite
from restem.harness.store.store import Store
from restem.reports.tables.problem_file import file_sentences
from tests.conftest import restem

SETS = Path(__file__).parent / "problem_sets"
SMALL = ("benchmark.train=3", "benchmark.validation=1", "benchmark.test=4", "sampling.train_samples=1")
BOX = "Put the answer into \\boxed{}."


@pytest.fixture(scope="module", params=["gsm8k_shape", "math_shape"])
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path, str]:
    """Name of the suite, run folder, standard error."""
    folder = tmp_path_factory.mktemp("files") / "run"
    settings = [word for change in (*SMALL, "sampling.max_new_tokens=4") for word in ("--set", change)]
    result = restem("run", SETS / f"{request.param}.toml", *settings, "--until", "base", "--out", folder)
    assert result.exit_code == 0, result.output
    return request.param, folder, result.stderr


def test_the_run_keeps_what_was_read_from_the_file(run: tuple[str, Path, str]) -> None:
    name, folder, _ = run
    with Store(folder) as store:
        facts = store.run()["problem_file"]
        used = {split: len(store.problems(split)) for split in ("train", "validation", "test")}
    assert (
        {split: count for split, (count, _) in facts["splits"].items()}
        == used
        == {"train": 3, "validation": 1, "test": 4}
    )
    assert (
        sum(there for _, there in facts["splits"].values())
        == facts["problems"]
        == {"gsm8k_shape": 40, "math_shape": 30}[name]
    )
    assert facts["references"] == {{"gsm8k_shape": "mark", "math_shape": "box"}[name]: facts["problems"]}
    assert [facts[key] for key in ("repeated", "unanswered", "unused")] == [0, 0, []]


def test_what_was_read_is_printed_before_the_run(run: tuple[str, Path, str]) -> None:
    _, folder, stderr = run
    with Store(folder) as store:
        sentences = file_sentences(store.run()["problem_file"])
    assert stderr.splitlines()[: len(sentences)] == sentences


def test_the_policy_gets_the_instruction_and_the_verifiers_the_question_alone(run: tuple[str, Path, str]) -> None:
    _, folder, _ = run
    with Store(folder) as store:
        assert store.run()["suite"]["benchmark"]["instruction"] == BOX
        assert not any("boxed" in problem.question for problem in store.problems("test"))


def test_the_report_names_the_file_and_the_instruction(run: tuple[str, Path, str]) -> None:
    name, folder, _ = run
    assert restem("report", folder).exit_code == 0
    page = (folder / "report.md").read_text("utf-8")
    assert f"{name}.jsonl (JSON lines)" in page
    assert "instruction: Put the answer into" in page


def test_strata_come_from_the_named_columns(run: tuple[str, Path, str]) -> None:
    name, folder, _ = run
    with Store(folder) as store:
        names = {tuple(sorted(problem.strata)) for problem in store.problems("test")}
    assert names == {("level", "type") if name == "math_shape" else ()}


def suite(folder: Path, *rows: dict[str, object], more: str = "") -> Path:
    (folder / "set.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    head = f'name = "x"\n{more}\n[benchmark]\nname = "file"\npath = "set.jsonl"\n'
    (folder / "x.toml").write_text(head + '[[arms]]\nname = "a"\nverifier = "sympy"\n')
    return folder / "x.toml"


SPLITS = ("train", "validation", "test")


def test_prompts_that_do_not_fit_are_counted_before_any_sampling(tmp_path: Path) -> None:
    questions = [
        {"question": f"{split}: " + "1 + 1? " * n, "answer": 2, "split": split} for n in (1, 90) for split in SPLITS
    ]
    result = restem("run", suite(tmp_path, *questions), "--out", tmp_path / "run", "--quiet")
    assert result.exit_code == 2
    assert "3 of 6 problems do not fit" in result.stderr
    assert not (tmp_path / "run").exists()


def test_a_misspelt_column_of_answers_is_named_before_the_gold_refuses(tmp_path: Path) -> None:
    path = suite(tmp_path, *({"question": f"{split}?", "anwser": "7", "split": split} for split in SPLITS))
    result = restem("run", path, "--out", tmp_path / "run")
    assert result.exit_code == 2
    assert "'anwser'" in result.stderr
    assert "did you mean 'answer'" in result.stderr


def test_a_split_without_problems_names_the_remedy(tmp_path: Path) -> None:
    result = restem(
        "run", suite(tmp_path, {"question": "1?", "answer": 1, "split": "train"}), "--out", tmp_path / "run"
    )
    assert result.exit_code == 2
    assert '"split": "validation"' in result.stderr


def test_the_cap_of_the_training_problems_is_named(tmp_path: Path) -> None:
    path = suite(tmp_path, *({"question": f"{n}?", "answer": n} for n in range(900)))
    facts = file_facts(load_suite(str(path)))
    assert facts is not None
    assert facts["splits"]["train"][0] == 256 < facts["splits"]["train"][1]
    assert "(the first 256 are used: benchmark.train)" in file_sentences(facts)[0]


def test_generated_problems_come_from_no_file() -> None:
    assert file_facts(load_suite("linear_1d")) is None


def test_verify_names_unused_fields_and_missing_references_once(tmp_path: Path) -> None:
    rows = [{"id": n, "question": "1 + 1?", "response": "2", "gold": "2"} for n in range(3)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    result = restem("verify", "--verifier", "exact", "--input", tmp_path / "rows.jsonl")
    assert result.exit_code == 0
    assert result.stderr.count("fields that are not used: gold") == 1
    assert "3 of 3 rows have no reference, the first rows.jsonl:1; is it in 'gold'?" in result.stderr
