"""The benchmarks `reasoning_gym:TASK`: the generators of the package reasoning-gym, a benchmark each.

Takes a task's name; gives its `Benchmark`. A problem's `data` hold what the task's own `score_answer` needs: task,
regime, the package's version, and the entry's metadata in a form that JSON can hold. The gold is the verifier
`reasoning_gym`, which rebuilds the entry from them. Needs the extra `reasoning_gym`; the package is imported, which
takes seconds, when a benchmark is looked up.
Source: open-thought/reasoning-gym (Apache-2.0), https://arxiv.org/abs/2505.24760.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Iterator, Mapping
from typing import Any

from restem.benchmarks.benchmark import MAX_REPEATS, Benchmark, Family, Regime
from restem.benchmarks.hints import did_you_mean
from restem.benchmarks.problem import Problem, problem_id, split_of
from restem.benchmarks.reasoning_gym_package import package_version, registry

NAME = "reasoning_gym"
SHARES = {"train": 0.6, "validation": 0.1, "test": 0.3}
DEFAULT = "default"
CHUNK = 500  # problems of one dataset of the package; some tasks plan all problems of a dataset when it is made
_NO_TASK = ("composite",)  # a mixture of other tasks, which its configuration has to name
_UNUSED = ("source_dataset", "source_index", "difficulty")  # place and settings, which no score reads


def benchmark(task: str) -> Benchmark:
    """The benchmark of a task.

    Raises:
        ValueError: The extra is not installed, or there is no such task.
    """
    known = task_names()
    if task not in known:
        raise ValueError(f"no task {task!r} of {NAME}{did_you_mean(task, known)}: known are {', '.join(known)}")
    return Benchmark(
        name=f"{NAME}:{task}",
        splits=tuple(SHARES),
        stream=functools.partial(stream, task),
        regimes=dict.fromkeys((DEFAULT, *levels(task))),
        default_regime=DEFAULT,
        gold=NAME,
    )


def find(name: str) -> Benchmark | None:
    """The benchmark of a name `reasoning_gym:TASK`; None for a name of another form."""
    family, _, task = name.partition(":")
    return benchmark(task) if family == NAME else None


def task_names() -> list[str]:
    """The names of all tasks.

    Raises:
        ValueError: The extra is not installed.
    """
    return sorted(set(registry().DATASETS) - set(_NO_TASK))


# -- Regimes -----------------------------------------------------------------------------------------------------------


@functools.cache
def levels(task: str) -> tuple[str, ...]:
    """The regimes `level-0`, `level-1`, ... of a task's curriculum: those whose configuration the task accepts."""
    return tuple(name for name in map("level-{}".format, range(_depth(task))) if _accepted(task, name))


def settings(task: str, regime: Regime) -> Mapping[str, Any]:
    """The settings of a task's dataset in a regime, besides seed and size.

    Raises:
        ValueError: The task has no such regime.
    """
    if regime in (None, DEFAULT):
        return {}
    if regime not in levels(task):
        known = [DEFAULT, *levels(task)]
        raise ValueError(f"unknown regime {regime!r} of {task}{did_you_mean(str(regime), known)}: {', '.join(known)}")
    return _level(task, str(regime))


def _depth(task: str) -> int:
    """The number of levels of a task's curriculum: that of its attribute with the most levels."""
    curricula = registry().CURRICULA
    return max((len(a.levels) for a in curricula[task]().attributes.values()), default=0) if task in curricula else 0


def _level(task: str, name: str) -> dict[str, Any]:
    curriculum = registry().create_curriculum(task)
    curriculum.set_global_level(int(name.removeprefix("level-")))
    config = curriculum.generate_configuration({"seed": 0, "size": CHUNK})
    return {f.name: getattr(config, f.name) for f in dataclasses.fields(config) if f.name not in ("seed", "size")}


def _accepted(task: str, name: str) -> bool:
    try:
        dataset(task, _level(task, name), 0)
    except (AssertionError, ValueError):  # the curriculum of reasoning-gym 0.1.25 exceeds the bounds of some tasks
        return False
    return True


# -- Problems ----------------------------------------------------------------------------------------------------------


def dataset(task: str, values: Mapping[str, Any], seed: int) -> Any:
    """A dataset of the package, which gives entries by index and scores answers to them."""
    return registry().create_dataset(task, **values, seed=seed, size=CHUNK)


def stream(task: str, seed: int, regime: Regime) -> Iterator[Problem]:
    """Problems of a task without end, each question once; problem i depends on (seed, i, regime) alone."""
    return _problems(task, seed, str(regime or DEFAULT), settings(task, regime))


def _problems(task: str, seed: int, regime: str, values: Mapping[str, Any]) -> Iterator[Problem]:
    name, seen = f"{NAME}:{task}", set[str]()
    source = f"reasoning-gym {package_version()} {task} {regime} seed={seed}"
    strata = {"task": task} if regime == DEFAULT else {"task": task, "level": regime.removeprefix("level-")}
    fresh, entries = 0, None
    for index in itertools.count():
        if index % CHUNK == 0:
            # Entry i of a dataset has the seed of the dataset plus i, so seeds of two chunks or runs stand far apart.
            entries = dataset(task, values, (seed << 32) + index)
        entry = entries[index % CHUNK]  # type: ignore[index]
        question, data = entry["question"], _data(task, regime, entry)
        id = problem_id(name, question, data)
        if not {question, id} & seen:
            seen |= {question, id}
            fresh = index
            split = split_of(question, SHARES, salt=f"{NAME}:")
            yield Problem(
                id=id,
                question=question,
                reference=entry["answer"],
                split=split,
                source=f"{source} index={index}",
                data=data,
                strata=strata,
            )
        elif index - fresh >= MAX_REPEATS:
            raise ValueError(f"{source} has no more than about {len(seen) // 2} distinct problems")


def _data(task: str, regime: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    """What the gold needs besides question and reference."""
    metadata = {k: v for k, v in entry["metadata"].items() if k not in _UNUSED}
    return {"task": task, "regime": regime, "version": package_version(), "metadata": packed(metadata)}


# -- Values that JSON does not have ------------------------------------------------------------------------------------

_TUPLE, _SET, _ITEMS = "(tuple)", "(set)", "(items)"


def packed(value: Any) -> Any:
    """The value as JSON: a tuple, a set, or a dictionary with other keys than texts becomes an object with one key.

    Raises:
        TypeError: It holds something else that JSON does not have.
    """
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, list):
        return [packed(item) for item in value]
    if isinstance(value, tuple):
        return {_TUPLE: [packed(item) for item in value]}
    if isinstance(value, set | frozenset):
        return {_SET: sorted((packed(item) for item in value), key=repr)}
    if isinstance(value, dict):
        if all(type(key) is str for key in value):
            return {key: packed(item) for key, item in value.items()}
        return {_ITEMS: [[packed(key), packed(item)] for key, item in value.items()]}
    raise TypeError(f"JSON holds no {type(value).__name__}")


def unpacked(value: Any) -> Any:
    """The value that `packed` was given."""
    if isinstance(value, list):
        return [unpacked(item) for item in value]
    if not isinstance(value, dict):
        return value
    match list(value.items()):
        case [(key, [*items])] if key == _TUPLE:
            return tuple(map(unpacked, items))
        case [(key, [*items])] if key == _SET:
            return set(map(unpacked, items))
        case [(key, [*items])] if key == _ITEMS:
            return {unpacked(name): unpacked(item) for name, item in items}
    return {key: unpacked(item) for key, item in value.items()}


FAMILY = Family(
    title=f"`{NAME}:TASK`",
    names=(f"{NAME}:TASK",),  # those of the tasks need the package
    find=find,
    example=Benchmark(
        name=f"{NAME}:TASK",
        splits=tuple(SHARES),
        stream=lambda *_: iter(()),
        regimes=(DEFAULT, "level-0", "level-1", "..."),
        default_regime=DEFAULT,
        gold=NAME,
    ),
)
