"""What a run keeps of the file that its problems come from: counts, columns, and what was left out.

Takes a suite; gives the fact `problem_file` of run.db. Its sentences are made by reports/tables/problem_file.py.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from restem.benchmarks.files import SHARES, read_problem_file
from restem.harness.config import Suite


def file_facts(suite: Suite) -> dict[str, Any] | None:
    """How many problems the file has and the run uses; None where the problems come from no file.

    Raises:
        ValueError: The file cannot be read; the message names it and the line.
    """
    config = suite.benchmark
    if config.path is None:
        return None
    file = read_problem_file(Path(config.path), config.named_columns, config.strata)
    there = {split: sum(problem.split == split for problem in file.problems) for split in SHARES}
    named = {"question": file.columns.question, "answer": file.columns.answer}
    return {
        "name": file.name,
        "format": file.format,
        "rows": file.rows,
        "problems": len(file.problems),
        "named_splits": file.named_splits,
        "splits": {split: [min(count, getattr(config, split)), count] for split, count in there.items()},
        "columns": {key: column for key, column in named.items() if column is not None},
        "strata": list(config.strata),
        "unused": list(file.columns.unused),
        "references": dict(sorted(file.references.items())),
        "repeated": len(file.repeated),
        "first_repeated": list(file.repeated[0]) if file.repeated else None,
        "unanswered": len(file.unanswered),
        "first_unanswered": file.unanswered[0] if file.unanswered else None,
    }
