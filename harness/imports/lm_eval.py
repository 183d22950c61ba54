"""Samples of lm-evaluation-harness (`--log_samples`) -> rollouts.

EleutherAI/lm-evaluation-harness 0.4.13, lm_eval/evaluator.py and loggers/evaluation_tracker.py: a file
`samples_TASK_DATE.jsonl` holds a line for every document and filter, and `results_DATE.json` beside it names the model.
`resps[0]` holds all repeats of a document; a metric is that of the filtered answer. The same responses stand in the
lines of every filter, so lines are joined by document. Does not depend on lm-evaluation-harness.
"""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from restem.benchmarks.chat_templates import plain_question
from restem.benchmarks.columns import QUESTIONS
from restem.benchmarks.json_lines import DECODER, BadLine, JsonLine
from restem.harness.imports.cells import is_number
from restem.harness.imports.format import Format
from restem.harness.imports.nested import objects, part, texts, word
from restem.harness.imports.rollout import TEST, Imported, Refused, Rollout, number
from restem.harness.imports.sources import JSON_LINES, Source, without_value

NAME = "lm_eval"
NO_FILTER = "none"  # the name of the filter that takes the first response as it is
_FILE = re.compile(r"samples_(?P<task>.+)_(?P<date>\d{4}-\d\d-\d\dT[^_]+)\.jsonl$")
# Filters after which an answer is still that of one response. The others choose or count among the repeats.
_OF_ONE = frozenset(
    {"take_first", "regex", "regex_pos", "multi_choice_regex", "remove_whitespace", "lowercase", "uppercase", "map"}
)
_MAX_LITERAL = 10_000
_OF_ALL = "the metric belongs to one answer that was made from all repeats of the document"
_FIRST = "the metric belongs to the first repeat alone"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Run:
    """What the results beside a file of samples say.

    Attributes:
        task: The task; None where the file's name does not say it.
        model: The model; None without results.
        of_first: The filters whose answer is that of the first repeat.
    """

    task: str | None
    model: str | None
    of_first: frozenset[str]


def recognises(source: Source) -> bool:
    """Whether the first row is a sample of lm-evaluation-harness."""
    return source.kind == JSON_LINES and {"doc_id", "doc", "resps", "filtered_resps", "filter"} <= source.head.keys()


def read(source: Source) -> Iterator[Imported]:
    """The rollouts of a file, document by document; damaged lines first."""
    run = run_of(source)
    documents: dict[tuple[str, str], list[JsonLine]] = {}
    for row in source.rows():
        if isinstance(row, Refused):
            yield row
        else:
            # A document that a task asks in several forms has one number and several prompts.
            key = str(row.fields.get("doc_id")), str(row.fields.get("prompt_hash"))
            documents.setdefault(key, []).append(row)
    for lines in documents.values():
        try:
            yield from rollouts(lines, run)
        except BadLine as error:
            yield Refused(place=lines[0].place, reason=without_value(error, lines[0].place))


def run_of(source: Source) -> Run:
    """What is known about the run: from the file's name, and from the results beside it."""
    named = _FILE.search(source.name)
    if named is None:
        return Run(task=None, model=None, of_first=frozenset({NO_FILTER}))
    results: Mapping[str, Any] = {}
    beside = source.path.with_name(f"results_{named['date']}.json")
    with contextlib.suppress(OSError, ValueError, RecursionError):  # the samples are whole without it
        results = json.loads(beside.read_bytes())
    filters = objects(part(results, "configs", named["task"]).get("filter_list"))
    steps = {
        str(each.get("name")): {str(step.get("function")) for step in objects(each.get("filter"))} for each in filters
    }
    of_first = {name for name, of in steps.items() if of <= _OF_ONE} if steps else {NO_FILTER}
    return Run(task=named["task"], model=word(part(results).get("model_name")), of_first=frozenset(of_first))


def rollouts(lines: Sequence[JsonLine], run: Run) -> Iterator[Imported]:
    """The rollouts of a document, one a repeat.

    Args:
        lines: Its lines, one a filter.
        run: What is known about the run.
    """
    first = lines[0]
    responses = _responses(first)
    if responses is None:
        yield Refused(place=first.place, reason="resps: log-likelihoods; the policy wrote no text")
        return
    repeats: list[dict[str, Any]] = [{"rewards": {}, "reasons": {}, "answers": {}} for _ in responses]
    for line in lines:
        _add_scores(line, repeats, run)
    for index, (response, scores) in enumerate(zip(responses, repeats, strict=True)):
        yield Rollout(
            place=first.place,
            question=_question(first),
            response=response,
            series=run.model,
            split=TEST,
            group=_group(first, run),
            index=index,
            references=references(first.fields.get("target")),
            strata={} if run.task is None else {"task": run.task},
            **scores,
        )


def _group(row: JsonLine, run: Run) -> str | None:
    """The document, which in another task is another problem."""
    document = word(row.fields.get("doc_hash"))
    return None if document is None else f"{run.task} {document}"


def _responses(row: JsonLine) -> list[str] | None:
    """All repeats of a document's one request; None where a model's choices were compared instead."""
    resps = row.fields.get("resps")
    if not isinstance(resps, list) or not all(isinstance(each, list) for each in resps) or not resps:
        raise row.unexpected("resps", "a list of lists")
    if len(resps) > 1 or not all(isinstance(each, str) for each in resps[0]):
        return None
    return resps[0]


def _add_scores(line: JsonLine, repeats: Sequence[dict[str, Any]], run: Run) -> None:
    """Adds what one line, which is of one filter, says about each repeat."""
    name = str(line.fields.get("filter"))
    filtered, metrics = line.fields.get("filtered_resps"), line.fields.get("metrics")
    answers = filtered[0] if isinstance(filtered, list) and filtered and isinstance(filtered[0], list) else filtered
    for metric in metrics if isinstance(metrics, list) else []:
        recorded = str(metric) if name == NO_FILTER else f"{name}.{metric}"
        value = line.fields.get(str(metric))
        for index, scores in enumerate(repeats):
            value_of_it, why = _share(value, index, len(repeats), name in run.of_first)
            scores["rewards"][recorded] = value_of_it
            if why is not None:
                scores["reasons"][recorded] = why
            elif isinstance(answers, list) and index < len(answers) and isinstance(answers[index], str):
                scores["answers"][recorded] = answers[index]


def _share(value: Any, index: int, repeats: int, of_first: bool) -> tuple[float | None, str | None]:
    """The part of a metric that belongs to one repeat, or why none does."""
    if isinstance(value, list) and len(value) == repeats and all(is_number(each) for each in value):
        return number(value[index]), None
    if not is_number(value):
        return None, f"the metric is no number but {type(value).__name__}"
    if repeats == 1 or (of_first and index == 0):
        return number(value), None
    return None, _FIRST if of_first else _OF_ALL


def _question(row: JsonLine) -> str:
    """The document's own question where the prompt holds it, so that other prompts lead to the same text."""
    asked = part(row.fields, "arguments", "gen_args_0").get("arg_0")
    if isinstance(asked, list) and len(asked) == 1 and isinstance(asked[0], str):
        asked = asked[0]  # a chat, as a JSON text in a list
    if isinstance(asked, str) and asked.startswith('[{"role"'):
        with contextlib.suppress(ValueError, RecursionError):  # a question may begin like this
            asked = DECODER.decode(asked)
    question = plain_question(asked)
    if question is None:
        raise row.error(f"{row.place}: arguments.gen_args_0.arg_0: expected a prompt, found {asked!r:.40}")
    doc = part(row.fields, "doc")
    own = (doc[name] for name in QUESTIONS if isinstance(doc.get(name), str) and doc[name].strip())
    return next((text for text in own if text.strip() in question), question)


def references(target: Any) -> tuple[str, ...]:
    """The accepted answers in a target, which is the text of whatever the task holds: `7`, `['7', '7.0']`."""
    if isinstance(target, str) and target[:1] == "[" and target[-1:] == "]" and len(target) <= _MAX_LITERAL:
        try:
            listed = ast.literal_eval(target)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            return (target,)
        if isinstance(listed, list) and listed and all(isinstance(each, str) for each in listed):
            return texts(listed)
    return texts(target)


FORMAT = Format(name=NAME, title="samples of lm-evaluation-harness", recognises=recognises, read=read)
