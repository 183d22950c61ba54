"""results.jsonl of verifiers before 0.2 (`vf-eval --save-results`) -> rollouts.

PrimeIntellect-ai/verifiers 0.1.14, verifiers/utils/save_utils.py: one rollout a line; `metrics` holds the functions of
the rubric beside counts such as `num_turns`, and metadata.json beside the file names the model. A function that raised
was scored 0 there, which cannot be told apart any more; an `error` of the rollout is undecided. Does not depend on
verifiers.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any

from restem.benchmarks.json_lines import BadLine, JsonLine
from restem.harness.imports.cells import numbered, question_of, response_of, rewards_of
from restem.harness.imports.format import Format, by_row
from restem.harness.imports.nested import count, part, references, word
from restem.harness.imports.rollout import TEST, Imported, Refused, Rollout
from restem.harness.imports.sources import Source

NAME = "verifiers_results"
COUNTS = "num_"  # how the names of metrics begin that count something


def recognises(source: Source) -> bool:
    """Whether the first row is a result of verifiers."""
    return {"example_id", "prompt", "completion", "reward", "metrics"} <= source.head.keys()


@numbered
def read(source: Source) -> Iterator[Imported]:
    """The rollouts of a file."""
    metadata: Any = {}
    with contextlib.suppress(OSError, ValueError, RecursionError):  # the results are whole without it
        metadata = json.loads(source.path.with_name("metadata.json").read_bytes())
    model, env = word(part(metadata).get("model")), word(part(metadata).get("env_id"))
    yield from by_row(lambda row: [_rollout(row, model, env)])(source)


def _rollout(row: JsonLine, model: str | None, env: str | None) -> Imported:
    fields = row.fields
    metrics = {name: value for name, value in row.json_object("metrics").items() if not name.startswith(COUNTS)}
    rewards = rewards_of(row, {"reward": fields.get("reward"), **metrics})
    error = fields.get("error")
    if error is not None:
        rewards = dict.fromkeys(rewards)
    try:
        response = response_of(row, "completion")
    except BadLine:
        if error is None:
            raise
        response = ""
    if not response and error is not None:
        return Refused(place=row.place, reason=f"no completion: {_short(error)}")
    is_cut = fields.get("is_truncated")
    return Rollout(
        place=row.place,
        question=question_of(row, "prompt"),
        response=response,
        series=model,
        split=TEST,
        references=references(fields, ("answer",)) if fields.get("answer") != "" else (),
        rewards=rewards,
        reasons={} if error is None else dict.fromkeys(rewards, _short(error)),
        finish_reason="length" if is_cut is True else "stop" if is_cut is False else None,
        token_count=count(part(fields, "token_usage").get("final_output_tokens")) or None,
        strata={} if env is None else {"env": env},
    )


def _short(error: Any) -> str:
    """An error in a few words: a text, or an object with its type."""
    return str(error.get("error", error) if isinstance(error, dict) else error)[:200]


FORMAT = Format(name=NAME, title="results.jsonl of verifiers before 0.2", recognises=recognises, read=read)
