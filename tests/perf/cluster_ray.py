"""Whether Ray Data's actors give the verdicts of one process: docs/cluster/ray_verify.py on real Ray, two actors.

Run by name with a Python that has `ray[data]` and the light install of restem-harness:

    PYTHONPATH=docs/cluster python tests/perf/cluster_ray.py [ROWS]

Prints the numbers of verdicts that are equal. Leaves nothing behind.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import ray
import ray_verify

from restem.verifiers import build, checked
from restem.verifiers.rows import output_row, read_rows

VERIFIERS = ("sympy", "majority")
ACTORS, SAMPLES = 2, 4


def written(folder: Path, count: int) -> Path:
    """A file of rows: four responses to each problem, of which the first is right."""
    rows = [
        {
            "id": SAMPLES * number + index,
            "problem_id": f"p{number}",
            "question": f"Solve 2*x = {2 * number} for x.",
            "reference": str(number),
            "response": f"So x = {number + index // 2}.",
        }
        for number in range(count // SAMPLES)
        for index in range(SAMPLES)
    ]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder / "rows.jsonl"


def outcomes(rows: list[dict]) -> dict[int, tuple]:
    return {row["id"]: (row["outcome"], row["reward"], row["answer"] or None) for row in rows}


def main(count: int = 10_000) -> None:
    ray.init(num_cpus=ACTORS + 2, include_dashboard=False)  # of a machine with fewer: this is no measurement
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file = written(folder, count)
        rows = read_rows(file)
        for verifier in VERIFIERS:
            ray_verify.main(str(file), str(folder / verifier), verifier, ACTORS)
            lines = [line for part in sorted((folder / verifier).iterdir()) for line in part.open()]
            alone = checked(build(verifier), rows.attempts)
            expected = outcomes([output_row(id, verifier, v) for id, v in zip(rows.ids, alone, strict=True)])
            there = outcomes([json.loads(line) for line in lines])
            equal = sum(there.get(id) == outcome for id, outcome in expected.items())
            print(f"{verifier}: {equal} of {len(expected)} verdicts equal those of one process, {len(there)} in all")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
