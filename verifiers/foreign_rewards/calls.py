"""How each trainer calls a reward function: which arguments it passes, one response or a whole group at a time.

Takes a function and a group of responses to one problem; gives a result for each response. Runs in the worker, in any
environment: it imports the standard library alone. The calls are those of these sources: TRL 1.16
(`trainer/grpo_trainer.py`), verl 0.9.1 (`experimental/reward_loop/reward_manager/naive.py`), OpenRLHF 0.11
(`utils/agent.py`), tunix 0.1.7, AReaL 1.0.4, slime, lm-evaluation-harness 0.4.13, and verifiers before 0.4 (a rubric).
"""

from __future__ import annotations

import asyncio
import dataclasses
import inspect
import types
from collections.abc import Callable, Mapping
from typing import Any

from restem.verifiers.foreign_rewards.group import Group
from restem.verifiers.foreign_rewards.results import Result, read_many, read_one
from restem.verifiers.foreign_rewards.signature import Asked, roles

_loop: asyncio.Runner | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Target:
    """A function that is to be called.

    Attributes:
        function: The function, async or not.
        asked: Its parameters.
        keywords: Further keyword arguments that the user gives it.
        key: The key of a dict that counts, where the user names one.
    """

    function: Callable[..., Any]
    asked: Asked
    keywords: Mapping[str, Any]
    key: str | None = None

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        return awaited(self.function(*arguments, **{**keywords, **self.keywords}))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Convention:
    """A way to call.

    Attributes:
        call: Gives the results of a group.
        whole_groups: Whether all responses of a problem go into one call.
        given: The parameters that the trainer gives besides dataset columns.
        messages: Whether prompts and completions are chat messages; None where both are usual.
    """

    call: Callable[[Target, Group], list[Result]]
    whole_groups: bool
    given: tuple[str, ...] = ()
    messages: bool | None = False


def awaited(value: Any) -> Any:
    """The value, or what an async function's result comes to. One event loop serves all calls."""
    if not inspect.isawaitable(value):
        return value
    global _loop
    if _loop is None:
        _loop = asyncio.Runner()

    async def finished() -> Any:
        return await value

    return _loop.run(finished())


def _ignored(*_arguments: Any, **_keywords: Any) -> None:
    """Takes the place of a trainer's log."""


def _repeated(group: Group) -> dict[str, list[Any]]:
    return {name: [value] * len(group.responses) for name, value in group.columns().items()}


def _trl(target: Target, group: Group) -> list[Result]:
    state = types.SimpleNamespace(global_step=0, max_steps=1, epoch=0.0, num_train_epochs=1)
    values = {
        **_repeated(group),
        "prompts": group.prompts(),
        "completions": group.completions(),
        "trainer_state": state,
        "log_extra": _ignored,
        "log_metric": _ignored,
    }
    return read_many(target(**target.asked.takes(values)), len(group.responses), target.key)


def _tunix(target: Target, group: Group) -> list[Result]:
    values = {**_repeated(group), "prompts": group.prompts(), "completions": group.completions()}
    return read_many(target(**target.asked.takes(values)), len(group.responses), target.key)


def _verl(target: Target, group: Group) -> list[Result]:
    columns = group.columns()
    held = columns.get("reward_model")
    truth = held["ground_truth"] if isinstance(held, Mapping) and "ground_truth" in held else columns["ground_truth"]
    extra = group.data.get("extra_info", group.data)
    if isinstance(extra, Mapping):
        extra = {**extra, "num_turns": None, "rollout_reward_scores": {}}
    values = {
        "data_source": columns.get("data_source", ""),
        "solution_str": group.responses[0],
        "ground_truth": truth,
        "extra_info": {**extra, "num_turns": None, "rollout_reward_scores": {}}
        if isinstance(extra, Mapping)
        else extra,
    }
    return [read_one(target(**values), target.key)]


def _openrlhf(target: Target, group: Group) -> list[Result]:
    (response,) = group.responses
    result = target([group.question + response], [group.question], [group.reference])
    return read_many(result, 1, target.key)


def _areal(target: Target, group: Group) -> list[Result]:
    known = target.asked.takes(group.columns())
    rest = {name: value for name, value in known.items() if name not in target.asked.positional[:4]}
    return [read_one(target(group.question, group.responses[0], [], [], **rest), target.key)]


def _slime(target: Target, group: Group) -> list[Result]:
    samples = [
        types.SimpleNamespace(
            prompt=group.question,
            response=response,
            label=group.reference,
            metadata=dict(group.data),
            tokens=[],
            response_length=0,
            index=index,
            reward=None,
            status="completed",
        )
        for index, response in enumerate(group.responses)
    ]
    settings = types.SimpleNamespace(**{"reward_key": None, **target.keywords})
    plain = dataclasses.replace(target, keywords={})
    if target.asked.positional[1:2] == ("samples",):
        return read_many(plain(settings, samples), len(samples), target.key)
    return [read_one(plain(settings, sample), target.key) for sample in samples]


def _lm_eval(target: Target, group: Group) -> list[Result]:
    metrics = target(group.columns(), list(group.responses))
    if isinstance(metrics, Mapping) and target.key is None and len(metrics) == 1:
        metrics = next(iter(metrics.values()))
    return [read_one(metrics, target.key or ("exact_match" if _holds(metrics, "exact_match") else None))]


def _holds(value: Any, key: str) -> bool:
    return isinstance(value, Mapping) and key in value


class _Parser:
    """The parser that a rubric's functions may ask for: it gives the text of the last message."""

    def parse(self, text: str) -> str:
        return text

    def parse_answer(self, completion: Any) -> str:
        return completion[-1]["content"] if isinstance(completion, list) else str(completion)


def rubric_objects(group: Group) -> dict[str, Any]:
    """What a function of a rubric may ask for by name, for the only response of a group."""
    columns = group.columns()
    one = {
        "prompt": group.prompts()[0],
        "completion": group.completions()[0],
        "answer": columns.get("answer", ""),
        "info": dict(group.data),
        "task": columns.get("task", "default"),
        "parser": _Parser(),
    }
    return {**columns, **one, "state": {**one, "trajectory": [], "metrics": {}, "reward": None, "timing": {}}}


def _rubric(target: Target, group: Group) -> list[Result]:
    return [read_one(target(**target.asked.takes(rubric_objects(group))), target.key)]


def _plain(target: Target, group: Group) -> list[Result]:
    response, reference = roles(target.asked)
    values = {name: value for name, value in group.columns().items() if name in target.asked.named}
    values |= {reference: group.reference} if reference else {}
    values |= {response: group.responses[0]} if response else {}
    return [read_one(target(**values), target.key)]


PLAIN = {
    "trl": Convention(
        call=_trl,
        whole_groups=True,
        given=("prompts", "completions", "trainer_state", "log_extra", "log_metric"),
        messages=None,
    ),
    "tunix": Convention(call=_tunix, whole_groups=True, given=("prompts", "completions")),
    "verl": Convention(call=_verl, whole_groups=False, given=("data_source", "solution_str", "extra_info")),
    "openrlhf": Convention(call=_openrlhf, whole_groups=False, given=("queries", "prompts", "labels")),
    "areal": Convention(
        call=_areal, whole_groups=False, given=("prompt", "completions", "prompt_ids", "completion_ids")
    ),
    "slime": Convention(call=_slime, whole_groups=True, given=("args", "sample", "samples")),
    "lm_eval": Convention(call=_lm_eval, whole_groups=False, given=("doc", "results")),
    "verifiers": Convention(
        call=_rubric,
        whole_groups=False,
        given=("prompt", "completion", "info", "task", "parser", "state"),
        messages=True,
    ),
    "reward": Convention(call=_plain, whole_groups=False),
}
