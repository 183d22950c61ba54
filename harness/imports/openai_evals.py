"""Logs of openai/evals (`oaieval --record_path`) -> rollouts.

openai/evals, evals/record.py (LocalRecorder): the first line is the run's `spec`, then one event a line, of which
`sampling` holds the prompt and what was sampled, `match` the verdict with the expected and the picked answer, and
`metrics` further numbers; the events of a sample are joined by `sample_id`. Does not depend on evals.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from restem.benchmarks.chat_templates import plain_text
from restem.benchmarks.json_lines import BadLine, JsonLine
from restem.harness.imports.cells import is_number, question_of, rewards_of
from restem.harness.imports.format import Format
from restem.harness.imports.nested import part, references, word
from restem.harness.imports.rollout import TEST, Imported, Refused, Rollout
from restem.harness.imports.sources import Source, without_value

NAME = "openai_evals"
MATCH = "match"
_SEVERAL = "the verdict belongs to the sample, for which the model was asked several times"


def recognises(source: Source) -> bool:
    """Whether the first row is the spec of a run of evals."""
    return {"completion_fns", "eval_name"} <= part(source.head, "spec").keys()


def read(source: Source) -> Iterator[Imported]:
    """The rollouts of a log, sample by sample; damaged lines first."""
    spec: Mapping[str, Any] = {}
    events: dict[str, list[JsonLine]] = {}
    for row in source.rows():
        if isinstance(row, Refused):
            yield row
        elif "spec" in row.fields:
            spec = part(row.fields, "spec")
        elif (sample := word(row.fields.get("sample_id"))) is not None:
            events.setdefault(sample, []).append(row)
        elif "final_report" not in row.fields:
            yield Refused(place=row.place, reason="sample_id: expected a text")
    for sample, of in events.items():
        yield from _sample(sample, of, spec)


def _sample(sample: str, events: Sequence[JsonLine], spec: Mapping[str, Any]) -> Iterator[Imported]:
    """The rollouts of a sample, one a text that was sampled."""
    of: dict[str, list[JsonLine]] = {}
    for event in events:
        of.setdefault(str(event.fields.get("type")), []).append(event)
    texts = [(event, text) for event in of.get("sampling", []) for text in _sampled(part(event.fields, "data"))]
    match = part(of[MATCH][-1].fields, "data") if MATCH in of else {}
    numbers = {MATCH: match.get("correct")} if MATCH in of else {}
    for event in of.get("metrics", []):
        numbers |= {name: value for name, value in part(event.fields, "data").items() if is_number(value)}
    if not texts:
        yield Refused(place=events[0].place, reason="the sample has no event `sampling` with a text")
    models = spec.get("completion_fns")
    for index, (event, text) in enumerate(texts):
        try:
            asked = JsonLine(place=event.place, raw=b"", fields=dict(part(event.fields, "data")))
            yield Rollout(
                place=event.place,
                question=question_of(asked, "prompt"),
                response=text,
                series=word(models[0]) if isinstance(models, list) and models else None,
                split=TEST,
                group=sample,
                index=index,
                references=references(match, ("expected",)),
                rewards=rewards_of(event, numbers) if len(texts) == 1 else dict.fromkeys(numbers),
                reasons={} if len(texts) == 1 else dict.fromkeys(numbers, _SEVERAL),
                answers={MATCH: picked} if (picked := word(match.get("picked"))) and len(texts) == 1 else {},
                strata={"task": name} if (name := word(spec.get("eval_name"))) else {},
            )
        except BadLine as error:
            yield Refused(place=event.place, reason=without_value(error, event.place))


def _sampled(data: Mapping[str, Any]) -> list[str]:
    """The texts of an event: one, or a list of them."""
    sampled = data.get("sampled")
    values = sampled if isinstance(sampled, list) else [sampled]
    return [plain_text(value) for value in values if isinstance(value, str)]


FORMAT = Format(name=NAME, title="a log of openai/evals", recognises=recognises, read=read)
