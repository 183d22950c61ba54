"""Output of NeMo-Skills (`ns generate`, `ns eval`) -> rollouts.

NVIDIA/NeMo-Skills, nemo_skills/evaluation/metrics/math_metrics.py and utils.py: a line of output.jsonl holds `problem`,
`expected_answer`, `generation`, `predicted_answer`, the verdict of the rule (`symbolic_correct`, `is_correct` in older
files) and the judge's reply (`judgement`, which ends `Judgement: Yes` or `No`). Sample N of a problem stands in
output-rsN.jsonl. A reply of the judge without a verdict, which NeMo-Skills counts as wrong, is undecided. Does not
depend on NeMo-Skills.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from restem.benchmarks.json_lines import JsonLine
from restem.harness.imports.cells import is_number, numbered, rewards_of
from restem.harness.imports.format import Format, by_row
from restem.harness.imports.nested import count, references, word
from restem.harness.imports.rollout import TEST, Imported, Rollout
from restem.harness.imports.sources import Source

NAME = "nemo_skills"
RULES = ("symbolic_correct", "is_correct")
JUDGE, REPLY, MODEL = "judge_correct", "judgement", "reward_model_score"
_VERDICT = re.compile(r"\s*(yes|no)", re.IGNORECASE)
_SEED = re.compile(r"-rs(\d+)[.-]")


def recognises(source: Source) -> bool:
    """Whether the first row is an output of NeMo-Skills."""
    fields = source.head.keys()
    return {"problem", "generation", "expected_answer"} <= fields and bool({"predicted_answer", *RULES, REPLY} & fields)


def read(source: Source) -> Iterator[Imported]:
    """The rollouts of a file."""
    seed = _SEED.search(source.name)
    if seed is not None:
        yield from by_row(lambda row: rollouts(row, int(seed[1])))(source)
    else:
        yield from numbered(by_row(rollouts))(source)


def rollouts(row: JsonLine, index: int | None = None) -> Iterator[Imported]:
    """The rollout of one row, as the sample of that number."""
    fields, response = row.fields, row.text("generation")
    named = {name: fields[name] for name in (*RULES, MODEL) if fields.get(name) is not None}
    rewards = rewards_of(row, {name: value for name, value in named.items() if is_number(value)})
    if REPLY in fields:
        rewards[JUDGE] = judged(fields[REPLY])
    answer = word(fields.get("predicted_answer"))
    yield Rollout(
        place=row.place,
        question=row.text("problem"),
        response=response,
        split=TEST,
        index=index,
        references=references(fields, ("expected_answer",)),
        rewards=rewards,
        reasons={JUDGE: "the judge's reply holds no verdict"} if rewards.get(JUDGE, 0) is None else {},
        answers=dict.fromkeys((name for name in RULES if name in rewards), answer) if answer else {},
        token_count=count(fields.get("num_generated_tokens")) or None,
    )


def judged(reply: Any) -> float | None:
    """The verdict at the end of a judge's reply; None where there is none."""
    _, marked, end = reply.rpartition("Judgement:") if isinstance(reply, str) else ("", "", "")
    verdict = _VERDICT.match(end) if marked else None
    return None if verdict is None else float(verdict[1].lower() == "yes")


FORMAT = Format(name=NAME, title="output of NeMo-Skills", recognises=recognises, read=read)
