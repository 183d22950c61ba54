"""TRL's tables of completions, `OUTPUT_DIR/completions/completions_00010.parquet` -> rollouts.

huggingface/trl:trl/trainer/grpo_trainer.py (`GRPOTrainer.log`): columns `step`, `prompt`, `completion`, one a reward
function, one a call of `log_extra`, `advantage`. Up to 1.10 prompt and completion are decoded text without special
tokens; since then they are messages where the data set has messages. A reward function that returned None stands as
null. Does not depend on TRL.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from restem.benchmarks.json_lines import JsonLine
from restem.harness.errors import ConfigError
from restem.harness.imports.cells import (
    kinds_of_columns,
    numbered,
    question_of,
    response_of,
    rewards_of,
    whole_number,
)
from restem.harness.imports.format import Format, by_row
from restem.harness.imports.rollout import Imported, Refused, Rollout
from restem.harness.imports.sources import PARQUET, Source

NAME = "trl"
BEFORE, AFTER = ("step", "prompt", "completion"), "advantage"
REFERENCES = ("solution", "answer", "ground_truth", "reference", "target")  # `log_extra` columns that hold one
# What trl.rewards.accuracy_reward logs beside its reward.
_ACCURACY, _ANSWER, _NOTHING = "accuracy_reward", "answer_parsed", ("[unparseable]", "[skipped]")
_SKIPPED = "the reference could not be parsed"


def recognises(source: Source) -> bool:
    """Whether it is a Parquet file with TRL's columns; its DistillationTrainer writes no rewards and no advantage."""
    columns = list(source.head)
    begins = tuple(columns[:3]) == BEFORE
    return source.kind == PARQUET and begins and (columns[-1] == AFTER or source.name.startswith("completions_"))


def reward_columns(source: Source) -> list[str]:
    """The columns of reward functions: numbers that stand before the first column of another kind.

    TRL puts what `log_extra` was given behind all rewards, in the order of the names. A column of numbers there, with
    no column of texts before it, cannot be told from a reward.
    """
    rewards: list[str] = []
    for name, kinds in kinds_of_columns(source, (*BEFORE, AFTER)).items():
        if "other" in kinds:
            break
        rewards.append(name)
    return rewards


def read(source: Source) -> Iterator[Imported]:
    """The rollouts of one table.

    A batch that is trained on for several steps (`num_iterations` or `steps_per_generation` above 1) stands in the
    table of each: the later ones are refused.
    """
    if _repeats(source):
        reason = "the generations of the step before once more, as TRL logs them where a batch is trained on again"
        yield from by_row(lambda row: [Refused(place=row.place, reason=reason)])(source)
        return
    rewards = reward_columns(source)
    yield from by_row(lambda row: [rollout(row, rewards)])(source)


def _repeats(source: Source) -> bool:
    """Whether the table of the step before, in the same folder, holds the same rows but for the step."""
    tables = sorted(source.path.parent.glob("completions_*.parquet"), key=lambda each: (len(each.name), each.name))
    place = tables.index(source.path) if source.path in tables else 0
    if not place:
        return False
    try:
        earlier = _contents(Source(tables[place - 1]))
    except ConfigError:
        return False  # one that cannot be read
    return earlier == _contents(source)


def _contents(source: Source) -> list[dict[str, Any]]:
    rows = (row for row in source.rows() if not isinstance(row, Refused))
    return [{name: value for name, value in row.fields.items() if name != "step"} for row in rows]


def rollout(row: JsonLine, rewards: Sequence[str]) -> Rollout:
    """The rollout of one row."""
    fields = row.fields
    reference = next((name for name in REFERENCES if name not in rewards and fields.get(name) not in (None, "")), None)
    answer = fields.get(_ANSWER) if _ACCURACY in rewards else None
    return Rollout(
        place=row.place,
        question=question_of(row, "prompt"),
        response=response_of(row, "completion"),
        step=whole_number(row, "step"),
        references=() if reference is None else row.answers(reference),
        rewards=rewards_of(row, {name: fields.get(name) for name in rewards}),
        reasons={_ACCURACY: _SKIPPED} if answer == _NOTHING[1] else {},
        answers={_ACCURACY: answer} if isinstance(answer, str) and answer not in _NOTHING else {},
    )


FORMAT = Format(name=NAME, title="TRL completions", recognises=recognises, read=numbered(read))
