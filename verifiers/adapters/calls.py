"""The calls by which frameworks ask for rewards: how each is recognised, and which responses it holds.

Takes the arguments of a call by name; gives one Item a response. Read from the sources of the versions that
docs/doors.md names. Imports no framework, and does not depend on verifiers.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from restem.benchmarks.chat_templates import plain_text, without_ending
from restem.verifiers.adapters.items import (
    Columns,
    Item,
    data_in,
    named,
    plain,
    question_in,
    question_of,
    reference_in,
    references_of,
    response_of,
    rows_of,
)

Arguments = Mapping[str, Any]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Call:
    """One calling convention.

    Attributes:
        name: What `form=` calls it.
        marks: Names of arguments that all have to be there for a call to be of this convention.
        items: The responses of a call.
        batched: Whether a call may hold all samples of a problem.
    """

    name: str
    marks: frozenset[str]
    items: Callable[[Arguments, Columns], list[Item]]
    batched: bool = False


def _columns(arguments: Arguments, columns: Columns) -> list[Item]:
    """`prompts` and `completions`, and a list a column: TRL, tunix, MaxText, and groups of a Rubric."""
    completions = arguments["completions"]
    others = {name: value for name, value in arguments.items() if name not in ("prompts", "completions")}
    step = getattr(arguments.get("trainer_state"), "global_step", None)
    rows = rows_of(others, len(completions))
    return [
        _item(row, columns, prompt, response_of(completion), step=step)
        for prompt, completion, row in zip(arguments["prompts"], completions, rows, strict=True)
    ]


def _item(row: Mapping[str, Any], columns: Columns, prompt: Any, response: str, **known: Any) -> Item:
    return Item(
        question=question_in(row, columns, plain(prompt)),
        response=response,
        references=references_of(reference_in(row, columns)),
        data=data_in(row, columns),
        **known,
    )


def _verl(arguments: Arguments, columns: Columns) -> list[Item]:
    text, reference, extra = arguments["solution_str"], arguments["ground_truth"], arguments.get("extra_info")
    return [_verl_item(text, reference, extra, arguments.get("data_source"), columns)]


def _verl_batch(arguments: Arguments, columns: Columns) -> list[Item]:
    texts = arguments["solution_strs"]
    names = ("ground_truths", "extra_infos", "data_sources")
    given = ([None] * len(texts) if arguments.get(name) is None else arguments[name] for name in names)
    rows = zip(texts, *given, strict=True)
    return [_verl_item(text, reference, extra, source, columns) for text, reference, extra, source in rows]


def _verl_item(text: str, reference: Any, extra: Any, source: Any, columns: Columns) -> Item:
    """verl decodes without special tokens, and passes no prompt: the question is in `extra_info`, if anywhere.

    `index` there is the number of the row in its data set, by which samples of a problem are kept together.
    """
    extra = extra if isinstance(extra, Mapping) else {}
    if columns.reference is not None:
        reference = named(extra, columns.reference, "reference")
    index = plain(extra.get("index"))
    return Item(
        question=question_in(extra, columns),
        response=text,
        references=references_of(reference),
        data=data_in(extra, columns),
        group=None if index is None else f"{source}/{extra.get('split', '')}/{index}",
    )


def _openrlhf(arguments: Arguments, columns: Columns) -> list[Item]:
    """A query is the prompt and the response in one text, with special tokens."""
    queries, prompts, labels = arguments["queries"], arguments["prompts"], arguments["labels"]
    return [
        Item(
            question=question_of(prompt),
            response=without_ending(query.removeprefix(prompt)),
            references=references_of(label),
        )
        for query, prompt, label in zip(queries, prompts, labels, strict=True)
    ]


def _areal(arguments: Arguments, columns: Columns) -> list[Item]:
    prompt = arguments.get("messages") or arguments["prompt"]  # the row's own messages, else the decoded prompt
    return [_item(arguments, columns, prompt, response_of(arguments["completions"]))]


def _slime(arguments: Arguments, columns: Columns) -> list[Item]:
    sample = arguments["sample"]
    samples = sample if isinstance(sample, list) else [sample]
    return [_slime_item(each, columns) for each in samples]


def _slime_item(sample: Any, columns: Columns) -> Item:
    metadata = sample.metadata if isinstance(sample.metadata, Mapping) else {}
    reference = sample.label if columns.reference is None else named(metadata, columns.reference, "reference")
    return Item(
        question=question_in(metadata, columns, sample.prompt),
        response=response_of(sample.response),
        references=references_of(reference),
        data=data_in(metadata, columns),
    )


def _remote(arguments: Arguments, columns: Columns) -> list[Item]:
    """A body that slime posts to `--rm-url`."""
    reference = arguments["label"] if columns.reference is None else named(arguments, columns.reference, "reference")
    return [
        Item(
            question=question_in(arguments, columns, arguments["prompt"]),
            response=response_of(arguments["response"]),
            references=references_of(reference),
            data=data_in(arguments, columns),
        )
    ]


def _rubric(arguments: Arguments, columns: Columns) -> list[Item]:
    """A row of a `verifiers` environment before 0.2: `info` holds the columns that have no argument of their own."""
    state = arguments.get("state") or {}
    info = arguments.get("info") or state.get("info") or {}
    row = {**info, **{name: arguments[name] for name in ("answer",) if name in arguments}}
    row.setdefault("answer", state.get("answer"))
    prompt = arguments.get("prompt", state.get("prompt"))
    completion = arguments.get("completion", state.get("completion"))
    return [_item(row, columns, prompt, response_of(completion))]


def _verifiers(arguments: Arguments, columns: Columns) -> list[Item]:
    """A task's data and the trace of a rollout: `verifiers` 0.2 and later, prime-rl."""
    trace = arguments["trace"]
    task = arguments.get("task") or trace.task.data
    row = task.model_dump()
    prompt = row.get("prompt")
    if prompt is None:
        prompt = [message.model_dump() for message in trace.messages]
    group = row.get("idx")
    group = None if group is None else str(group)
    return [_item(row, columns, prompt, trace.last_reply, group=group)]


def _nemo_gym(arguments: Arguments, columns: Columns) -> list[Item]:
    """A body of `/verify`: what was asked, the response in the form of OpenAI's Responses, and the row's own fields."""
    body = arguments["body"]
    row = body if isinstance(body, Mapping) else body.model_dump()
    asked = row["responses_create_params"].get("input")
    row = {**(row.get("verifier_metadata") or {}), **row}
    known = {"index": row.get("_ng_rollout_index"), "group": row.get("_ng_task_index")}
    known["group"] = None if known["group"] is None else str(known["group"])
    fields = {name: value for name, value in row.items() if name not in ("responses_create_params", "response")}
    return [_item(fields, columns, asked, gym_text(row["response"]), **known)]


def gym_text(response: Mapping[str, Any]) -> str:
    """The text of a response in the form of OpenAI's Responses: that of its messages, without reasoning."""
    messages = (item for item in response.get("output") or () if item.get("type") == "message")
    return "".join(plain_text(message.get("content")) for message in messages)


def _inspect(arguments: Arguments, columns: Columns) -> list[Item]:
    state = arguments["state"]
    target = arguments["target"]
    reference = (
        list(target.target) if columns.reference is None else named(state.metadata, columns.reference, "metadata")
    )
    return [
        Item(
            question=state.input_text,
            response=state.output.completion,
            references=references_of(reference),
            data=data_in(state.metadata, columns),
            index=state.epoch - 1,
            group=str(state.sample_id),
        )
    ]


def _lm_eval(arguments: Arguments, columns: Columns) -> list[Item]:
    """A document and its filtered responses; with a filter that keeps all repeats, the first result is a list."""
    doc, results = arguments["doc"], arguments["results"]
    first = results[0] if results else ""
    responses = first if isinstance(first, list | tuple) else [first]
    return [_item(doc, columns, None, str(response), index=index) for index, response in enumerate(responses)]


def _lighteval(arguments: Arguments, columns: Columns) -> list[Item]:
    doc, made = arguments["doc"], arguments["model_response"]
    row = doc.specific or {}
    gold = doc.get_golds() if columns.reference is None else named(row, columns.reference, "reference")
    question = question_in(row, columns, doc.query)
    references, data = references_of(gold), data_in(row, columns)
    return [
        Item(question=question, response=text, references=references, data=data, index=index, group=str(doc.id))
        for index, text in enumerate(made.final_text)
    ]


def _open_instruct(arguments: Arguments, columns: Columns) -> list[Item]:
    query = arguments.get("query")
    references = references_of(arguments["label"])
    return [Item(question=question_of(query), response=response_of(arguments["prediction"]), references=references)]


# In the order of recognition: a call that has the marks of several is of the first.
_IN_ORDER = (
    Call(name="verl", marks=frozenset({"solution_str", "ground_truth"}), items=_verl),
    Call(name="verl_batch", marks=frozenset({"solution_strs", "ground_truths"}), items=_verl_batch, batched=True),
    Call(name="openrlhf", marks=frozenset({"queries", "prompts", "labels"}), items=_openrlhf),
    Call(name="trl", marks=frozenset({"prompts", "completions"}), items=_columns, batched=True),
    Call(name="tunix", marks=frozenset({"prompts", "completions"}), items=_columns, batched=True),
    Call(name="rubric_group", marks=frozenset({"prompts", "completions"}), items=_columns, batched=True),
    Call(name="areal", marks=frozenset({"prompt", "completions"}), items=_areal),
    Call(name="slime", marks=frozenset({"args", "sample"}), items=_slime, batched=True),
    Call(name="remote", marks=frozenset({"prompt", "response", "label"}), items=_remote),
    Call(name="verifiers", marks=frozenset({"trace"}), items=_verifiers),
    Call(name="nemo_gym", marks=frozenset({"body"}), items=_nemo_gym),
    Call(name="inspect", marks=frozenset({"state", "target"}), items=_inspect),
    Call(name="lm_eval", marks=frozenset({"doc", "results"}), items=_lm_eval),
    Call(name="lighteval", marks=frozenset({"doc", "model_response"}), items=_lighteval),
    Call(name="open_instruct", marks=frozenset({"prediction", "label"}), items=_open_instruct),
    Call(name="rubric", marks=frozenset({"state"}), items=_rubric),
    Call(name="rubric", marks=frozenset({"completion"}), items=_rubric),
)
CALLS: Mapping[str, Call] = MappingProxyType({call.name: call for call in _IN_ORDER})


def recognised(arguments: Arguments) -> Call | None:
    """The convention of a call with these arguments; None where it is of no known one."""
    return next((call for call in _IN_ORDER if call.marks <= arguments.keys()), None)
