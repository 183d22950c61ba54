"""The last part of the E-step: the Selection of a checkpoint's verified samples.

Takes one checkpoint's samples with the training verifier's verdicts; gives a Selection that states for every sample
its weight or why it was dropped. The rules stand in harness/store/selection_rules.py. Undecided samples are dropped as
undecided, never as wrong. It does not depend on JAX.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import groupby

from restem.harness.settings import SelectionConfig
from restem.harness.store.records import Sample, Selected, Selection
from restem.harness.store.selection_rules import Candidate, SelectionSettings, answer_of, fates
from restem.verifiers.verdict import Verdict


def select(
    checkpoint: str, samples: Sequence[Sample], verdicts: Mapping[int, Verdict], config: SelectionConfig
) -> Selection:
    """The Selection that the M-step making `checkpoint` trains on.

    Args:
        checkpoint: Id of the checkpoint to be trained.
        samples: Samples of one checkpoint, those of a problem together.
        verdicts: The training verifier's verdict on each sample, by sample id.
        config: Which rule, cap and weight.
    """
    settings = SelectionSettings(**config.model_dump())
    rows: list[Selected] = []
    for _, group in groupby(samples, key=lambda sample: sample.problem):
        of_problem = list(group)
        candidates = [_candidate(sample, verdicts[sample.id]) for sample in of_problem]
        for sample, fate in zip(of_problem, fates(candidates, settings), strict=True):
            rows.append(Selected(sample=sample.id, weight=fate.weight, dropped_by=fate.dropped_by))
    return Selection(checkpoint=checkpoint, rows=tuple(rows))


def _candidate(sample: Sample, verdict: Verdict) -> Candidate:
    assert sample.token_count is not None  # of this run, not imported
    return Candidate(
        outcome=verdict.outcome,
        complete=sample.finish_reason == "stop",
        text=sample.text,
        answer=answer_of(verdict.answer, sample.text),
        score=verdict.score or 0.0,
        confidence=math.nan if sample.mean_logprob is None else math.exp(sample.mean_logprob),
        tokens=sample.token_count,
    )
