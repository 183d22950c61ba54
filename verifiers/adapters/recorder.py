"""Records what a reward function was asked and what it answered, one JSON object a response.

Takes any reward function of the conventions in calls.py, plain or asynchronous, for one response or many; gives a
function that answers the same and writes rows that `restem import` reads. The result and the exceptions of the function
are never changed; where rows cannot be written, the training goes on, and warnings count the calls that are missing.

A row: `question`, `response`, `references`, `step`, `index` and `group` (null where the framework passes none),
`rewards` (name -> number, null where the function gave None or NaN), `reasons` (name -> why), `seconds` (name -> how
long it took) and `form`. Functions that are given together share the rows of the calls that they share.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import inspect
import json
import logging
import math
import os
import threading
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from restem.verifiers.adapters.calls import CALLS, Arguments, Call, recognised
from restem.verifiers.adapters.items import Columns, Item, plain
from restem.verifiers.adapters.reward import RewardFunction
from restem.verifiers.adapters.trainers import GYM_FAILURE
from restem.verifiers.verdict import UnknownVerifier

_log = logging.getLogger(__name__)
# Inspect's letters as its own metrics read them; a response without an answer was not scored.
_LETTERS: Mapping[str, float | None] = {"C": 1.0, "P": 0.5, "I": 0.0, "N": None}
WAITING = 64  # calls that some of several functions have answered; a further one is written as it is
# Where a result for one response has its reward: NeMo Gym, OpenRLHF, verl and open-instruct, Inspect.
_MAIN = ("reward", "rewards", "score", "value")


def recorded(
    function: Callable[..., Any] | Sequence[Callable[..., Any]],
    path: str | Path,
    *,
    name: str | None = None,
    form: str | None = None,
    step: Callable[[], int] | None = None,
    question: str | None = None,
    reference: str | None = None,
) -> Any:
    """The reward function, which also appends a row a response to a file.

    Several functions, threads and processes may write to one file. An asynchronous function stays one.

    Args:
        function: The reward function, of a trainer or an evaluator. For a list of functions that a trainer calls with
            the same responses, as TRL does, a list is given, and a row holds the rewards of all.
        path: The file of rows; its folder must exist.
        name: What the reward is called in the rows; by default the function's name.
        form: The convention by which it is called, one of the names in `CALLS`; by default it is recognised by the
            names of the arguments.
        step: Gives the training step, where the trainer does not pass it, as in `lambda: trainer.state.global_step`.
        question: The column with the question, as in `reward_function`.
        reference: The column with the reference.

    Raises:
        UnknownVerifier: The folder is missing, the form is not known, or two functions have the same name.
    """
    path = Path(path).absolute()
    if not path.parent.is_dir():
        raise UnknownVerifier(f"recorded(): there is no folder {path.parent}")
    if form is not None and form not in CALLS:
        raise UnknownVerifier(f"form={form!r}: expected one of {', '.join(CALLS)}")
    functions = [function] if callable(function) else list(function)
    names = [name or getattr(each, "__name__", type(each).__name__) for each in functions]
    if len(set(names)) < len(names):
        raise UnknownVerifier(f"recorded(): two reward functions have the same name: {', '.join(names)}")
    rows = RowFile(path, tuple(names))
    made: list[Any] = []
    for each, called in zip(functions, names, strict=True):
        columns = _columns(each, question, reference)
        recorder = Recorder(each, rows, name=called, form=form, step=step, columns=columns)
        made.append(recorder.later() if _is_async(each) else recorder)
    return made[0] if callable(function) else made


def _columns(function: Any, question: str | None, reference: str | None) -> Columns:
    """The columns of one of our own reward functions, unless others are named."""
    if question is None and reference is None and isinstance(function, RewardFunction):
        return function.columns
    return Columns(question=question, reference=reference)


def _is_async(function: Any) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)


class Recorder:
    """A plain reward function that writes rows; a callable object, so that it can be pickled with its function."""

    def __init__(
        self,
        function: Callable[..., Any],
        rows: RowFile,
        *,
        name: str,
        form: str | None,
        step: Callable[[], int] | None,
        columns: Columns,
    ) -> None:
        functools.update_wrapper(self, function, updated=())
        self.function, self.rows, self.name, self.form, self.step = function, rows, name, form, step
        self.columns = columns
        self.__name__ = name
        self._missing = 0  # calls whose rows could not be written

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        began = time.perf_counter()
        try:
            result = self.function(*arguments, **named)
        except Exception as error:
            self._write(arguments, named, error, time.perf_counter() - began)
            raise
        self._write(arguments, named, result, time.perf_counter() - began)
        return result

    def later(self) -> Callable[..., Any]:
        """The same for an asynchronous function: a coroutine function, which some trainers look for."""

        @functools.wraps(self.function, updated=())
        async def call(*arguments: Any, **named: Any) -> Any:
            began = time.perf_counter()
            try:
                result = await self.function(*arguments, **named)
            except Exception as error:
                self._write(arguments, named, error, time.perf_counter() - began)
                raise
            self._write(arguments, named, result, time.perf_counter() - began)
            return result

        call.__name__ = self.name
        return call

    def _write(self, arguments: Sequence[Any], named: Mapping[str, Any], result: Any, seconds: float) -> None:
        """Appends the rows of a call; whatever goes wrong is logged and counted, and costs no reward."""
        try:
            by_name = self._by_name(arguments, named)
            call = CALLS[self.form] if self.form else _call_of(self.function, by_name)
            items = call.items(by_name, self.columns)
            failed = [{"": None} for _ in items]
            rewards = failed if isinstance(result, Exception) else rewards_of(result, len(items))
            step = self.step() if self.step else None
            rows = [
                self._row(call, item, reward, step, result, seconds / len(items))
                for item, reward in zip(items, rewards, strict=True)
            ]
            self.rows.add(self.name, rows)
        except Exception as error:  # a recorder must not end a training
            self._missing += 1
            if str(self._missing).strip("0") == "1":  # the first, the tenth, the hundredth, ...
                message = "%s: rewards of %s are not recorded (%d calls so far): %s: %s"
                _log.warning(message, self.rows.path, self.name, self._missing, type(error).__name__, error)

    def _by_name(self, arguments: Sequence[Any], named: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments by the names of the function's parameters; what is left over in `**` stands beside them."""
        signature = inspect.signature(self.function)
        bound = signature.bind(*arguments, **named)
        bound.apply_defaults()
        by_name = dict(bound.arguments)
        for parameter in signature.parameters.values():
            if parameter.kind is parameter.VAR_KEYWORD:
                by_name |= by_name.pop(parameter.name, {})
        return by_name

    def _row(
        self, call: Call, item: Item, reward: Mapping[str, Any], step: int | None, result: Any, seconds: float
    ) -> dict[str, Any]:
        if isinstance(self.function, RewardFunction):  # what verl gets beside the reward is no further reward
            rewards = {self.name: reward.get("", reward.get(self.function.__name__))}
        else:  # keys beside a main number belong to it; keys without one are names of their own
            prefix = f"{self.name}." if "" in reward else ""
            rewards = {f"{prefix}{key}" if key else self.name: value for key, value in reward.items()}
        row = {
            "question": item.question,
            "response": item.response,
            "references": list(item.references),
            "step": item.step if step is None else step,
            "index": item.index,
            "group": item.group,
            "rewards": rewards,
            "reasons": {},
            "seconds": {self.name: round(seconds, 6)},
            "form": call.name,
        }
        if isinstance(result, Exception):
            row["reasons"] = {self.name: f"{type(result).__name__}: {result}"[:500]}
        else:
            row["reasons"] = {key: "the function gave no number" for key, value in rewards.items() if value is None}
        return row


def _call_of(function: Any, by_name: Arguments) -> Call:
    if isinstance(function, RewardFunction):
        return CALLS[function.form]
    call = recognised(by_name)
    if call is None:
        listed = ", ".join(by_name)
        raise UnknownVerifier(f"no known convention has the arguments {listed}: name it, as in form='trl'")
    return call


# -- Results -----------------------------------------------------------------------------------------------------------


def rewards_of(result: Any, count: int) -> list[dict[str, float | None]]:
    """The numbers that a reward function gave for each of `count` responses; the main one under the empty name.

    Raises:
        ValueError: It holds another number of rewards.
    """
    result = plain(result)
    if isinstance(result, Mapping) and count != 1 and isinstance(plain(result.get("rewards")), list):
        result = plain(result["rewards"])
    if isinstance(result, list | tuple) and (count != 1 or len(result) == 1):
        if len(result) != count:
            raise ValueError(f"{len(result)} rewards for {count} responses")
        return [_entry(each) for each in result]
    if count != 1:
        raise ValueError(f"{type(result).__name__} for {count} responses")
    return [_entry(result)]


def _entry(value: Any) -> dict[str, float | None]:
    """The numbers of the result for one response."""
    value = plain(value)
    if isinstance(value, list | tuple) and len(value) == 1:
        value = value[0]
    if not isinstance(value, Mapping):
        inner = next((getattr(value, name) for name in _MAIN if hasattr(value, name)), value)
        return {"": number(inner)}
    main = next((name for name in _MAIN if name in value), None)
    entry = {"": None if GYM_FAILURE in value else number(value[main])} if main else {}
    for key, each in value.items():
        if key != main and isinstance(plain(each), bool | int | float | None):
            entry[str(key)] = number(each)
    return entry or {"": None}


def number(value: Any) -> float | None:
    """A reward as a finite number; None where it is none, NaN or infinite."""
    value = plain(value)
    if isinstance(value, list | tuple) and len(value) == 1:
        value = value[0]
    if isinstance(value, str):
        return _LETTERS.get(value)
    if not isinstance(value, bool | int | float):
        return None
    return float(value) if math.isfinite(value) else None


# -- The file ----------------------------------------------------------------------------------------------------------


class RowFile:
    """A file of rows, to which the functions of some names write.

    Args:
        path: The file.
        names: The functions. Rows of a call are written when all of them have answered it.
    """

    def __init__(self, path: Path, names: tuple[str, ...]) -> None:
        self.path, self.names = path, names
        self._lock = threading.Lock()
        self._waiting: dict[Any, dict[str, list[dict[str, Any]]]] = {}
        if len(names) > 1:
            weakref.finalize(self, _flush, path, self._waiting)  # also at the end of the process

    def __reduce__(self) -> tuple[Any, ...]:
        return RowFile, (self.path, self.names)

    def add(self, name: str, rows: list[dict[str, Any]]) -> None:
        """Takes the rows of one call of one function.

        Raises:
            OSError: They cannot be written.
        """
        call = tuple((row["question"], row["response"], row["step"], row["index"]) for row in rows)
        with self._lock:
            if name in self._waiting.get(call, ()):  # the same call again, before the others have answered it
                append(self.path, joined(self._waiting.pop(call)))
            self._waiting.setdefault(call, {})[name] = rows
            complete = [call] if len(self._waiting[call]) == len(self.names) else []
            if len(self._waiting) > WAITING:
                complete.append(next(iter(self._waiting)))
            for each in dict.fromkeys(complete):
                append(self.path, joined(self._waiting.pop(each)))


def joined(by_name: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """The rows of one call with what each function gave."""
    united = [dict(row) for row in next(iter(by_name.values()))]
    for rows in list(by_name.values())[1:]:
        for row, other in zip(united, rows, strict=True):
            for field in ("rewards", "reasons", "seconds"):
                row[field] = {**row[field], **other[field]}
            row["references"] = row["references"] or other["references"]
    return united


def _flush(path: Path, waiting: dict[Any, dict[str, list[dict[str, Any]]]]) -> None:
    for by_name in waiting.values():
        append(path, joined(by_name))
    waiting.clear()


def append(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Appends rows to a file in one piece: those of two processes never mix."""
    data = "".join(json.dumps(row, allow_nan=False) + "\n" for row in rows).encode()
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    try:
        end = None
        with contextlib.suppress(OSError):  # a file system without locks: a single write is appended whole on most
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            end = os.fstat(descriptor).st_size
        try:
            while data:
                data = data[os.write(descriptor, data) :]
        except OSError:  # of a full disk, for one: the file keeps whole rows alone
            if end is not None:
                with contextlib.suppress(OSError):
                    os.ftruncate(descriptor, end)
            raise
    finally:
        os.close(descriptor)
