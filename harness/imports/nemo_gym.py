"""NeMo Gym's rollouts, with the failures file that stands beside them -> rollouts.

NVIDIA-NeMo/Gym 0.7, nemo_gym/rollout_collection.py. A row of `x.jsonl` holds `responses_create_params` (the prompt),
`response` (OpenAI's Responses object), `reward`, and whatever the resources server adds: `expected_answer`,
`library_reward`, `judge_evaluations`. Rollouts that failed are rows of `x_failures.jsonl` with `_ng_failure_class`;
their reward of 0 is a filler, and so is that of a row with `mask_sample`: both are undecided. Does not depend on NeMo
Gym.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from restem.benchmarks.chat_templates import plain_question, plain_text
from restem.benchmarks.json_lines import BadLine, JsonLine
from restem.harness.imports.cells import is_number, numbered, rewards_of, whole_number
from restem.harness.imports.format import Format
from restem.harness.imports.nested import count, objects, part, references, word
from restem.harness.imports.rollout import Imported, Refused, Rollout
from restem.harness.imports.sources import Source, without_value

NAME = "nemo_gym"
FAILURES = "_failures"  # what the name of a failures file adds to that of its rollouts
FAILURE_CLASS, TASK, ROLLOUT = "_ng_failure_class", "_ng_task_index", "_ng_rollout_index"
PARTS = "reward_components"
# The labels by which the judges of NeMo Gym say whether two answers are the same.
LABELS = {"[[A=B]]": 1.0, "[[A!=B]]": 0.0}
_LABEL = re.compile(r"\[\[A!?=B\]\]")
_SUPERSEDED = "a failed attempt; another attempt of the same rollout is imported"


def recognises(source: Source) -> bool:
    """Whether the first row is a rollout of NeMo Gym, or one of its failures."""
    fields = source.head
    return "responses_create_params" in fields and bool({"response", "reward", FAILURE_CLASS, TASK} & fields.keys())


@numbered
def read(source: Source) -> Iterator[Imported]:
    """The rollouts of a file and of its failures file; of several attempts at a rollout, the one that succeeded."""
    ended: set[tuple[Any, ...]] = set()
    stem = source.path.name.removesuffix(".jsonl")
    if stem.endswith(FAILURES):
        _keys(source.path.with_name(f"{stem.removesuffix(FAILURES)}.jsonl"), ended)
        yield from _failed(source, ended)
        return
    for row in source.rows():
        if isinstance(row, JsonLine):
            ended.add(_key(row))
            yield from _checked(row)
        else:
            yield row
    beside = source.path.with_name(f"{stem}{FAILURES}.jsonl")
    if beside.is_file() and beside.stat().st_size:
        yield from _failed(Source(beside), ended)


def _failed(source: Source, ended: set[tuple[Any, ...]]) -> Iterator[Imported]:
    """The last attempt of every rollout that never succeeded."""
    rows = list(source.rows())
    last = {_key(row): number for number, row in enumerate(rows) if isinstance(row, JsonLine) and _key(row)}
    for number, row in enumerate(rows):
        if isinstance(row, Refused):
            yield row
        elif _key(row) in ended or last.get(_key(row), number) != number:
            yield Refused(place=row.place, reason=_SUPERSEDED)
        else:
            yield from _checked(row)


def _keys(path: Path, ended: set[tuple[Any, ...]]) -> None:
    if path.is_file() and path.stat().st_size:
        ended.update(_key(row) for row in Source(path).rows() if isinstance(row, JsonLine))
    ended.discard(())


def _key(row: JsonLine) -> tuple[Any, ...]:
    """What tells a rollout from others; empty where the row has no numbers of its own."""
    key = row.fields.get(TASK), row.fields.get(ROLLOUT)
    return key if all(isinstance(part, int) for part in key) else ()


def rollout(row: JsonLine) -> Iterator[Imported]:
    """The rollout of one row."""
    fields, response = row.fields, row.json_object("response")
    failure = fields.get(FAILURE_CLASS)
    text = response_text(response)
    if text is None:
        cause = f" ({failure})" if isinstance(failure, str) else ""
        yield Refused(place=row.place, reason=f"response: no message was written{cause}")
        return
    rewards = rewards_of(row, _recorded(fields))
    reason = _why_undecided(fields)
    if reason is not None:
        rewards = dict.fromkeys(rewards or ("reward",))
    rewards |= _judged(fields)
    agent = word(part(fields, "agent_ref").get("name"))
    yield Rollout(
        place=row.place,
        question=_question(row),
        response=text,
        series=word(response.get("model")),
        # Problems are told apart by their text: a task's number is its place in one file of inputs.
        index=whole_number(row, ROLLOUT),
        references=_references(fields),
        rewards=rewards,
        reasons={} if reason is None else dict.fromkeys(rewards, reason),
        answers=_answers(fields, rewards),
        finish_reason=_finish_reason(response),
        token_count=count(part(response, "usage").get("output_tokens")) or None,
        strata={} if agent is None else {"agent": agent},
    )


def _checked(row: JsonLine) -> Iterator[Imported]:
    """The rollout of a row, or why there is none."""
    try:
        yield from rollout(row)
    except BadLine as error:
        yield Refused(place=row.place, reason=without_value(error, row.place))


def response_text(response: Mapping[str, Any]) -> str | None:
    """What the policy wrote in a Responses object: the texts of its messages, joined as NeMo Gym's verifiers do.

    None where it wrote no message; an empty one is a response that was scored.
    """
    messages = [
        plain_text(item.get("content"))
        for item in objects(response.get("output"))
        if item.get("type") == "message" and item.get("role", "assistant") == "assistant"
    ]
    return "".join(messages) if messages else None


def _question(row: JsonLine) -> str:
    prompt = row.json_object("responses_create_params").get("input")
    if isinstance(prompt, list):
        prompt = [turn for turn in prompt if isinstance(turn, dict) and "role" in turn]
    question = plain_question(prompt)
    if not question:
        raise row.error(f"{row.place}: responses_create_params.input: expected a turn of the user, found none")
    return question


def _recorded(fields: Mapping[str, Any]) -> dict[str, Any]:
    """`reward`, every `..._reward`, and the parts of a reward that the server lists."""
    own = {name: value for name, value in fields.items() if name == "reward" or name.endswith("_reward")}
    parts = fields.get(PARTS)
    own |= {f"{PARTS}.{name}": value for name, value in parts.items()} if isinstance(parts, dict) else {}
    return {name: value for name, value in own.items() if value is None or is_number(value)}


def _why_undecided(fields: Mapping[str, Any]) -> str | None:
    """Why the row's rewards mean nothing; None where they do."""
    if fields.get(FAILURE_CLASS) is None and fields.get("mask_sample") is not True:
        return "the judge's reply could not be read" if fields.get("invalid_judge_response") is True else None
    parts = (fields.get(FAILURE_CLASS) or fields.get("failure_kind") or "mask_sample", fields.get("failure_reason"))
    return ": ".join(str(part)[:200] for part in parts if part)


def _judged(fields: Mapping[str, Any]) -> dict[str, float | None]:
    """The judge's own verdict: correct where it calls the answers equal in every order in which it was asked."""
    labels = [_label(evaluation) for evaluation in objects(fields.get("judge_evaluations"))]
    if all(label is None for label in labels):
        return {}
    known = [label for label in labels if label is not None]
    return {"judge": min(known) if len(known) == len(labels) or min(known) == 0 else None}


def _label(evaluation: Mapping[str, Any]) -> float | None:
    label = evaluation.get("verdict_label")
    if label is None:
        labels = _LABEL.findall(response_text(part(evaluation, "response")) or "")
        label = labels[0] if labels else None
    return LABELS.get(label) if isinstance(label, str) else None


def _references(fields: Mapping[str, Any]) -> tuple[str, ...]:
    return references(fields) or references(part(fields, "verifier_metadata"))


def _answers(fields: Mapping[str, Any], rewards: Mapping[str, Any]) -> dict[str, str]:
    answer = word(fields.get("extracted_answer"))
    return dict.fromkeys((name for name in ("reward", "library_reward") if name in rewards), answer) if answer else {}


def _finish_reason(response: Mapping[str, Any]) -> str | None:
    reason = part(response, "incomplete_details").get("reason")
    if reason is not None:
        return "length" if reason == "max_output_tokens" else word(reason)
    return "stop" if response.get("status") == "completed" else None


FORMAT = Format(name=NAME, title="NeMo Gym rollouts", recognises=recognises, read=read)
