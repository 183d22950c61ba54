"""How different a policy's samples of one problem are, over iterations: distinct texts, and entropy of the answers.

Takes Findings; gives one Diversity a checkpoint. Test samples; of an arm with replicates the mean of their values.
Does not depend on tables or figures.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from restem.reports.analysis.findings import TEST, Findings, Standing, averaged
from restem.reports.data.run import Arm, Run
from restem.reports.stats.diversity import distinct_share, entropy
from restem.reports.stats.estimates import Estimate, Floats, Ints, t_mean

RIGHT, NONE = "correct answer", "no answer"  # answers are read without spaces, so none is called so


@dataclasses.dataclass(frozen=True, kw_only=True)
class Diversity:
    """A checkpoint's test samples of one problem, mean over problems.

    Attributes:
        distinct: Distinct texts per sample.
        texts: Entropy of the texts, in nats.
        answers: Entropy of the final answers.
        change: Of the answers' entropy since the base, paired by problem; nothing for the base.
    """

    arm: Arm | None
    iteration: int
    distinct: Estimate
    texts: Estimate
    answers: Estimate
    change: Estimate


def diversities(findings: Findings) -> list[Diversity]:
    """The base and every arm's checkpoints; nothing where every problem has one sample."""
    if findings.samples_per_problem < 2:
        return []
    base = _values(findings.run, findings.base) if findings.base else None
    standings = [s for (name, iteration), s in findings.standings.items() if iteration or not name]
    return [_diversity(findings.run, standing, base) for standing in standings]


def _diversity(run: Run, standing: Standing, base: tuple[Floats, ...] | None) -> Diversity:
    distinct, texts, answers = _values(run, standing)
    changed = answers - base[2] if base and standing.arm else np.full(len(answers), np.nan)
    n = standing.n
    return Diversity(
        arm=standing.arm,
        iteration=standing.iteration,
        distinct=t_mean(distinct, n),
        texts=t_mean(texts, n),
        answers=t_mean(answers, n),
        change=t_mean(changed, n),
    )


def _values(run: Run, standing: Standing) -> tuple[Floats, ...]:
    """Distinct texts per sample, entropy of texts and entropy of answers of each problem, mean over replicates."""
    parts = [_of_checkpoint(run, run.rows(s.checkpoint, TEST)) for s in standing.replicates or (standing,)]
    return tuple(averaged(values) for values in zip(*parts, strict=True))


def _of_checkpoint(run: Run, rows: Ints) -> tuple[Floats, Floats, Floats]:
    problem, text, size = run.samples.problem[rows], run.samples.text[rows], run.size(TEST)
    return (
        distinct_share(text, problem, size),
        entropy(text, problem, size),
        entropy(_answers(run, rows), problem, size),
    )


def _answers(run: Run, rows: Ints) -> Ints:
    """A number for each answer; all correct ones are one answer, as they equal the reference and so each other."""
    right = run.outcome(run.gold, rows) == 1
    read = ("".join(run.answers[int(row)].split()) for row in rows)
    numbers: dict[str, int] = {}
    names = (RIGHT if correct else answer or NONE for correct, answer in zip(right, read, strict=True))
    return np.array([numbers.setdefault(name, len(numbers)) for name in names], np.int64)
