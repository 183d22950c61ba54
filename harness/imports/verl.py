"""verl's files -> rollouts: dumps of training and validation as JSON lines, and the Parquet of offline generation.

verl-project/verl 0.9:
- verl/trainer/ppo/ray_trainer.py and ppo/v1/trainer_base.py (`_write_generations`), STEP.jsonl: `input` and `output`
  as decoded text without special tokens, `gts`, `score`, `step`. The legacy trainer adds what the reward function
  returned beside its score; v1 adds `uid` = PROMPT_ROLLOUT_TURN; both add `reward` to a validation, equal to `score`.
- verl/trainer/main_generation_server.py: the data set's own columns and `responses`, a list a problem; no rewards.
Does not depend on verl.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from restem.benchmarks.chat_templates import plain_response
from restem.benchmarks.columns import value_at
from restem.benchmarks.json_lines import JsonLine
from restem.harness.imports.cells import (
    checked,
    kinds_of_columns,
    numbered,
    question_of,
    rewards_of,
    whole_number,
)
from restem.harness.imports.format import Format, by_row
from restem.harness.imports.rollout import TEST, TRAIN, Imported, Refused, Rollout
from restem.harness.imports.sources import JSON_LINES, PARQUET, Source

NAME = "verl"
SCORE, REWARD, UID = "score", "reward", "uid"
OWN = ("input", "output", "gts", SCORE, "step", REWARD, UID, "request_id")
ANSWERS = ("pred", "prediction", "answer", "extracted_answer", "extracted")  # what a reward function read
_EARLIER = "an earlier turn of a rollout; its score is that of the whole rollout, and the last turn has it"
# Numbers beside a score that measure something else than whether a response is right.
_NO_SCORE = re.compile(r"(?:^|_)(?:len|lengths?|tokens?|turns?|seconds|time|num|count|idx|index|id|step)(?:_|$)")
_VALIDATION = re.compile(r"(?:^|[^a-z])(?:val|valid|validation|test|eval)(?:[^a-z]|$)")


def recognises(source: Source) -> bool:
    """Whether it is a dump of generations, or a Parquet file of prompts with a list of responses each."""
    fields = source.head
    if source.kind == JSON_LINES:
        return {"input", "output", SCORE, "step"} <= fields.keys()
    return source.kind == PARQUET and {"prompt", "responses", "reward_model"} <= fields.keys()


def read(source: Source) -> Iterator[Imported]:
    """The rollouts of a file."""
    if source.kind == PARQUET:
        yield from by_row(of_generation)(source)
        return
    extra = extra_scores(source) if source.head.keys() - set(OWN) else []
    folder = source.path.absolute().parent.name.lower()
    split = TEST if REWARD in source.head or _VALIDATION.search(folder) else TRAIN
    yield from _last_turns(source, extra, split)


def extra_scores(source: Source) -> list[str]:
    """The columns of numbers that a reward function returned beside its score, such as `acc`."""
    kinds = kinds_of_columns(source, OWN)
    return [name for name, of in kinds.items() if "number" in of and "other" not in of and not _NO_SCORE.search(name)]


def _last_turns(source: Source, extra: Sequence[str], split: str) -> Iterator[Imported]:
    """The rows, of which those that another turn of the same rollout follows are refused."""
    waiting: JsonLine | None = None
    for row in source.rows():
        if isinstance(row, Refused):
            yield row
            continue
        if waiting is not None:
            yield _earlier(waiting) if _is_same_rollout(waiting, row) else checked(waiting, rollout, extra, split)
        waiting = row
    if waiting is not None:
        yield checked(waiting, rollout, extra, split)


def _earlier(row: JsonLine) -> Refused:
    return Refused(place=row.place, reason=_EARLIER)


def _is_same_rollout(row: JsonLine, following: JsonLine) -> bool:
    """Whether two rows are turns of one rollout: `uid` is PROMPT_ROLLOUT_TURN, and the file is in its order."""
    uid, next_uid = row.fields.get(UID), following.fields.get(UID)
    if not isinstance(uid, str) or not isinstance(next_uid, str) or uid.count("_") < 2:
        return False
    return uid.rpartition("_")[0] == next_uid.rpartition("_")[0]


def rollout(row: JsonLine, extra: Sequence[str], split: str) -> Rollout:
    """The rollout of a dumped row."""
    fields = row.fields
    gold = fields.get("gts")
    answer = next((fields[name] for name in ANSWERS if isinstance(fields.get(name), str)), None)
    return Rollout(
        place=row.place,
        question=question_of(row, "input"),
        response=row.text("output"),
        step=whole_number(row, "step"),
        split=split,
        references=() if isinstance(gold, dict) else row.answers("gts"),
        data=gold if isinstance(gold, dict) else {},
        rewards=rewards_of(row, {name: fields.get(name) for name in (SCORE, *extra)}),
        answers={} if answer is None else {SCORE: answer},
    )


def of_generation(row: JsonLine) -> Iterator[Imported]:
    """The rollouts of one problem of offline generation, which has no rewards."""
    responses = row.fields.get("responses")
    if not isinstance(responses, list):
        raise row.unexpected("responses", "a list of responses")
    golden = JsonLine(place=row.place, raw=b"", fields={"ground_truth": value_at(row, "reward_model.ground_truth")})
    source, split = row.fields.get("data_source"), value_at(row, "extra_info.split")
    question = question_of(row, "prompt")
    for index, response in enumerate(map(plain_response, responses)):
        if response is None:
            yield Refused(place=row.place, reason="responses: expected texts")
            continue
        yield Rollout(
            place=row.place,
            question=question,
            response=response,
            split=TRAIN if split == TRAIN else TEST,
            index=index,
            references=golden.answers("ground_truth"),
            strata={"data_source": source} if isinstance(source, str) else {},
        )


FORMAT = Format(name=NAME, title="verl generations", recognises=recognises, read=numbered(read))
