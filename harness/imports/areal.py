"""AReaL's dumps of trajectories, `VERSION/TASK.jsonl` -> rollouts.

inclusionAI/AReaL:areal/infra/workflow_executor.py (`_dump_trajectory`): `prompt` and `completion` as decoded text with
its special tokens, `reward`, `head_version` and `tail_version` (the oldest and the newest policy that wrote a token),
`seqlen`, `prompt_len`. There is no reference: `--references` adds one.
"""

from __future__ import annotations

from collections.abc import Iterator

from restem.benchmarks.json_lines import JsonLine
from restem.harness.imports.cells import question_of, response_of, reward, whole_number
from restem.harness.imports.format import Format, by_row
from restem.harness.imports.rollout import Imported, Rollout
from restem.harness.imports.sources import Source

NAME = "areal"


def recognises(source: Source) -> bool:
    """Whether the first row has the dump's fields."""
    return {"task_id", "tail_version", "reward", "prompt", "completion"} <= source.head.keys()


def rollouts(row: JsonLine) -> Iterator[Imported]:
    """The rollout of one row. `sample_idx` counts within one call of the writer, so it is no index of the problem."""
    total, before = whole_number(row, "seqlen"), whole_number(row, "prompt_len")
    yield Rollout(
        place=row.place,
        question=question_of(row, "prompt"),
        response=response_of(row, "completion"),
        step=whole_number(row, "tail_version"),
        rewards={
            name: reward(row, name, row.fields[name]) for name in ("reward", "original_reward") if name in row.fields
        },
        token_count=None if total is None or before is None else total - before,
    )


FORMAT = Format(name=NAME, title="AReaL trajectories", recognises=recognises, read=by_row(rollouts), appends=True)
