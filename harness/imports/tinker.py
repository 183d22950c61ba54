"""tinker-cookbook's files -> rollouts: `trajectories.jsonl` of a benchmark, `*_rollout_summaries.jsonl` of training.

thinking-machines-lab/tinker-cookbook:tinker_cookbook/eval/benchmarks/_types.py (`StoredTrajectory`) keeps all turns as
text. tinker_cookbook/rl/rollout_logging.py (`serialize_rollout_summaries`) keeps rewards and lengths: a text is there
only where the environment put it into `logs` of a step, and the benchmarks cut it there to 500 characters.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from restem.benchmarks.chat_templates import as_messages, plain_question, plain_response
from restem.benchmarks.json_lines import JsonLine
from restem.harness.imports.cells import is_number, numbered, rewards_of, whole_number
from restem.harness.imports.format import Format, by_row
from restem.harness.imports.nested import count
from restem.harness.imports.rollout import TEST, TRAIN, Imported, Refused, Rollout
from restem.harness.imports.sources import Source

NAME = "tinker"
QUESTIONS, RESPONSES = ("question", "input", "prompt", "problem"), ("response", "output", "completion")
REFERENCES = ("expected", "reference", "reference_answer", "answer", "ground_truth")
CUT = 500  # characters of a response that the benchmarks of tinker-cookbook log
_NO_TEXT = (
    "no text of the response is logged; let the environment put `question` and `response` into `logs`, or wrap its "
    'check with restem.verifiers.adapters.recorded(function, "rows.jsonl")'
)
_IS_CUT = f"the logged response is cut to {CUT} characters"


def recognises(source: Source) -> bool:
    """Whether the first row is a stored trajectory or a summary of a rollout."""
    fields = source.head.keys()
    return {"turns", "benchmark", "reward"} <= fields or {"group_idx", "traj_idx", "total_reward", "steps"} <= fields


def rollouts(row: JsonLine) -> Iterator[Imported]:
    """The rollout of one row, or the row refused."""
    yield _stored(row) if "turns" in row.fields else _summary(row)


def _stored(row: JsonLine) -> Imported:
    turns = as_messages(row.fields.get("turns")) or ()
    question, response = plain_question(turns), plain_response(turns)
    error, logs = row.optional_text("error"), row.json_object("logs")
    if question is None or response is None:
        return Refused(place=row.place, reason="error" if error else "turns: no turn of the user or of the policy")
    rewards = {"reward": row.fields.get("reward"), **_numbers(row.json_object("metrics"))}
    if error:
        rewards = dict.fromkeys(rewards)
    benchmark, example = row.text("benchmark"), row.fields.get("example_id") or None
    tokens = [turn.get("token_count") for turn in turns if turn.get("role") == "assistant"]
    return Rollout(
        place=row.place,
        question=question,
        response=response,
        split=TEST,
        group=None if example is None else f"{benchmark}/{example}",
        references=_references(row, [logs]),
        rewards=rewards_of(row, rewards),
        reasons=dict.fromkeys(rewards, error) if error else {},
        token_count=(count(tokens[-1]) or None) if tokens else None,
        strata={"benchmark": benchmark},
    )


def _summary(row: JsonLine) -> Imported:
    steps = row.fields.get("steps")
    if not isinstance(steps, list) or not all(isinstance(step, dict) for step in steps):
        raise row.unexpected("steps", "a list of objects")
    logs = [step["logs"] for step in reversed(steps) if isinstance(step.get("logs"), dict)]
    question, response = _first_text(logs, QUESTIONS), _first_text(logs, RESPONSES)
    if question is None or response is None:
        return Refused(place=row.place, reason=_NO_TEXT)
    if len(response) == CUT:
        return Refused(place=row.place, reason=_IS_CUT)
    last = steps[-1].get("metrics") if steps else None
    rewards = {"reward": row.fields.get("total_reward"), **_numbers(last if isinstance(last, dict) else {})}
    sampled = whole_number(row, "sampling_client_step")
    return Rollout(
        place=row.place,
        question=question,
        response=response,
        step=whole_number(row, "iteration") if sampled is None else sampled,
        split=TRAIN if row.fields.get("split") == TRAIN else TEST,
        references=_references(row, logs),
        rewards=rewards_of(row, rewards),
    )


def _numbers(metrics: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in metrics.items() if is_number(value)}


def _first_text(logs: Sequence[Mapping[str, Any]], names: Sequence[str]) -> str | None:
    texts = (log.get(name) for log in logs for name in names)
    return next((text for text in texts if isinstance(text, str) and text), None)


def _references(row: JsonLine, logs: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    for log in logs:
        for name in REFERENCES:
            if log.get(name) is not None:
                return JsonLine(place=row.place, raw=b"", fields=dict(log), error=row.error).answers(name)
    return ()


FORMAT = Format(name=NAME, title="tinker-cookbook", recognises=recognises, read=numbered(by_row(rollouts)))
