"""The bookkeeping pages of a report: cost, seconds, telling disagreements, provenance.

Takes Findings (and the open Store for the texts of a few samples); gives Tables and Cases.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping
from typing import Any

from restem.harness.names import BASE
from restem.harness.store.store import Store
from restem.reports.analysis.findings import TEST, Findings
from restem.reports.data.run import Run
from restem.reports.stats.estimates import Ints
from restem.reports.tables.format import DASH, number
from restem.reports.tables.table import Cell, Table, numbered

MOST_CASES = 12


@dataclasses.dataclass(frozen=True, kw_only=True)
class Case:
    """One response on which a verifier and the gold differ. All texts are raw.

    Attributes:
        row: Its row of `Run.samples`.
        sample: Its id.
        verifier: Who differs.
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


def cost(findings: Findings) -> Table:
    """What the verdicts cost, by verifier."""
    rows = tuple(
        (
            *(Cell(c.verifier), Cell(str(c.verdicts)), Cell(f"{c.seconds:.1f}"), Cell(str(c.calls))),
            *(Cell(str(c.tokens)), Cell(f"{c.usd:.4f}")),
            Cell(f"{1000 * c.usd / c.verdicts:.4f}" if c.verdicts else DASH),
        )
        for c in findings.run.costs
    )
    return numbered(
        id="cost",
        title="Cost of verdicts",
        columns=(
            *("Verifier", "Verdicts", "Seconds", "Judge calls", "Tokens", "USD"),
            "USD per 1000 verdicts",
        ),
        rows=rows,
        note=(
            "Over all stored verdicts: training, test, probe. Judge calls: distinct requests answered; equal ones are "
            "asked once. A judge's seconds, tokens and USD are those of its calls, which overlap in time."
        ),
    )


def seconds(findings: Findings) -> Table:
    """Where the time went: training by arm, and whatever events name their seconds."""
    run = findings.run
    rows = [
        (
            Cell("training"),
            Cell(arm.name),
            Cell(str(sum(c.steps for c in chain))),
            Cell(f"{sum(c.seconds for c in chain):.1f}"),
        )
        for arm in run.arms
        if (chain := run.chain(arm.name))
    ]
    rows += [
        (Cell({"finished": "whole command"}.get(kind, kind)), Cell(arm or DASH), Cell(str(count)), Cell(f"{total:.1f}"))
        for (kind, arm), (count, total) in sorted(run.timed.items())
    ]
    if isinstance(total := run.facts.get("seconds"), (int, float)):
        rows.append((Cell("whole run"), Cell(DASH), Cell(DASH), Cell(f"{total:.1f}")))
    return numbered(
        id="seconds",
        title="Time",
        columns=("What", "Arm", "Steps or times", "Seconds"),
        rows=tuple(rows),
        note="Samples shared by several arms are drawn once. Training includes its validation checks.",
        first=2,
    )


def cases(store: Store, findings: Findings) -> list[Case]:
    """Telling disagreements: for each verifier what it took in, and threw out, against the gold; and wrong steps.

    From the latest checkpoint of the verifier's own arm (the base where it trained none), as that is where a policy has
    learnt what its verifier likes. Each problem at most once, in problem order.
    """
    chosen = list(_chosen(findings))
    texts = _texts(store, findings.run, [row for *_, row in chosen])
    questions = findings.run.problems.get(TEST, ())
    found: list[Case] = []
    for verifier, kind, checkpoint, row in chosen:
        problem = questions[findings.run.samples.problem[row]]
        response, verdicts = texts[row]
        found.append(
            Case(
                row=row,
                sample=int(findings.run.samples.id[row]),
                gold=findings.run.gold,
                verifier=verifier,
                kind=kind,
                checkpoint=checkpoint,
                question=problem.question,
                reference=problem.reference or "",
                response=response,
                verdicts=verdicts,
            )
        )
    return found


def _chosen(findings: Findings) -> Iterator[tuple[str, str, str, int]]:
    """(verifier, kind, checkpoint, sample row): the first of each kind for every verifier, then second ones."""
    queues = list(_queues(findings))
    problem = findings.run.samples.problem
    shown: set[int] = set()
    for _ in range(2):
        for verifier, kind, checkpoint, rows in queues:
            fresh = [int(row) for row in rows if int(problem[row]) not in shown]
            if fresh and len(shown) < MOST_CASES:
                shown.add(int(problem[fresh[0]]))
                yield verifier, kind, checkpoint, fresh[0]


def _queues(findings: Findings) -> Iterator[tuple[str, str, str, Ints]]:
    """(verifier, kind, checkpoint, all sample rows of that kind)."""
    run = findings.run
    for verifier in run.compared:
        if verifier in run.controls:
            continue
        checkpoint = _latest(findings, verifier)
        rows = run.rows(checkpoint, TEST)
        said, gold = run.outcome(verifier, rows), run.outcome(run.gold, rows)
        yield verifier, f"{verifier} accepts a wrong answer", checkpoint, rows[(said == 1) & (gold == 0)]
        yield verifier, f"{verifier} rejects a correct answer", checkpoint, rows[(said == 0) & (gold == 1)]
    if run.steps:
        checkpoint = _latest(findings, run.gold)
        rows = run.rows(checkpoint, TEST)
        wrong = (run.outcome(run.gold, rows) == 1) & (run.outcome(run.steps, rows) == 0)
        yield run.steps, "right by wrong steps", checkpoint, rows[wrong]


def _latest(findings: Findings, verifier: str) -> str:
    own = [last for arm in findings.run.arms if arm.verifier == verifier and (last := findings.last(arm))]
    return own[-1].checkpoint if own else BASE


def _texts(store: Store, run: Run, rows: list[int]) -> dict[int, tuple[str, tuple[tuple[str, str, str], ...]]]:
    """Row -> response, and (verifier, outcome, what it read or why undecided)."""
    found: dict[int, tuple[str, tuple[tuple[str, str, str], ...]]] = {}
    ids = [int(run.samples.id[row]) for row in rows]
    responses, judged = store.responses(ids), store.verdicts_on(ids)
    names = sorted(run.fingerprints, key=lambda name: (name != run.gold, name))
    for row, id in zip(rows, ids, strict=True):
        verdicts = ((name, judged.get(id, {}).get(run.fingerprints[name])) for name in names)
        shown = tuple((name, v.outcome.value, v.answer or v.reason or "") for name, v in verdicts if v)
        found[row] = (responses[id][1], shown)
    return found


def judge_line(run: Run) -> str:
    """Which judge spoke: one of the report's first lines."""
    judge: Mapping[str, Any] | None = run.facts.get("judge")
    changed = " ".join(["", *changed_models(run)])
    if not judge:
        return f"No language model judged in this run.{changed}"
    if judge.get("embedded"):
        return (
            f"The judge is the embedded tiny model, {judge.get('model')}: a stand-in that keeps this run free of keys "
            f"and network.{_card(judge.get('card') or {})} What it is worth says nothing about any other judge."
            f"{changed}"
        )
    return f"The judge is {judge.get('model')}.{changed}"


def changed_models(run: Run) -> list[str]:
    """A sentence for each judge whose server gave its model more than one name."""
    return [
        f"The server of {judge} answered as {' and as '.join(models)}: its verdicts are not of one judge."
        for judge, models in run.models.items()
    ]


def _card(card: Mapping[str, Mapping[str, float]]) -> str:
    rates = (f"{name} TPR {number(r['tpr'])} %, FPR {number(r['fpr'])} %" for name, r in card.items())
    return f" Its card, on a base policy's responses: {'; '.join(rates)}." if card else ""


def provenance(findings: Findings) -> Table:
    """Seed, versions, hashes, fingerprints, chance level."""
    run, suite = findings.run, findings.run.suite
    rows: list[tuple[str, str]] = [(f"suite.{key}", _plain(suite[key])) for key in sorted(suite) if key != "arms"]
    rows += [(f"arm {entry['name']}", _plain(entry)) for entry in suite.get("arms", ())]
    rows += [(f"verifier {name}", fingerprint) for name, fingerprint in sorted(run.fingerprints.items())]
    chance = run.facts.get("chance_level")
    rows.append(("chance level", f"{number(chance)} %" if isinstance(chance, (int, float)) else DASH))
    known = ("suite", "verifiers", "chance_level", "finished", "seconds")
    rows += [(key, _plain(value)) for key, value in sorted(run.facts.items()) if key not in known]
    rows += [(f"parameters of {c.id}", c.params_sha256) for c in run.checkpoints.values() if c.params_sha256]
    return numbered(
        id="provenance",
        title="Provenance",
        columns=("What", "Value"),
        rows=tuple((Cell(key), Cell(value)) for key, value in rows),
        note="The chance level is the test accuracy of the best constant answer.",
        first=2,
    )


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False)
