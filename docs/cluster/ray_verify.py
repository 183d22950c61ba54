"""Rows with responses in, rows with verdicts out, by actors of Ray Data.

    python ray_verify.py ROWS OUT VERIFIER [ACTORS]

ROWS are JSON lines as `restem verify --input` takes them (id, question, reference, response, problem_id), or any other
source that Ray Data reads: only the names of the columns matter. It needs `ray[data]` and the light install of
restem-harness. Each actor takes a processor, and reading and writing need one too.
"""

from __future__ import annotations

import sys
from typing import Any

import pandas as pd
import ray  # pyright: ignore[reportMissingImports]

from restem.benchmarks.problem import Problem
from restem.verifiers import Attempt, build, checked
from restem.verifiers.rows import output_row


class Verify:
    """An actor with one verifier, which is built once; give `options` as a table of `[verifiers.NAME]`."""

    def __init__(self, name: str, options: dict[str, Any] | None = None) -> None:
        self.verifier = build(name, {} if options is None else {name: options})

    def __call__(self, batch: pd.DataFrame) -> pd.DataFrame:
        rows = batch.to_dict("records")
        verdicts = checked(self.verifier, [attempt(row) for row in rows])
        name = self.verifier.name
        return pd.DataFrame([output_row(row["id"], name, verdict) for row, verdict in zip(rows, verdicts, strict=True)])


def attempt(row: dict[str, Any]) -> Attempt:
    """What a verifier gets of a row."""
    reference = row.get("reference")
    problem = Problem(
        id=str(row.get("problem_id", row["id"])),
        question=row["question"],
        reference=None if reference is None else str(reference),
        split="test",
        source="ray",
    )
    return Attempt(problem=problem, response=row["response"])


def main(rows: str, out: str, name: str, actors: int = 2) -> None:
    """Verifies the rows; a verifier that compares the samples of a problem gets all of them in one batch."""
    data = ray.data.read_json(rows)
    pool = ray.data.ActorPoolStrategy(size=actors)
    if getattr(build(name), "whole_problem", False):
        judged = data.groupby("problem_id").map_groups(
            Verify, fn_constructor_args=(name,), batch_format="pandas", compute=pool
        )
    else:
        judged = data.map_batches(
            Verify, fn_constructor_args=(name,), batch_size=2048, batch_format="pandas", compute=pool
        )
    judged.write_json(out)


if __name__ == "__main__":
    rows, out, name, *actors = sys.argv[1:]
    main(rows, out, name, int(actors[0]) if actors else 2)
