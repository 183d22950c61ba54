"""SkyRL's dumps of evaluations, `dumped_evals/global_step_40_evals/DATA_SOURCE.jsonl` -> rollouts.

NovaSky-AI/SkyRL:skyrl/train/utils/trainer_utils.py (`dump_per_dataset_eval_results`): `input_prompt` and
`output_response` as decoded text with its special tokens, `score` as a number or as one number a token, `stop_reason`,
`env_class`, `env_extras` with the reference, `data_source`. The dump of training is a pickle, which is never read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from restem.benchmarks.json_lines import JsonLine
from restem.harness.imports.cells import numbered, question_of, response_of, reward, text_or_none
from restem.harness.imports.format import Format, by_row
from restem.harness.imports.rollout import TEST, Imported, Rollout
from restem.harness.imports.sources import Source

NAME = "skyrl"
_STEP = re.compile(r"global_step_(\d+)")


def recognises(source: Source) -> bool:
    """Whether the first row has the dump's fields."""
    return {"input_prompt", "output_response", "score", "env_class"} <= source.head.keys()


def read(source: Source) -> Iterator[Imported]:
    """The rollouts of one file; the step stands in the name of its folder."""
    step = _STEP.search(source.path.absolute().parent.name)
    return by_row(lambda row: [rollout(row, int(step[1]) if step else None)])(source)


def rollout(row: JsonLine, step: int | None) -> Rollout:
    """The rollout of one row."""
    score, source = row.fields.get("score"), row.fields.get("data_source")
    if isinstance(score, list):
        parts = [reward(row, "score", part) for part in score]
        score = None if None in parts else sum(filter(None, parts))
    return Rollout(
        place=row.place,
        question=question_of(row, "input_prompt"),
        response=response_of(row, "output_response"),
        step=step,
        split=TEST,
        references=_references(row),
        rewards={"score": reward(row, "score", score)},
        finish_reason=text_or_none(row, "stop_reason"),
        strata={"data_source": source} if isinstance(source, str) else {},
    )


def _references(row: JsonLine) -> tuple[str, ...]:
    """The reference, which an environment calls `ground_truth`: of a `reward_spec` or `reward_model`, or alone."""
    extras = row.json_object("env_extras")
    for holder in (extras.get("reward_spec"), extras.get("reward_model"), extras):
        if isinstance(holder, dict) and holder.get("ground_truth") is not None:
            return JsonLine(place=row.place, raw=b"", fields=holder, error=row.error).answers("ground_truth")
    return ()


FORMAT = Format(name=NAME, title="SkyRL evaluation", recognises=recognises, read=numbered(read))
