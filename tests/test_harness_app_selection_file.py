"""`restem export RUN --selection`: the file holds what the M-step trained on, and nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from restem.benchmarks.problem import Problem
from restem.harness.store import selected
from restem.harness.store.records import Sample, Selected, Selection
from restem.harness.store.store import Store
from tests.conftest import restem

ROOT = Path(__file__).parents[1]
PROBLEMS = [
    Problem(id=f"p{n}", question=f"Solve x = {n} for x.", reference=str(n), split="train", source="test")
    for n in range(3)
]
WEIGHTS = {"usual": (1.0, 0.25, 0.0), "against": (1.0, -0.5, 0.0), "by_advantage": (0.7, -0.7, 0.0)}


def samples(checkpoint: str) -> list[Sample]:
    return [
        Sample(
            checkpoint=checkpoint,
            problem=problem.id,
            index=index,
            text=f"x = é{index}",
            token_count=2,
            mean_logprob=-0.5,
            finish_reason="stop",
            token_ids=(300 + index, 1),
        )
        for problem in PROBLEMS
        for index in range(3)
    ]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of three arms with two iterations each, whose prompts have an instruction."""
    folder = tmp_path_factory.mktemp("selection") / "run"
    arms = [{"name": name, "algorithm": "grpo" if name == "by_advantage" else "em"} for name in WEIGHTS]
    with Store(folder, write=True) as store:
        store.put_run({"suite": {"arms": arms, "benchmark": {"instruction": "Answer alone."}}})
        store.add_problems(PROBLEMS)
        store.add_samples(samples("base"))
        for name, weights in WEIGHTS.items():
            store.add_samples(samples(f"{name}/1"))
            for iteration, drawn in enumerate((samples("base"), samples(f"{name}/1")), 1):
                rows = [
                    Selected(sample=s.id, weight=weights[s.index], dropped_by=None if weights[s.index] else "wrong")
                    for s in drawn
                ]
                store.add_selection(Selection(checkpoint=f"{name}/{iteration}", rows=tuple(rows)))
    return folder


def exported(run: Path, output: Path, *options: object) -> list[dict[str, Any]]:
    result = restem("export", run, "--selection", "--output", output, *options)
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in output.read_text("ascii").splitlines()]


@pytest.mark.parametrize(("iteration", "sampled_from"), [(1, "base"), (2, "usual/1")])
def test_every_kept_response_is_one_line_with_its_question_weight_and_ids(
    run: Path, tmp_path: Path, iteration: int, sampled_from: str
) -> None:
    rows = exported(run, tmp_path / "kept.jsonl", "--arm", "usual", "--iteration", iteration)
    kept = sorted((s for s in samples(sampled_from) if s.index < 2), key=lambda sample: sample.id)
    questions = {problem.id: problem.question for problem in PROBLEMS}
    for row, sample in zip(rows, kept, strict=True):
        asked = {"role": "user", "content": f"{questions[sample.problem]}\nAnswer alone."}
        answered = {"role": "assistant", "content": sample.text}
        assert row == {
            "messages": [asked, answered],
            "prompt": [asked],
            "completion": [answered],
            "weight": WEIGHTS["usual"][sample.index],
            "problem": sample.problem,
            "index": sample.index,
            "sampled_from": sampled_from,
            "checkpoint": f"usual/{iteration}",
            "completion_ids": list(sample.token_ids or ()),
        }


def test_pages_of_the_selection_make_one_file(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = exported(run, tmp_path / "whole.jsonl", "--arm", "usual")
    monkeypatch.setattr(selected, "_PAGE", 4)
    assert exported(run, tmp_path / "paged.jsonl", "--arm", "usual") == whole


def test_without_an_iteration_it_is_the_last_one(run: Path, tmp_path: Path) -> None:
    last = exported(run, tmp_path / "last.jsonl", "--arm", "usual")
    assert last == exported(run, tmp_path / "second.jsonl", "--arm", "usual", "--iteration", 2)


def test_rejected_responses_are_left_out_and_told(run: Path, tmp_path: Path) -> None:
    output = tmp_path / "kept.jsonl"
    result = restem("export", run, "--selection", "--arm", "against", "--output", output)
    assert [json.loads(line)["weight"] for line in output.read_text().splitlines()] == [1.0] * 3
    assert "left out: 3 rejected responses" in result.stderr


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ([], "several arms; give --arm, one of against, by_advantage, usual"),
        (["--arm", "usually"], "expected one of against, by_advantage, usual"),
        (["--arm", "usual", "--iteration", 3], "a selection of: 1, 2"),
        (["--arm", "by_advantage"], "trained by GRPO"),
        (["--arm", "usual", "--dtype", "bfloat16"], "--to and --dtype go with a policy"),
    ],
)
def test_a_mistake_is_one_line_with_what_there_is(run: Path, tmp_path: Path, options: list[Any], named: str) -> None:
    result = restem("export", run, "--selection", "--output", tmp_path / "kept.jsonl", *options)
    assert (result.exit_code, named in result.output, result.output.count("\n")) == (2, True, 1)
    assert list(tmp_path.iterdir()) == []


def test_an_imported_run_has_selected_nothing(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"question": "1 + 1?", "response": "2", "reference": "2"}\n')
    assert restem("import", tmp_path / "rows.jsonl", "--out", tmp_path / "run").exit_code == 0
    result = restem("export", tmp_path / "run", "--selection", "--output", tmp_path / "kept.jsonl")
    assert (result.exit_code, "no E-step of this run" in result.output) == (2, True)


def test_arms_of_a_policy_are_a_mistake(tmp_path: Path) -> None:
    result = restem("export", "tiny", "--arm", "sympy", "--output", tmp_path / "hf")
    assert (result.exit_code, "--arm and --iteration go with --selection" in result.output) == (2, True)


def test_no_jax_and_no_sentencepiece_is_imported(run: Path, tmp_path: Path) -> None:
    program = (
        "import sys; from restem.harness.cli.main import main\n"
        f"main(['export', {str(run)!r}, '--selection', '--arm', 'usual', '--output', {str(tmp_path / 'k')!r}],"
        " standalone_mode=False)\n"
        "assert not {'jax', 'sentencepiece', 'gemma', 'numpy'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT)
    assert (tmp_path / "k").read_text()
