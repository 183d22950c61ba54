"""Rewards that only their framework can call: Inspect's scorers, rubrics of verifiers before 0.4, tasks of 0.4.

Takes the name of a scorer or a class; gives an object that is called with a group. Runs in the worker, in an
environment that has the framework; nothing here is imported elsewhere.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from restem.verifiers.foreign_rewards.calls import Convention, Target, awaited, rubric_objects
from restem.verifiers.foreign_rewards.group import Group
from restem.verifiers.foreign_rewards.results import Result, read_one
from restem.verifiers.foreign_rewards.signature import asked_by


def _imported(name: str) -> Any:
    return importlib.import_module(name)  # no import statement: a type checker has no such package


# -- Inspect -----------------------------------------------------------------------------------------------------------


def registered_scorer(name: str, keywords: Mapping[str, Any]) -> Any:
    """A scorer from Inspect's registry: `match`, or `package/scorer` of an installed package.

    Raises:
        LookupError: There is none of that name.
    """
    _imported("inspect_ai.scorer")
    registry = _imported("inspect_ai._util.registry")
    package, slash, bare = name.partition("/")
    short = bare if slash and package == "inspect_ai" else name
    if registry.registry_lookup("scorer", short) is None:
        raise LookupError(f"Inspect has no scorer {name!r}")
    return registry.registry_create("scorer", short, **keywords)


def made_scorer(factory: Callable[..., Any], keywords: Mapping[str, Any]) -> Any:
    """The scorer of a function with `@scorer`; or the function itself where it takes a state and a target."""
    parameters = list(inspect.signature(factory).parameters)
    return factory if parameters[:2] == ["state", "target"] else factory(**keywords)


def _inspect(target: Target, group: Group) -> list[Result]:
    """The score of a response that a model gave to the question as its only message. All references are targets."""
    model, scorer, solver = (_imported(f"inspect_ai.{part}") for part in ("model", "scorer", "solver"))
    (response,) = group.responses
    message = model.ChatMessageAssistant(content=response, source="generate")
    state = solver.TaskState(
        model="restem/stored",
        sample_id="sample",
        epoch=1,
        input=group.question,
        messages=[model.ChatMessageUser(content=group.question, source="input"), message],
        target=scorer.Target(list(group.references)),
        output=model.ModelOutput.from_message(message),
        metadata=dict(group.data),
        completed=True,
    )
    score = awaited(target.function(state, scorer.Target(list(group.references))))
    if score is None:
        return [(None, "gave None", None)]
    value = score.value
    if isinstance(value, Mapping):
        number, reason, _ = read_one(value, target.key)
    elif isinstance(value, str):
        number, reason = _letter(value, scorer)
    else:
        number, reason, _ = read_one(value)
    return [(number, reason, score.answer if isinstance(score.answer, str) else None)]


def _letter(value: str, scorer: Any) -> tuple[float | None, str | None]:
    """The number of a text value. Another text than Inspect's own is no number; its own conversion would make it 0."""
    known = {scorer.CORRECT, scorer.INCORRECT, scorer.PARTIAL, scorer.NOANSWER, "yes", "no", "true", "false"}
    if value in known or value.lower() in known:
        return float(scorer.value_to_float()(value)), None
    try:
        return read_one(float(value))[:2]
    except ValueError:
        return None, "found a text, expected C, I, P, N or a number"


# -- verifiers before 0.4 ----------------------------------------------------------------------------------------------


def made_rubric(thing: Any, keywords: Mapping[str, Any]) -> Any:
    """The rubric, of a rubric or of a class of rubrics; None for anything else."""
    if hasattr(thing, "funcs") and hasattr(thing, "score_rollout"):
        return thing
    if inspect.isclass(thing) and hasattr(thing, "score_rollout"):
        return thing(**keywords)
    return None


def _whole_rubric(target: Target, group: Group) -> list[Result]:
    """The weighted sum of a rubric's functions. A function that raises leaves the response undecided.

    The rubric's own `score_rollout` gives such a function the reward 0, so its functions are called here with the
    objects that it would give them.
    """
    rubric: Any = target.function
    objects = {**rubric_objects(group), **rubric.class_objects}
    total = 0.0
    for function, weight in zip(rubric.funcs, rubric.weights, strict=True):
        asked = asked_by(function)
        number, reason, _ = read_one(awaited(function(**asked.takes(objects))))
        if number is None:
            return [(None, f"{getattr(function, '__name__', 'a function')}: {reason}", None)]
        total += weight * number
    return [(total, None, None)]


# -- verifiers 0.4 -----------------------------------------------------------------------------------------------------


def is_task(thing: Any) -> bool:
    """Whether this is a task class of verifiers 0.4: its methods with `@vf.reward` are the rewards."""
    return inspect.isclass(thing) and any(
        base.__name__ == "Task" and base.__module__.startswith("verifiers.") for base in thing.__mro__
    )


def _task(target: Target, group: Group) -> list[Result]:
    """The weighted sum of a task's rewards, by its own `score`. A reward that raises leaves the response unscored."""
    (response,) = group.responses
    task_class: Any = target.function
    columns = group.columns()
    fields = {name: value for name, value in columns.items() if name in task_class.data_type().model_fields}
    task = task_class(task_class.data_type()(**{**fields, "prompt": group.question, **target.keywords}))
    trace = _trace(task, group.question, response)
    awaited(task.score(trace))
    if unscored := [name for name, reward in trace.rewards.items() if reward is None]:
        return [(None, f"no reward {unscored[0]!r}", None)]
    if target.key is not None:
        return [read_one({name: reward.score for name, reward in trace.rewards.items()}, target.key)]
    return [read_one(trace.reward) if trace.rewards else (None, "the task has no reward", None)]


def _trace(task: Any, question: str, response: str) -> Any:
    """The trace of one turn, as a rollout would have left it."""
    trace, graph, records = (_imported(f"verifiers.v1.{part}") for part in ("trace", "graph", "types"))
    asked = graph.MessageNode(message=records.UserMessage(content=question))
    answered = graph.MessageNode(parent=0, message=records.AssistantMessage(content=response), sampled=True)
    return trace.Trace(
        task=trace.TraceTask(type=type(task).__name__, data=task.data, key=task.key, hash=task.hash),
        agent=trace.AgentInfo(config=_imported("verifiers.v1").AgentConfig()),
        nodes=[asked, answered],
        ok=True,
        is_completed=True,
    )


SCORER = Convention(call=_inspect, whole_groups=False)
RUBRIC = Convention(call=_whole_rubric, whole_groups=False, messages=True)
TASK = Convention(call=_task, whole_groups=False)
