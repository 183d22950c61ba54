"""Rows of other people's trainers, made for tests: rollouts whose right answer is known, as JSON lines and imports.

Takes nothing; gives rows, files and imported runs. `EXAMPLE` are the samples of a committed run of ours, written as a
trainer would dump them, so that an imported run can be held against the report of the run that they come from.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from restem.harness.cli.main import main

EXAMPLE = Path(__file__).parents[1] / "reports" / "examples" / "dose_response"
MAP = "question=input,reference=gts,response=output,step=step,index=k,split=split"
VALUE = {"correct": 1.0, "wrong": 0.0, "undecided": None}
Row = dict[str, Any]


def dumped(arm: str, verifiers: Sequence[str]) -> list[Row]:
    """The samples of the example's base and of one arm as rows, the verifiers' verdicts as recorded rewards.

    A reward that a verifier did not give has no field.
    """
    db = sqlite3.connect(f"{(EXAMPLE / 'run.db').as_uri()}?mode=ro", uri=True)
    names = json.loads(db.execute("SELECT value FROM run WHERE key = 'verifiers'").fetchone()[0])
    rows: list[Row] = []
    for step, checkpoint in enumerate(("base", f"{arm}/1", f"{arm}/2")):
        stored = db.execute(
            "SELECT s.id, s.idx, s.text, p.question, p.reference, p.split FROM sample s JOIN problem p"
            " ON p.id = s.problem WHERE s.checkpoint = ? ORDER BY p.split, p.position, s.idx",
            (checkpoint,),
        )
        for sample, k, text, question, reference, split in stored.fetchall():
            given = dict(db.execute("SELECT verifier, outcome FROM verdict WHERE sample = ?", (sample,)))
            row: Row = {"input": question, "output": text, "gts": reference, "step": step, "k": k, "split": split}
            row |= {name: VALUE[given[names[name]]] for name in verifiers if names[name] in given}
            rows.append(row)
    db.close()
    return rows


def hacked(steps: int = 6, problems: int = 60) -> list[Row]:
    """Rollouts of a policy that learns from step 3 on to write what its reward wrongly accepts.

    Four responses a problem: two right ones at every step. Of the two wrong ones, the reward accepts those that say
    "certainly"; no problem has such a response before step 3, a third of them has one more at each step from there on.
    """
    return [row for step in range(steps) for problem in range(problems) for row in _of_problem(step, problem)]


def _of_problem(step: int, problem: int) -> Iterator[Row]:
    fooled = min(2, max(0, step - 2)) if problem % 3 < step - 2 else 0
    for k in range(4):
        right = k < 2
        answer = problem + 7 if right else problem + 8 + k
        says = "x is certainly" if not right and k - 2 < fooled else "x ="
        accepted = float(right or k - 2 < fooled)
        row = {"input": f"Solve x = {problem} + 7 for x.", "output": f"{says} {answer}", "gts": str(problem + 7)}
        yield {**row, "step": step, "k": k, "split": "train", "reward": accepted}


def without(rows: Sequence[Row], *fields: str) -> list[Row]:
    """The rows without these fields."""
    return [{key: value for key, value in row.items() if key not in fields} for row in rows]


def write_rows(rows: Sequence[Mapping[str, Any]], path: Path) -> Path:
    """The rows as a file of JSON lines."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def import_rows(rows: Sequence[Mapping[str, Any]], folder: Path, rewards: Mapping[str, str], *options: str) -> Path:
    """A run folder with the imported rows.

    Args:
        rewards: Name of a reward -> the rows' field.
        options: Further options of `restem import`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file = write_rows(rows, folder / "rows.jsonl")
    fields = {key for row in rows for key in row}
    columns = [pair for pair in MAP.split(",") if pair.partition("=")[2] in fields]
    columns += [f"reward.{name}={field}" for name, field in rewards.items()]
    arguments = ["import", str(file), "--out", str(folder / "run"), "--map", ",".join(columns), "--quiet", *options]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    return folder / "run"
