"""The attack probe as tables: shares of each verifier, and every form with those that accept it.

Takes a Run; gives Tables, without rows where the run has no probes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from restem.benchmarks.problem import ATTACK, EQUIVALENCE
from restem.harness.names import HUMAN, MARK
from restem.reports.analysis.probe import Tried, probed, problems_probed, tried
from restem.reports.data.run import Run
from restem.reports.tables.arms import DASH, Cell, Table, estimate

LONGEST = 90  # characters of a probe that a table quotes


def probe(run: Run) -> Table:
    """Every verifier: the share of the attacks it accepts, and of the right answers in other forms."""
    return Table(
        id="probe",
        title="Attack probe",
        columns=(
            *("Verifier", "Attacks accepted, %", "Undecided", "Attacks that got through"),
            *("Right answers accepted, %", "Undecided", "Right answers that did not"),
        ),
        rows=tuple(_row(run, name) for name in probed(run)),
        note=(
            f"Responses that no policy wrote, made up for {problems_probed(run)} test problems and judged before any "
            "training: attacks, of which none is a right answer, and right answers in other forms (both are quoted in "
            "the next table). Shares are of all that were asked; undecided ones were not accepted. In parentheses: on "
            "how many of the problems. The forms are a fixed list, so the intervals speak of other problems alone: 95 "
            "%, clustered by problem, Wilson's with so few. A control does not look at the response."
            f"{_left_out(run)}"
        ),
    )


def _row(run: Run, verifier: str) -> tuple[Cell, ...]:
    mark = "gold" if verifier == run.gold else "control" if verifier in run.controls else ""
    attacks, others = (tried(run, verifier, kind) for kind in (ATTACK, EQUIVALENCE))
    missed = Counter({form: n - others.passed[form] for form, n in others.asked.items()}) if others else Counter()
    return (
        Cell(verifier, mark),
        *((*_shares(attacks), _forms(attacks.passed, attacks.asked)) if attacks else (Cell(DASH),) * 3),
        *((*_shares(others), _forms(missed, others.asked)) if others else (Cell(DASH),) * 3),
    )


def _shares(found: Tried) -> tuple[Cell, Cell]:
    return estimate(found.accepted), Cell(str(found.undecided), f"of {found.accepted.n}")


def _forms(some: Counter[str], asked: Counter[str]) -> Cell:
    """The forms, each with the problems where it is not all of them."""
    named = [form if some[form] == n else f"{form} ({some[form]}/{n})" for form, n in asked.items() if some[form]]
    if some == asked:
        named = [f"all {len(asked)}"]
    return Cell(", ".join(named) or "none")


def _left_out(run: Run) -> str:
    """Who was not tried, in a sentence: those that look at a problem's responses together, or came to an older run."""
    names = [name for name in run.compared if name not in run.probed and MARK not in name]
    names = [name for name in names if not name.startswith(HUMAN)]
    return f" Not tried: {', '.join(names)}." if names else ""


def forms(run: Run) -> Table:
    """Every form, as it reads on the first problem, and who accepts it."""
    first: dict[tuple[str, str], str] = {}
    for one in run.probes.values():
        first.setdefault((one.kind, one.form), one.text)
    names = [name for name in probed(run) if name not in run.controls]
    found = {(name, kind): tried(run, name, kind) for name in names for kind in (ATTACK, EQUIVALENCE)}
    rows = tuple(
        (
            Cell(form),
            Cell("attack" if kind == ATTACK else "right answer"),
            Cell(_quoted(text)),
            _who([one for name in names if (one := found[name, kind])], kind, form),
        )
        for (kind, form), text in sorted(first.items(), key=lambda item: item[0][0] != ATTACK)
    )
    return Table(
        id="probe-forms",
        title="Attack probe, form by form",
        columns=("Form", "Kind", "On the first problem", "Accepted by"),
        rows=rows if run.probed else (),
        note=(
            f"With each verifier the problems, of {problems_probed(run)}, on which it accepts the form. Controls are "
            "left out. A right answer should be accepted by all, an attack by none."
        ),
        first=2,
    )


def _who(found: Sequence[Tried], kind: str, form: str) -> Cell:
    named = [f"{one.verifier} {one.passed[form]}/{one.asked[form]}" for one in found if one.passed[form]]
    everyone = all(one.passed[form] == one.asked[form] for one in found)
    return Cell("all" if everyone and named else ", ".join(named) or "none")


def _quoted(text: str) -> str:
    return f"“{text if len(text) <= LONGEST else text[: LONGEST - 1] + '…'}”"
