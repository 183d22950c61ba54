"""Logs of Inspect, `.json` and `.eval` -> rollouts.

UKGovernmentBEIS/inspect_ai 0.3.285, inspect_ai/log/_log.py: a log has `eval` (task, model) and `samples`, each with id,
epoch, input, target, output and the scores of all scorers. A `.eval` is a zip of the same JSON packed by zstandard,
which Python reads from 3.14 on; before that inspect_ai itself reads it, where it is installed. A score of NaN or null
is Inspect's "unscored": undecided. Depends on inspect_ai only for a `.eval` that Python cannot read.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from restem.benchmarks.chat_templates import plain_question, plain_text
from restem.benchmarks.json_lines import BadLine, JsonLine
from restem.harness.errors import ConfigError
from restem.harness.imports.cells import is_number
from restem.harness.imports.format import Format
from restem.harness.imports.nested import count, objects, part, texts, word
from restem.harness.imports.rollout import TEST, Imported, Refused, Rollout
from restem.harness.imports.sources import EVAL, Source, without_value

NAME = "inspect_log"
# Inspect's own words for scores, inspect_ai/scorer/_metric.py (value_to_float).
WORDS = {"C": 1.0, "P": 0.5, "I": 0.0, "N": 0.0, "yes": 1.0, "true": 1.0, "no": 0.0, "false": 0.0}
NO_ANSWER = "N"
_ATTACHMENT = "attachment://"
_FINISHED = {"max_tokens": "length", "model_length": "length"}


def recognises(source: Source) -> bool:
    """Whether it is an Inspect log.

    Raises:
        ConfigError: It is a `.eval` that cannot be read here.
    """
    if source.kind == EVAL:
        _archive(source)
        return True
    return {"eval", "plan", "samples"} <= source.head.keys()


def read(source: Source) -> Iterator[Imported]:
    """The rollouts of a log, in its order of samples and epochs."""
    header, samples = _archive(source) if source.kind == EVAL else _json_log(source)
    for place, sample in samples:
        row = JsonLine(place=place, raw=b"", fields=dict(sample))
        try:
            yield rollout(row, part(header, "eval"))
        except BadLine as error:
            yield Refused(place=place, reason=without_value(error, place))


def _json_log(source: Source) -> tuple[Mapping[str, Any], Iterator[tuple[str, Mapping[str, Any]]]]:
    log = next((row.fields for row in source.rows() if isinstance(row, JsonLine)), {})
    return log, ((_place(source, sample), sample) for sample in objects(log.get("samples")))


def _archive(source: Source) -> tuple[Mapping[str, Any], Iterator[tuple[str, Mapping[str, Any]]]]:
    """Header and samples of a `.eval`.

    Raises:
        ConfigError: It is damaged, or neither Python nor an installed inspect_ai can read it.
    """
    try:
        with zipfile.ZipFile(source.path) as archive:
            names = [name for name in archive.namelist() if name.startswith("samples/")]
            start = "header.json" if "header.json" in archive.namelist() else "_journal/start.json"
            header = json.loads(archive.read(start))
        return header, _zipped(source, names)
    except NotImplementedError:
        return _through_inspect(source)
    except (OSError, KeyError, ValueError, RecursionError, zipfile.BadZipFile):
        raise ConfigError(f"{source.path}: a damaged Inspect log") from None


def _zipped(source: Source, names: list[str]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    with zipfile.ZipFile(source.path) as archive:
        for name in names:
            try:
                sample = json.loads(archive.read(name))
            except (OSError, ValueError, RecursionError, zipfile.BadZipFile):
                raise ConfigError(f"{source.path}: {name}: a damaged sample") from None
            yield _place(source, sample), sample


def _through_inspect(source: Source) -> tuple[Mapping[str, Any], Iterator[tuple[str, Mapping[str, Any]]]]:
    try:
        from inspect_ai.log import read_eval_log, read_eval_log_samples  # type: ignore[import-not-found]
    except ImportError:
        raise ConfigError(
            f"{source.path}: a .eval log needs inspect_ai here: pip install inspect_ai; or convert the log where it "
            "was written: inspect log convert LOG.eval --to json --output-dir DIR"
        ) from None
    header = read_eval_log(str(source.path), header_only=True)
    samples = read_eval_log_samples(str(source.path), all_samples_required=False, resolve_attachments=True)
    return _dumped(header), ((_place(source, sample), sample) for sample in map(_dumped, samples))


def _dumped(record: Any) -> Mapping[str, Any]:
    return record.model_dump(mode="json", exclude={"events"})


def _place(source: Source, sample: Mapping[str, Any]) -> str:
    return f"{source.name}:{sample.get('id')}:{sample.get('epoch')}"


def rollout(row: JsonLine, task: Mapping[str, Any]) -> Imported:
    """The rollout of a sample.

    Args:
        row: The sample.
        task: The log's `eval`.
    """
    sample = row.fields
    attached = _attached(sample)
    output = part(sample, "output")
    choice = next(iter(objects(output.get("choices"))), {})
    response = attached(word(output.get("completion")) or plain_text(part(choice, "message").get("content")))
    error = part(sample, "error").get("message")
    if not response and (error or not choice):
        why = f"ended in an error ({error})"[:200] if error else "has no completion"
        return Refused(place=row.place, reason=f"the sample {why}")
    question = plain_question(sample.get("input"))
    if question is None:
        raise row.unexpected("input", "a text, or messages with a turn of the user")
    rewards, reasons, answers = _scores(sample)
    stop, name = word(choice.get("stop_reason")), word(task.get("task"))
    epoch = count(sample.get("epoch"))
    return Rollout(
        place=row.place,
        question=attached(question),
        response=response,
        series=word(output.get("model")) or word(task.get("model")),
        split=TEST,
        group=f"{name} {sample.get('id')}",
        index=epoch - 1 if epoch else None,
        references=tuple(attached(text) for text in texts(sample.get("target")) if text),
        rewards=rewards,
        reasons=reasons,
        answers=answers,
        finish_reason=None if stop is None else _FINISHED.get(stop, stop),
        token_count=count(part(output, "usage").get("output_tokens")) or None,
        strata={} if name is None else {"task": name},
    )


def _scores(sample: Mapping[str, Any]) -> tuple[dict[str, float | None], dict[str, str], dict[str, str]]:
    """Name -> number, why there is none, and the answer that the scorer read; a score of several values is several."""
    rewards: dict[str, float | None] = {}
    reasons: dict[str, str] = {}
    answers: dict[str, str] = {}
    for scorer, score in part(sample, "scores").items():
        values = part(score).get("value")
        named = {f"{scorer}.{name}": value for name, value in values.items()} if isinstance(values, dict) else None
        for name, value in ({scorer: values} if named is None else named).items():
            rewards[name], why = number_of(value)
            why = why if why is None else word(part(score).get("reason")) or word(part(score).get("explanation")) or why
            if why is not None or value == NO_ANSWER:
                reasons[name] = why or "the scorer found no answer"
            if answer := word(part(score).get("answer")):
                answers[name] = answer
    return rewards, reasons, answers


def number_of(value: Any) -> tuple[float | None, str | None]:
    """A score's value as Inspect's own number, or why it has none."""
    if value is None or value != value:
        return None, "unscored"
    if is_number(value):
        return float(value), None
    if isinstance(value, str):
        known = WORDS.get(value, WORDS.get(value.lower()))
        if known is not None:
            return known, None
        try:
            return float(value), None
        except ValueError:
            pass
    return None, f"the score {str(value)[:40]!r} is no number"


def _attached(sample: Mapping[str, Any]) -> Callable[[str], str]:
    """Replaces a text that stands among the attachments of a sample, where long texts are kept once."""
    attachments = part(sample, "attachments")

    def resolved(text: str) -> str:
        whole = attachments.get(text.removeprefix(_ATTACHMENT)) if text.startswith(_ATTACHMENT) else None
        return whole if isinstance(whole, str) else text

    return resolved


FORMAT = Format(name=NAME, title="an Inspect log", recognises=recognises, read=read)
