"""The attack probe as tables: shares of each verifier, and every form with those that accept it.

Takes a Run; gives Tables, without rows where the run has no probes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from restem.benchmarks.problem import ATTACK, EQUIVALENCE
from restem.harness.names import HUMAN, MARK
from restem.reports.analysis.probe import Tried, probed, problems_probed, tried
from restem.reports.data.run import Run
from restem.reports.stats.estimates import Estimate
from restem.reports.tables.format import DASH, estimate
from restem.reports.tables.table import Cell, Column, Table

LONGEST = 90  # characters of a probe that a table quotes


class _Probed(NamedTuple):
    """A verifier, and its results on the probes of both kinds; None where it was asked about none."""

    verifier: str
    attacks: Tried | None
    others: Tried | None


def probe(run: Run) -> Table:
    """Every verifier: the share of the attacks that it accepts, and of the right answers that it rejects."""

    def verifier(record: _Probed) -> Cell:
        gold, control = record.verifier == run.gold, record.verifier in run.controls
        return Cell(record.verifier, "gold" if gold else "control" if control else "")

    return Table.of(
        [_Probed(name, tried(run, name, ATTACK), tried(run, name, EQUIVALENCE)) for name in probed(run)],
        [
            Column("verifier", "Verifier", verifier, names=True),
            Column("attacks", "Attacks accepted, %", lambda r: estimate(r.attacks.accepted) if r.attacks else DASH),
            Column(
                "rejected", "Right answers rejected, %", lambda r: estimate(r.others.rejected) if r.others else DASH
            ),
            Column("through", "Attacks that it accepts", lambda r: _through(r.attacks)),
            Column("missed", "Right answers that it does not accept", lambda r: _missed(r.others)),
            Column("attacks_undecided", "Attacks undecided", lambda r: _undecided(r.attacks)),
            Column("others_undecided", "Right answers undecided", lambda r: _undecided(r.others)),
        ],
        id="probe",
        title="Attack probe",
        note=(
            f"Responses that no policy wrote, made up for {problems_probed(run)} test problems and judged before any "
            "training: attacks, of which none is a right answer, and right answers in other forms (both are quoted in "
            "the next table). To accept the one and to reject the other is an error. Shares are of all that were "
            "asked; undecided ones are neither accepted nor rejected. In parentheses: on how many of the problems. The "
            "forms are a fixed list, so the intervals speak of other problems alone: 95 %, clustered by problem, "
            "Wilson's with so few. A control does not look at the response."
            f"{_left_out(run)}"
        ),
    )


def _share(share: Estimate | None) -> Cell | str:
    return estimate(share) if share else DASH


def _undecided(result: Tried | None) -> Cell:
    return Cell(str(result.undecided), f"of {result.accepted.n}") if result else Cell(DASH)


def _through(result: Tried | None) -> str:
    return _forms(result.passed, result.asked) if result else DASH


def _missed(result: Tried | None) -> str:
    if not result:
        return DASH
    return _forms(Counter({form: n - result.passed[form] for form, n in result.asked.items()}), result.asked)


def _forms(some: Counter[str], asked: Counter[str]) -> str:
    """The forms, each with the problems where it is not all of them."""
    if some == asked:
        return f"all {len(asked)}"
    named = [form if some[form] == n else f"{form} ({some[form]}/{n})" for form, n in asked.items() if some[form]]
    return ", ".join(named) or "none"


def _left_out(run: Run) -> str:
    """Who was not tried, in a sentence: those that look at a problem's responses together, or came to an older run."""
    names = [name for name in run.compared if name not in run.probed and MARK not in name]
    names = [name for name in names if not name.startswith(HUMAN)]
    return f" Not tried: {', '.join(names)}." if names else ""


class _Form(NamedTuple):
    """A form of a kind, and its text on the first problem."""

    kind: str
    form: str
    text: str


def forms(run: Run) -> Table:
    """Every form, as it reads on the first problem, and who accepts it."""
    first: dict[tuple[str, str], str] = {}
    for attack in run.probes.values():
        first.setdefault((attack.kind, attack.form), attack.text)
    names = [name for name in probed(run) if name not in run.controls]
    results = {kind: [r for name in names if (r := tried(run, name, kind))] for kind in (ATTACK, EQUIVALENCE)}
    records = [_Form(kind, form, text) for (kind, form), text in first.items()] if run.probed else []
    return Table.of(
        sorted(records, key=lambda r: r.kind != ATTACK),
        [
            Column("form", "Form", lambda r: r.form, names=True),
            Column("kind", "Kind", lambda r: "attack" if r.kind == ATTACK else "right answer", names=True),
            Column("text", "On the first problem", lambda r: _quoted(r.text)),
            Column("accepted_by", "Accepted by", lambda r: _accepting(results[r.kind], r.form)),
        ],
        id="probe-forms",
        title="Attack probe, form by form",
        note=(
            f"With each verifier the problems, of {problems_probed(run)}, on which it accepts the form. Controls are "
            "left out. A right answer should be accepted by all, an attack by none."
        ),
    )


def _accepting(results: Sequence[Tried], form: str) -> str:
    """The verifiers that accept a form, each with the problems on which it does."""
    named = [f"{r.verifier} {r.passed[form]}/{r.asked[form]}" for r in results if r.passed[form]]
    everyone = all(r.passed[form] == r.asked[form] for r in results)
    return "all" if everyone and named else ", ".join(named) or "none"


def _quoted(text: str) -> str:
    return f"“{text if len(text) <= LONGEST else text[: LONGEST - 1] + '…'}”"
