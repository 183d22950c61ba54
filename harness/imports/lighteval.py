"""Details of lighteval (`--save-details`) as Parquet -> rollouts.

huggingface/lighteval 0.13, lighteval/logging/info_loggers.py (DetailsLogger): a row a document, with `doc` (query,
choices, gold_index), `metric` (name -> number) and `model_response` (text: a list of samples). A metric is a number of
the document: it belongs to a sample only where there is one sample. Does not depend on lighteval.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from restem.benchmarks.chat_templates import plain_question
from restem.benchmarks.json_lines import JsonLine
from restem.harness.imports.cells import numbered, rewards_of
from restem.harness.imports.format import Format, by_row
from restem.harness.imports.nested import part, texts, word
from restem.harness.imports.rollout import TEST, Imported, Refused, Rollout
from restem.harness.imports.sources import PARQUET, Source

NAME = "lighteval"
_FILE = re.compile(r"details_(?P<task>.+)_\d{4}-\d\d-\d\dT[^_]+\.parquet$")


def recognises(source: Source) -> bool:
    """Whether it is a file of details."""
    return source.kind == PARQUET and {"doc", "metric", "model_response"} <= source.head.keys()


@numbered
def read(source: Source) -> Iterator[Imported]:
    """The rollouts of a file; its folder is named by the date, and that one's folder by the model."""
    named = _FILE.search(source.name)
    folder = source.path.absolute().parent.parent
    model = folder.name if named is not None and "details" in folder.parts else None
    yield from by_row(lambda row: rollouts(row, model))(source)


def rollouts(row: JsonLine, model: str | None = None) -> Iterator[Imported]:
    """The rollouts of one document.

    Args:
        row: The document.
        model: What the folder calls the model.
    """
    doc = part(row.fields, "doc")
    question = plain_question(doc.get("query"))
    if not question:
        raise row.error(f"{row.place}: doc.query: expected a text, found {doc.get('query')!r:.40}")
    responses = part(row.fields, "model_response").get("text")
    responses = responses if isinstance(responses, list) else []
    if not responses:
        yield Refused(place=row.place, reason="model_response.text: empty; the policy wrote no text")
    metrics = {name: value for name, value in part(row.fields, "metric").items() if value is not None}
    for response in responses:
        if not isinstance(response, str):
            yield Refused(place=row.place, reason="model_response.text: expected texts")
            continue
        only = len(responses) == 1
        why = f"the metric belongs to the document, which has {len(responses)} samples"
        yield Rollout(
            place=row.place,
            question=question,
            response=response,
            series=model,
            split=TEST,
            references=references(doc),
            rewards=rewards_of(row, metrics) if only else dict.fromkeys(metrics),
            reasons={} if only else dict.fromkeys(metrics, why),
            strata={"task": name} if (name := word(doc.get("task_name"))) else {},
        )


def references(doc: Mapping[str, Any]) -> tuple[str, ...]:
    """The choices that are right."""
    choices, gold = doc.get("choices"), doc.get("gold_index")
    if not isinstance(choices, list):
        return ()
    places = gold if isinstance(gold, list) else [gold]
    return texts([choices[at] for at in places if isinstance(at, int) and 0 <= at < len(choices)])


FORMAT = Format(name=NAME, title="details of lighteval", recognises=recognises, read=read)
