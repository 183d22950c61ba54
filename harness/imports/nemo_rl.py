"""NeMo-RL's logs, `train_data_step10.jsonl` and `val_data_step10.jsonl` -> rollouts.

NVIDIA-NeMo/RL:nemo_rl/utils/logger.py (`log_batched_dict_as_jsonl`) writes batches of one, so that most values stand in
a list of length 1. A validation has messages with roles; a training step only their texts: the prompt, the response,
and what the environment answered. There is no reference: `--references` adds one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from restem.benchmarks.chat_templates import as_messages, plain_question, plain_response
from restem.benchmarks.json_lines import JsonLine
from restem.harness.imports.cells import is_number, numbered, reward
from restem.harness.imports.format import Format, by_row
from restem.harness.imports.rollout import TEST, TRAIN, Imported, Refused, Rollout
from restem.harness.imports.sources import Source

NAME = "nemo_rl"
_STEP = re.compile(r"(train|val)_data_step(\d+)")
_SYSTEM = re.compile(r"\s*(?:<[^<>]{1,40}>\s*)*(?:<\|im_start\|>|<\|start_header_id\|>|<\|)?system\b")
_NO_ROLES = (
    "content: several turns without their roles, so that the response cannot be told from what the environment said; "
    "val_data_step*.jsonl has the roles"
)


def recognises(source: Source) -> bool:
    """Whether the first row has the log's fields."""
    return {"content", "rewards", "idx"} <= source.head.keys()


def read(source: Source) -> Iterator[Imported]:
    """The rollouts of one file; split and step stand in its name."""
    named = _STEP.search(source.name)
    split = TEST if named and named[1] == "val" else TRAIN
    yield from by_row(lambda row: [rollout(row, split, int(named[2]) if named else None)])(source)


def rollout(row: JsonLine, split: str, step: int | None) -> Imported:
    """The rollout of one row."""
    content = _only(row.fields.get("content"))
    if as_messages(content):
        # The content of a user's turn is the whole prompt, with its template.
        question, response = plain_question(plain_question(content)), plain_response(content)
    elif isinstance(content, list) and all(isinstance(text, str) for text in content) and len(content) >= 2:
        if len(content) > 3 or _SYSTEM.match(content[0]):
            return Refused(place=row.place, reason=_NO_ROLES)
        question, response = plain_question(content[0]), plain_response(content[1])
    else:
        raise row.unexpected("content", "messages, or the texts of a prompt and a response")
    if question is None or response is None:
        raise row.unexpected("content", "a turn of the user and one of the policy")
    names = {name: _only(row.fields[name]) for name in ("rewards", "filtered_rewards") if name in row.fields}
    return Rollout(
        place=row.place,
        question=question,
        response=response,
        step=step,
        split=split,
        rewards={name.replace("rewards", "reward"): reward(row, name, value) for name, value in names.items()},
    )


def _only(value: Any) -> Any:
    """What a list of length 1 holds; messages and numbers stay as they are."""
    is_wrapped = isinstance(value, list) and len(value) == 1 and not as_messages(value) and not is_number(value)
    return value[0] if is_wrapped else value


FORMAT = Format(name=NAME, title="NeMo-RL log", recognises=recognises, read=numbered(read))
