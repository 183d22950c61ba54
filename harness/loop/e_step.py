"""The E-step's last part: which of the verified samples train the policy, and with what weight. Pure; no JAX.

Takes one checkpoint's samples with the training verifier's verdicts; gives a Selection that says of every sample what
became of it. Undecided samples are dropped as undecided, never as wrong.
Source: ReST-EM, arXiv:2312.06585, section 3 (filter by reward, at most 10 solutions per problem).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import groupby

from restem.harness.config import SelectionConfig
from restem.harness.store.records import Sample, Selected, Selection
from restem.verifiers.verdict import Outcome, Verdict


def select(
    checkpoint: str, samples: Sequence[Sample], verdicts: Mapping[int, Verdict], config: SelectionConfig
) -> Selection:
    """The Selection that the M-step making `checkpoint` trains on.

    Rules that drop a sample: `undecided`, `wrong`, `cut_off` (the response hit the length limit), `minority` (rule
    `majority`: its answer is not its problem's most frequent), `no_weight`, `duplicate`, `cap`.

    Args:
        checkpoint: Id of the checkpoint to be trained.
        samples: Samples of one checkpoint, those of a problem together.
        verdicts: The training verifier's verdict on each sample, by sample id.
        config: Which rule, cap and weight.
    """
    rows: list[Selected] = []
    for _, group in groupby(samples, key=lambda sample: sample.problem):
        rows += _select_problem(list(group), verdicts, config)
    return Selection(checkpoint=checkpoint, rows=tuple(rows))


def _select_problem(
    samples: Sequence[Sample], verdicts: Mapping[int, Verdict], config: SelectionConfig
) -> list[Selected]:
    answers = [_answer(sample, verdicts[sample.id]) for sample in samples]
    # The earlier one on a tie.
    winner = Counter(answers).most_common(1)[0][0]
    rows: list[Selected] = []
    texts: set[str] = set()
    for sample, answer in zip(samples, answers, strict=True):
        verdict = verdicts[sample.id]
        weight = _weight(sample, verdict, config)
        if verdict.outcome is Outcome.UNDECIDED:
            dropped = "undecided"
        elif verdict.outcome is Outcome.WRONG:
            dropped = "wrong"
        elif sample.finish_reason != "stop":
            dropped = "cut_off"
        elif config.rule == "majority" and answer != winner:
            dropped = "minority"
        elif weight <= 0.0:
            dropped = "no_weight"
        elif config.dedupe and sample.text in texts:
            dropped = "duplicate"
        elif config.cap and sum(row.dropped_by is None for row in rows) >= config.cap:
            dropped = "cap"
        else:
            dropped = None
            texts.add(sample.text)
        rows.append(Selected(sample=sample.id, weight=0.0 if dropped else weight, dropped_by=dropped))
    return rows


def _weight(sample: Sample, verdict: Verdict, config: SelectionConfig) -> float:
    """The reward; or, for rule `weighted`, the verifier's score or the policy's own mean token probability."""
    if config.rule != "weighted":
        return float(verdict.reward or 0)
    if config.weight == "score":
        return verdict.score or 0.0
    return math.exp(sample.mean_logprob)


def _answer(sample: Sample, verdict: Verdict) -> str:
    """The answer as the verifier read it; the response's last line where it reads none, as a judge does."""
    return verdict.answer if verdict.answer is not None else sample.text.strip().rpartition("\n")[2]
