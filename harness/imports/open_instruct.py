"""open-instruct's rollouts, `RUN_rollouts_000000.jsonl`: token ids alone, so every row is refused, with what to do.

allenai/open-instruct:open_instruct/rl_utils.py (`RolloutRecord`): `prompt_tokens`, `response_tokens` and
`ground_truth` are token ids of a tokenizer that the file does not name.
"""

from __future__ import annotations

from collections.abc import Iterator

from restem.benchmarks.json_lines import JsonLine
from restem.harness.imports.format import Format, by_row
from restem.harness.imports.rollout import Imported, Refused
from restem.harness.imports.sources import Source

NAME = "open_instruct"
_TOKENS = (
    "prompt_tokens and response_tokens are token ids without text; decode them with the tokenizer of the model, "
    "write `question`, `response` and `reference`, and import that (docs/doors.md has the lines)"
)


def recognises(source: Source) -> bool:
    """Whether the first row has the record's fields."""
    return {"prompt_tokens", "response_tokens", "reward", "prompt_idx"} <= source.head.keys()


def rollouts(row: JsonLine) -> Iterator[Imported]:
    """The row, refused."""
    yield Refused(place=row.place, reason=_TOKENS)


FORMAT = Format(name=NAME, title="open-instruct rollouts", recognises=recognises, read=by_row(rollouts), appends=True)
