"""The most informative disagreements with the gold: a few responses that a report quotes.

Takes Findings, and the open Store for the texts of those responses; gives Cases.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

from restem.harness.names import BASE
from restem.harness.store.store import Store
from restem.reports.analysis.findings import TEST, Findings
from restem.reports.analysis.imported import Imported, rewards
from restem.reports.data.run import Run
from restem.reports.stats.estimates import Ints

MOST_CASES = 12


@dataclasses.dataclass(frozen=True, kw_only=True)
class Case:
    """One response on which a verifier and the gold differ. All texts are raw.

    Attributes:
        row: Its row of `Run.samples`.
        sample: Its id.
        verifier: The one that differs from the gold.
        verdicts: (verifier, outcome, the answer that it read or why it could not decide).
    """

    row: int
    sample: int
    gold: str
    verifier: str
    kind: str
    checkpoint: str
    question: str
    reference: str
    response: str
    verdicts: tuple[tuple[str, str, str], ...]


def cases(store: Store, findings: Findings) -> list[Case]:
    """For each verifier a response that it accepts and one that it rejects against the gold; and wrong steps.

    From the latest checkpoint of the verifier's own arm (the base where it trained none), as that is where a policy has
    learnt what its verifier accepts. Each problem at most once, in problem order.
    """
    return _cases(store, findings.run, findings.run.gold, list(_queues(findings)))


def imported_cases(store: Store, found: Imported) -> list[Case]:
    """For each verifier of an imported run a response that it accepts and one that it rejects against the gold.

    From the last step of each series, training rollouts and others together. Without a gold, against the recorded
    reward.
    """
    run, against = found.whole, found.gold or found.reward
    names = [name for name in rewards(run) if name != against]
    last = dict.fromkeys(max(run.chain(course.series), key=lambda c: c.iteration).id for course in found.courses)
    queues = [queue for id in last for name in names if against for queue in _differing(run, name, against, id)]
    return _cases(store, run, against or "", queues)


Queue = tuple[str, str, str, Ints]  # verifier, kind, checkpoint, all sample rows of that kind


def _cases(store: Store, run: Run, gold: str, queues: Sequence[Queue]) -> list[Case]:
    chosen = list(_chosen(run, queues))
    texts = _texts(store, run, [row for *_, row in chosen])
    questions = run.problems.get(TEST, ())
    cases: list[Case] = []
    for verifier, kind, checkpoint, row in chosen:
        problem = questions[run.samples.problem[row]]
        response, verdicts = texts[row]
        cases.append(
            Case(
                row=row,
                sample=int(run.samples.id[row]),
                gold=gold,
                verifier=verifier,
                kind=kind,
                checkpoint=checkpoint,
                question=problem.question,
                reference=problem.reference or "",
                response=response,
                verdicts=verdicts,
            )
        )
    return cases


def _chosen(run: Run, queues: Sequence[Queue]) -> Iterator[tuple[str, str, str, int]]:
    """(verifier, kind, checkpoint, sample row): the first of each kind for every verifier, then second ones."""
    problem = run.samples.problem
    shown: set[int] = set()
    for _ in range(2):
        for verifier, kind, checkpoint, rows in queues:
            fresh = [int(row) for row in rows if int(problem[row]) not in shown]
            if fresh and len(shown) < MOST_CASES:
                shown.add(int(problem[fresh[0]]))
                yield verifier, kind, checkpoint, fresh[0]


def _queues(findings: Findings) -> Iterator[Queue]:
    run = findings.run
    for verifier in run.compared:
        if verifier in run.controls:
            continue
        yield from _differing(run, verifier, run.gold, _latest(findings, verifier))
    if run.steps:
        checkpoint = _latest(findings, run.gold)
        rows = run.rows(checkpoint, TEST)
        wrong = (run.outcome(run.gold, rows) == 1) & (run.outcome(run.steps, rows) == 0)
        yield run.steps, "right by wrong steps", checkpoint, rows[wrong]


def _differing(run: Run, verifier: str, gold: str, checkpoint: str) -> Iterator[Queue]:
    rows = run.rows(checkpoint, TEST)
    outcome, truth = run.outcome(verifier, rows), run.outcome(gold, rows)
    accepts, rejects = "accepts a wrong answer", "rejects a correct answer"
    if gold != run.gold:
        accepts, rejects = f"accepts what {gold} rejects", f"rejects what {gold} accepts"
    yield verifier, f"{verifier} {accepts}", checkpoint, rows[(outcome == 1) & (truth == 0)]
    yield verifier, f"{verifier} {rejects}", checkpoint, rows[(outcome == 0) & (truth == 1)]


def _latest(findings: Findings, verifier: str) -> str:
    trained = [last for arm in findings.run.arms if arm.verifier == verifier and (last := findings.last(arm))]
    return trained[-1].checkpoint if trained else BASE


def _texts(store: Store, run: Run, rows: list[int]) -> dict[int, tuple[str, tuple[tuple[str, str, str], ...]]]:
    """Row -> response, and (verifier, outcome, the answer that it read or why it could not decide)."""
    texts: dict[int, tuple[str, tuple[tuple[str, str, str], ...]]] = {}
    ids = [int(run.samples.id[row]) for row in rows]
    responses, judged = store.responses(ids), store.verdicts_on(ids)
    names = sorted(run.fingerprints, key=lambda name: (name != run.gold, name))
    for row, id in zip(rows, ids, strict=True):
        verdicts = ((name, judged.get(id, {}).get(run.fingerprints[name])) for name in names)
        shown = tuple((name, v.outcome.value, v.answer or v.reason or "") for name, v in verdicts if v)
        texts[row] = (responses[id][1], shown)
    return texts
