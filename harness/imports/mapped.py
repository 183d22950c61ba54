"""Any table of rollouts: which column holds what is said by `--map`, or known by the column's name.

Takes a source and a mapping from a field of a rollout to a column; gives rollouts. A column's name may lead into an
object by dots (`reward_model.ground_truth`). A cell with a list of responses is as many samples of its problem; a
reward beside it is then a list of the same length. Does not depend on any tool.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from restem.benchmarks.chat_templates import plain_question, plain_response
from restem.benchmarks.columns import ANSWERS, QUESTIONS, value_at
from restem.benchmarks.hints import did_you_mean
from restem.benchmarks.json_lines import JsonLine
from restem.harness.errors import ConfigError
from restem.harness.imports.format import Format, by_row
from restem.harness.imports.rollout import TEST, TRAIN, Imported, Refused, Rollout, number
from restem.harness.imports.sources import Source

NAME = "mapped"
RESPONSES = ("response", "completion", "output", "generation", "responses", "completions", "outputs", "generations")
# Field of a rollout -> the columns that hold it where `--map` does not say otherwise.
KNOWN: Mapping[str, Sequence[str]] = {
    "question": (*QUESTIONS, "input"),
    "response": RESPONSES,
    "reference": (*ANSWERS, "gts"),
    "step": ("step", "global_step", "iteration"),
    "index": ("index", "idx", "sample_index", "sample_idx"),
    "group": ("problem_id", "group_id"),
    "series": ("model", "run"),
    "split": ("split",),
    "label": ("label",),
    "finish_reason": ("finish_reason", "stop_reason"),
    "tokens": ("token_count", "completion_tokens"),
    "logprob": ("mean_logprob",),
    "data": ("data",),
}
REWARD, STRATUM = "reward.", "strata."
REWARDS = ("reward", "score", "rewards", "scores")
_LABELS = {"1": True, "0": False, "true": True, "false": False, "correct": True, "wrong": False}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Columns:
    """Which column holds what.

    Attributes:
        of: Field of a rollout -> its column.
        rewards: Name of a reward -> its column.
        strata: Name of a division -> its column.
    """

    of: Mapping[str, str]
    rewards: Mapping[str, str]
    strata: Mapping[str, str]


def mapped(mapping: Mapping[str, str]) -> Format:
    """The format of a table whose columns are named by `--map`, the others known by their names."""
    return Format(
        name=NAME,
        title="a table with " + (", ".join(f"{k}={v}" for k, v in mapping.items()) or "columns of known names"),
        recognises=lambda source: _has_rollouts(source, mapping),
        read=lambda source: by_row(functools.partial(rollouts, columns_of(source, mapping)))(source),
        appends=True,
    )


FORMAT = mapped({})


def check_mapping(mapping: Mapping[str, str]) -> None:
    """Checks the fields of `--map`.

    Raises:
        ConfigError: A field is not known.
    """
    for field, column in mapping.items():
        prefixed = any(field.startswith(prefix) and len(field) > len(prefix) for prefix in (REWARD, STRATUM))
        if not prefixed and field not in KNOWN:
            known = [*KNOWN, f"{REWARD}NAME", f"{STRATUM}NAME"]
            raise ConfigError(
                f"--map {field}={column}: unknown field {field!r}{did_you_mean(field, known)}; there are "
                + ", ".join(known)
            )


def _has_rollouts(source: Source, mapping: Mapping[str, str]) -> bool:
    try:
        columns_of(source, mapping)
    except ConfigError:
        return False
    return True


def columns_of(source: Source, mapping: Mapping[str, str]) -> Columns:
    """The columns of a source.

    Raises:
        ConfigError: There is no column for the question or for the response, a named one is not in the first row, or
            two could be meant; the message lists those that are there.
    """
    row = JsonLine(place=source.name, raw=b"", fields=dict(source.head))
    listed = ", ".join(f"{name!r:.40}" for name in list(row.fields)[:20]) or "none"
    of: dict[str, str] = {}
    for field, known in KNOWN.items():
        present = [name for name in known if name in row.fields]
        if field in mapping:
            of[field] = mapping[field]
        elif len(present) > 1 and field in ("question", "response", "reference"):
            named = " and ".join(map(repr, present))
            raise ConfigError(
                f"{source.path}: {named} could both be the {field}; say which: --map {field}={present[0]}"
            )
        elif present and _fits(field, row.fields[present[0]]):
            of[field] = present[0]
    if "label" in row.fields and "label" not in of.values():
        of.setdefault("reference", "label")  # some trainers call the reference so
    for field in ("question", "response"):
        if field not in of:
            raise ConfigError(
                f"{source.path}: no column is known to hold the {field}; its columns are {listed}. "
                f"Name it: --map {field}=COLUMN"
            )
    rewards = {field.removeprefix(REWARD): name for field, name in mapping.items() if field.startswith(REWARD)}
    if not rewards:
        rewards = {name: name for name in row.fields if name in REWARDS}
        rewards |= {name.partition(".")[2]: name for name in row.fields if name.startswith(REWARD)}
    strata = {field.removeprefix(STRATUM): name for field, name in mapping.items() if field.startswith(STRATUM)}
    for field, name in mapping.items():
        top = name.partition(".")[0]
        if name not in row.fields and top not in row.fields:
            hint = did_you_mean(name, row.fields)
            raise ConfigError(f"--map {field}={name}: {source.name} has no column {name!r}{hint}; it has {listed}")
    return Columns(of=of, rewards=rewards, strata=strata)


def rollouts(columns: Columns, row: JsonLine) -> Iterator[Imported]:
    """The rollouts of one row: one, or one a response where the cell holds a list."""
    cell = functools.partial(_cell, row, columns)
    question = plain_question(cell("question"))
    if question is None:
        raise _unexpected(row, columns.of["question"], "a text or messages with a turn of the user")
    responses = _responses(row, columns)
    references = _references(row, columns)
    rewards = {name: value_at(row, column) for name, column in columns.rewards.items()}
    many = len(responses) > 1 or (isinstance(cell("response"), list) and plain_response(cell("response")) is None)
    for number_, response in enumerate(responses):
        if response is None:
            yield Refused(place=row.place, reason=f"{columns.of['response']}: expected a text or messages")
            continue
        own = {name: _share(row, columns.rewards[name], value, number_, many) for name, value in rewards.items()}
        yield Rollout(
            place=row.place,
            question=question,
            response=response,
            step=_whole(row, columns, "step"),
            series=_text(row, columns, "series"),
            split=_split(row, columns),
            group=_text(row, columns, "group"),
            index=number_ if many else _whole(row, columns, "index"),
            references=references,
            rewards=own,
            label=_label(row, columns),
            finish_reason=_text(row, columns, "finish_reason"),
            token_count=_whole(row, columns, "tokens"),
            mean_logprob=_number(row, columns.of.get("logprob"), cell("logprob")),
            data=cell("data") if isinstance(cell("data"), dict) else {},
            strata={name: str(value_at(row, column)) for name, column in columns.strata.items()},
        )


def _cell(row: JsonLine, columns: Columns, field: str) -> Any:
    column = columns.of.get(field)
    return None if column is None else value_at(row, column)


def _unexpected(row: JsonLine, column: str, expected: str) -> Exception:
    return row.error(f"{row.place}: {column}: expected {expected}, found {value_at(row, column)!r:.40}")


def _responses(row: JsonLine, columns: Columns) -> list[str | None]:
    value = _cell(row, columns, "response")
    one = plain_response(value)
    if one is not None:
        return [one]
    return [plain_response(each) for each in value] if isinstance(value, list) and value else [None]


def _references(row: JsonLine, columns: Columns) -> tuple[str, ...]:
    column = columns.of.get("reference")
    if column is None:
        return ()
    if column in row.fields:
        return row.answers(column)
    return JsonLine(place=row.place, raw=b"", fields={column: value_at(row, column)}).answers(column)


def _share(row: JsonLine, column: str, value: Any, place: int, many: bool) -> float | None:
    """The reward of one response of a row, from the row's one number or from a list of them."""
    if many and isinstance(value, list):
        value = value[place] if place < len(value) else None
    return _number(row, column, value)


def _number(row: JsonLine, column: str | None, value: Any) -> float | None:
    if isinstance(value, str):
        try:
            value = float(value) if value.strip() else None  # a CSV file has no numbers, only texts
        except ValueError:
            raise _unexpected(row, column or "", "a number or null") from None
    try:
        return number(value)
    except ValueError:
        raise _unexpected(row, column or "", "a number or null") from None


def _whole(row: JsonLine, columns: Columns, field: str) -> int | None:
    value = _cell(row, columns, field)
    converted = _number(row, columns.of.get(field), value)
    if converted is None:
        return None
    if not converted.is_integer() or not 0 <= converted < 2**53:
        raise _unexpected(row, columns.of[field], "a whole number from 0, or null")
    return int(converted)


def _text(row: JsonLine, columns: Columns, field: str) -> str | None:
    value = _cell(row, columns, field)
    if value is None or isinstance(value, str | int | float):
        return None if value is None else str(value)
    raise _unexpected(row, columns.of[field], "a text, a number or null")


def _split(row: JsonLine, columns: Columns) -> str:
    value = _text(row, columns, "split") or TRAIN
    return TRAIN if value == TRAIN else TEST


def _fits(field: str, value: Any) -> bool:
    """Whether a column that only its name speaks for holds, in the first row, what the field needs."""
    if field == "label":
        return value is None or str(value).strip().lower() in _LABELS
    if field in ("series", "split", "group", "finish_reason"):
        return value is None or isinstance(value, str | int)
    return field not in ("step", "index", "tokens", "logprob") or value is None or isinstance(value, str | int | float)


def _label(row: JsonLine, columns: Columns) -> bool | None:
    value = _text(row, columns, "label")
    if value is None or not value.strip():
        return None
    word = value.strip().lower()
    if word not in _LABELS:
        raise _unexpected(row, columns.of["label"], "1, 0, true, false, correct, wrong or null")
    return _LABELS[word]
