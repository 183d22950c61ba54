"""Each verifier against the gold on the test samples: of every checkpoint of an arm, and of all checkpoints together.

Takes a Run; gives one Measured a verifier and place. A place is an arm's checkpoint in all its replicates, or the base:
their samples are counted together, each judged by the verifier as it is in that replicate. The problems are the same in
all of them, so an interval by problem takes all samples of a problem, whichever replicate drew them, as one cluster: it
speaks of these seeds.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from restem.harness.names import BASE
from restem.reports.analysis.findings import TEST
from restem.reports.data.run import Run
from restem.reports.stats import agreement, estimates, reward_quality
from restem.reports.stats.estimates import Estimate, Floats, Ints
from restem.reports.stats.reward_quality import Agreement, RewardQuality

Drawn = tuple[str, int]  # a checkpoint, and the number of the replicate that it is of


@dataclasses.dataclass(frozen=True, kw_only=True)
class Measured:
    """A verifier against the gold on a place's own samples.

    Attributes:
        checkpoint: The place, by its id in the first replicate; "" for all together.
        replicates: As many are counted together here.
    """

    verifier: str
    checkpoint: str
    replicates: int
    scored: int
    undecided: int
    reasons: tuple[tuple[str, int], ...]
    quality: RewardQuality


@dataclasses.dataclass(frozen=True, kw_only=True)
class Constant:
    """The figures of a verifier that gives every sample the same outcome: the baseline for all others.

    Attributes:
        accepts: Whether it accepts every sample, or rejects every sample.
        best: Whether it agrees with the gold more often than the other constant.
        prevalence: Share of all samples that the gold calls correct: what is right of the accepted.
    """

    accepts: bool
    best: bool
    n: int
    prevalence: Estimate
    agreement: Agreement


@dataclasses.dataclass(frozen=True, kw_only=True)
class Steadiness:
    """How repeatable, how fast and how expensive a verifier's verdicts are.

    Attributes:
        flips: Of a text that it judged more than once, the share of pairs of verdicts that differ.
        median: Seconds of a verdict; the mean over replicates, of a verifier with a seed in each. So are the next two.
        slow: What 95 % of its verdicts take at most.
        usd: Of a verdict.
    """

    verifier: str
    flips: Estimate
    median: float
    slow: float
    usd: float


def places(run: Run) -> dict[str, tuple[Drawn, ...]]:
    """The base and every arm's checkpoints, by the id of the first replicate, each in all its replicates.

    Of an imported run: its training steps.
    """
    if run.imported:
        return {id: ((id, 0),) for id in run.checkpoints if len(run.rows(id, TEST))}
    drawn_at: dict[str, list[Drawn]] = {BASE: []}
    if len(run.rows(BASE, TEST)):
        drawn_at[BASE] = [(BASE, number) for number in range(int(run.suite.get("replicates", 1)))]
    for arm in run.arms:
        for number, replica in enumerate(run.replicates(arm)):
            for checkpoint in run.chain(replica.name):
                if len(run.rows(checkpoint.id, TEST)):
                    drawn_at.setdefault(f"{arm.name}/{checkpoint.iteration}", []).append((checkpoint.id, number))
    return {place: tuple(drawn) for place, drawn in drawn_at.items()}


def every(run: Run) -> tuple[Drawn, ...]:
    """The checkpoints of all places."""
    return tuple(itertools.chain.from_iterable(places(run).values()))


def called(run: Run, drawn: Iterable[Drawn], names: Sequence[str]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Checkpoints, each with what the verifiers are called in its replicate.

    The base is the same in all replicates: it is repeated only where one of the verifiers judges it again in each.
    """
    return tuple(dict.fromkeys((id, tuple(run.own(name, number) for name in names)) for id, number in drawn))


def judged(run: Run, drawn: Iterable[Drawn], names: Sequence[str], *, by_all: bool = False) -> tuple[Ints, Floats]:
    """Test samples, and each verifier's outcomes on them (a row a verifier).

    Args:
        by_all: Only samples that every one of the verifiers has judged.
    """
    parts = [(run.rows(id, TEST), replicas) for id, replicas in called(run, drawn, names)]
    if by_all:
        parts = [
            (rows[np.all([run.asked(name, rows) for name in replicas], axis=0)], replicas) for rows, replicas in parts
        ]
    outcomes = [np.stack([run.outcome(name, rows) for name in replicas]) for rows, replicas in parts]
    rows = np.concatenate([np.zeros(0, np.int64), *(rows for rows, _ in parts)])
    return rows, np.concatenate([np.zeros((len(names), 0)), *outcomes], axis=1)


def against(run: Run, drawn: Iterable[Drawn], verifier: str, other: str | None = None) -> Ints:
    """Counts per test problem of a verifier against another (the gold, unless named)."""
    rows, (left, right) = judged(run, drawn, (verifier, other or run.gold))
    return reward_quality.confusion(left, right, run.samples.problem[rows], run.size(TEST))


def measured(run: Run) -> list[Measured]:
    """Every compared verifier at all places together, and at each that it was asked at."""
    results: list[Measured] = []
    for name in run.compared:
        each = [item for place, drawn in places(run).items() if (item := _measured(run, name, place, drawn)).scored]
        results += [_measured(run, name, "", every(run)), *each] if each else []
    return results


def _measured(run: Run, verifier: str, place: str, drawn: Sequence[Drawn]) -> Measured:
    parts = [(id, name, run.rows(id, TEST)) for id, (name,) in called(run, drawn, (verifier,))]
    scored = sum(run.scored(name, rows) for _, name, rows in parts)
    decided = sum(int((~np.isnan(run.outcome(name, rows))).sum()) for _, name, rows in parts)
    reasons: Counter[str] = Counter()
    for id, name, _ in parts:
        reasons.update(dict(run.reasons.get((id, TEST, name), ())))
    return Measured(
        verifier=verifier,
        checkpoint=place,
        replicates=len(parts),
        scored=scored,
        undecided=scored - decided,
        reasons=tuple(sorted(reasons.items(), key=lambda item: (-item[1], item[0]))),
        quality=reward_quality.reward_quality(against(run, drawn, verifier)),
    )


def constants(run: Run) -> tuple[Constant, ...]:
    """Accepting all, and the better one of accepting and rejecting all, on all samples that the gold decided."""
    rows, (gold,) = judged(run, every(run), (run.gold,))
    correct, decided = estimates.per_problem(gold, run.samples.problem[rows], run.size(TEST))
    if not decided.any():
        return ()
    none = np.zeros_like(correct)
    accepting = np.stack([correct, decided - correct, none, none], axis=1)
    better = bool(2 * correct.sum() >= decided.sum())
    tables = [(True, accepting)] if better else [(True, accepting), (False, accepting[:, [2, 3, 0, 1]])]
    return tuple(
        Constant(
            accepts=accepts,
            best=accepts == better,
            n=int(decided.sum()),
            prevalence=estimates.proportion(correct, decided),
            agreement=reward_quality.agreement(table),
        )
        for accepts, table in tables
    )


def steadiness(run: Run) -> list[Steadiness]:
    """Every compared verifier."""
    rows = np.concatenate([np.zeros(0, np.int64), *(run.rows(id, TEST) for id in dict.fromkeys(dict(every(run))))])
    problem, text = run.samples.problem[rows], run.samples.text[rows]
    results: list[Steadiness] = []
    for name in run.compared:
        replicas = list(dict.fromkeys(run.own(name, n) for n in range(int(run.suite.get("replicates", 1)))))
        outcomes = np.concatenate([run.outcome(replica, rows) for replica in replicas])
        texts = np.concatenate([text + n * len(run.samples.id) for n in range(len(replicas))])
        costs = [cost for cost in run.costs if cost.verifier in replicas and cost.verdicts]
        median, slow, usd = np.mean([(c.median, c.slow, c.usd / c.verdicts) for c in costs], axis=0)
        results.append(
            Steadiness(
                verifier=name,
                flips=agreement.self_flip_rate(outcomes, texts, np.tile(problem, len(replicas)), run.size(TEST)),
                median=float(median),
                slow=float(slow),
                usd=float(usd),
            )
        )
    return results
