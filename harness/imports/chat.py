"""Chats in OpenAI's form as JSON lines -> rollouts.

A row holds `messages`. The response is the last turn of the assistant; where the row also holds `choices`, as replies
of the server do, they are the samples and the last turn of the user is the question. A number called `reward` or
`score` and a text called as a reference are taken along. The output of OpenAI's batch endpoint holds replies without
their questions: those rows are refused with what to do. Depends on nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator

from restem.benchmarks.chat_templates import as_messages, plain_text
from restem.benchmarks.json_lines import JsonLine
from restem.harness.imports.cells import is_number, numbered, question_of, response_of, rewards_of
from restem.harness.imports.format import Format, by_row
from restem.harness.imports.nested import objects, part, references, word
from restem.harness.imports.rollout import Imported, Refused, Rollout
from restem.harness.imports.sources import Source

NAME = "chat"
REWARDS = ("reward", "score")
_BATCH = {"custom_id", "response"}
_NO_QUESTION = (
    "the output of a batch holds no question; join it with its input by custom_id, and write messages and choices"
)


def recognises(source: Source) -> bool:
    """Whether the first row holds messages, or is a line of a batch's output."""
    return as_messages(source.head.get("messages")) is not None or source.head.keys() >= _BATCH


def rollouts(row: JsonLine) -> Iterator[Imported]:
    """The rollouts of one row: one a choice, or the last turn of the assistant."""
    fields = row.fields
    if "messages" not in fields and fields.keys() >= _BATCH:
        yield Refused(place=row.place, reason=_NO_QUESTION)
        return
    question, choices = question_of(row, "messages"), objects(fields.get("choices"))
    rewards = {
        name: fields[name] for name in REWARDS if name in fields and (fields[name] is None or is_number(fields[name]))
    }
    contents = [part(choice, "message").get("content") for choice in choices] or [response_of(row, "messages")]
    for number, content in enumerate(contents):
        if content is None:
            yield Refused(place=row.place, reason="choices: a turn of the assistant without text")
            continue
        yield Rollout(
            place=row.place,
            question=question,
            response=plain_text(content),
            series=word(fields.get("model")),
            references=references(fields),
            # One number a row is no number of each of its choices.
            rewards=rewards_of(row, rewards) if len(contents) == 1 else {},
            finish_reason=word(choices[number].get("finish_reason")) if choices else None,
        )


FORMAT = Format(name=NAME, title="chats in OpenAI's form", recognises=recognises, read=numbered(by_row(rollouts)))
