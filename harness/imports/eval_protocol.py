"""Rows of Eval Protocol (`EvaluationRow`) as JSON lines -> rollouts.

eval-protocol/python-sdk 0.3.33, eval_protocol/models.py: `messages` with the prompt and the response, `ground_truth`,
`evaluation_result` with a score, its validity, and the metrics that it is made from. A score that is not valid is
undecided, with its reason. Does not depend on Eval Protocol.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from restem.benchmarks.json_lines import JsonLine
from restem.harness.imports.cells import numbered, question_of, response_of, rewards_of
from restem.harness.imports.format import Format, by_row
from restem.harness.imports.nested import count, part, references, word
from restem.harness.imports.rollout import TEST, Imported, Rollout
from restem.harness.imports.sources import Source

NAME = "eval_protocol"
SCORE = "score"


def recognises(source: Source) -> bool:
    """Whether the first row is an EvaluationRow."""
    fields = source.head
    return "messages" in fields and bool({"evaluation_result", "rollout_status"} & fields.keys())


def rollouts(row: JsonLine) -> Iterator[Imported]:
    """The rollout of one row: the last turn of the policy."""
    result = row.json_object("evaluation_result")
    scores: dict[str, Mapping[str, Any]] = {SCORE: result} if result else {}
    scores |= {f"metrics.{name}": part(result, "metrics", name) for name in part(result, "metrics")}
    rewards = rewards_of(row, {name: score.get("score") for name, score in scores.items()})
    invalid = [name for name, score in scores.items() if score.get("is_score_valid") is False or score.get("error")]
    said = {name: word(score.get("error")) or word(score.get("reason")) for name, score in scores.items()}
    completion = part(row.fields, "input_metadata", "completion_params")
    yield Rollout(
        place=row.place,
        question=question_of(row, "messages"),
        response=response_of(row, "messages"),
        series=word(completion.get("model")),
        split=TEST,
        references=references(row.fields, ("ground_truth",)),
        rewards={**rewards, **dict.fromkeys(invalid)},
        reasons={name: reason[:200] for name, reason in said.items() if reason and name in invalid},
        finish_reason=word(part(row.fields, "execution_metadata").get("finish_reason")),
        token_count=count(part(row.fields, "execution_metadata", "usage").get("completion_tokens")) or None,
    )


FORMAT = Format(name=NAME, title="rows of Eval Protocol", recognises=recognises, read=numbered(by_row(rollouts)))
