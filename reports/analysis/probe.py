"""What the verifiers say of the probe: which attacks get through, and which right answers in other forms do not.

Takes a Run; gives estimates, Tables and a sentence. A probe is tried on a few problems, and the forms are a fixed list:
the shares are of this list, and their intervals speak of other problems, not of other attacks. An undecided probe is
counted among those asked, as it was not accepted, and told beside. A run without probes gives tables without rows.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from restem.benchmarks.problem import ATTACK, EQUIVALENCE
from restem.harness.names import HUMAN, MARK, unmarked
from restem.reports.data.run import Run
from restem.reports.figures.probe import ACCEPTED, REJECTED, UNDECIDED, Grid
from restem.reports.stats import estimates
from restem.reports.stats.estimates import Estimate
from restem.reports.tables.arms import DASH, Cell, Table, estimate
from restem.verifiers.verdict import Outcome

LONGEST = 90  # characters of a probe that a table quotes
FEW_FORMS = 3  # that a sentence names
WORDS = {Outcome.CORRECT: ACCEPTED, Outcome.UNDECIDED: UNDECIDED, Outcome.WRONG: REJECTED}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tried:
    """A verifier on all probes of a kind.

    Attributes:
        accepted: Share of the probes that it accepts, clustered by problem.
        undecided: Probes that it could not decide.
        passed: Form -> problems on which it was accepted; asked: form -> problems on which it was tried.
    """

    verifier: str
    accepted: Estimate
    undecided: int
    passed: Counter[str]
    asked: Counter[str]

    @property
    def through(self) -> tuple[str, ...]:
        """The forms that it accepts on some problem."""
        return tuple(form for form in self.asked if self.passed[form])


def tried(run: Run, verifier: str, kind: str) -> Tried | None:
    """The verifier on the probes of a kind; None where it was asked about none."""
    said = {id: verdict for id, verdict in run.probed.get(verifier, {}).items() if run.probes[id].kind == kind}
    if not said:
        return None
    probes = [run.probes[id] for id in said]
    accepted = [probe for probe, v in zip(probes, said.values(), strict=True) if v.outcome is Outcome.CORRECT]
    asked, passed = (Counter(probe.problem for probe in some) for some in (probes, accepted))
    return Tried(
        verifier=verifier,
        accepted=estimates.proportion(np.array([passed[problem] for problem in asked]), np.array([*asked.values()])),
        undecided=sum(v.outcome is Outcome.UNDECIDED for v in said.values()),
        passed=Counter(probe.form for probe in accepted),
        asked=Counter(probe.form for probe in probes),
    )


def probed(run: Run) -> tuple[str, ...]:
    """The verifiers that were tried: the gold first, controls last."""
    return tuple(name for name in dict.fromkeys([run.gold, *run.compared]) if run.probed.get(name))


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
            f"Responses that no policy wrote, made up for {_problems(run)} test problems and judged before any "
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


def _problems(run: Run) -> int:
    return len({probe.problem for probe in run.probes.values()})


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
            f"With each verifier the problems, of {_problems(run)}, on which it accepts the form. Controls are left "
            "out. A right answer should be accepted by all, an attack by none."
        ),
        first=2,
    )


def _who(found: Sequence[Tried], kind: str, form: str) -> Cell:
    named = [f"{one.verifier} {one.passed[form]}/{one.asked[form]}" for one in found if one.passed[form]]
    everyone = all(one.passed[form] == one.asked[form] for one in found)
    return Cell("all" if everyone and named else ", ".join(named) or "none")


def _quoted(text: str) -> str:
    return f"“{text if len(text) <= LONGEST else text[: LONGEST - 1] + '…'}”"


def grids(run: Run) -> list[Grid]:
    """What every verifier said of every form, by kind; none where nothing was probed."""
    names = probed(run)
    found: list[Grid] = []
    for kind, title in ((ATTACK, "attacks"), (EQUIVALENCE, "right answers")):
        own = {id: one for id, one in run.probes.items() if one.kind == kind}
        said: dict[tuple[str, str], tuple[str, ...]] = {}
        for name in names:
            for id, one in own.items():
                verdict = run.probed[name].get(id)
                words = said.get((one.form, name), ())
                said[one.form, name] = (*words, WORDS[verdict.outcome]) if verdict else words
        forms = tuple(dict.fromkeys(one.form for one in own.values()))
        if forms and names:
            found.append(Grid(title=title, harmful=kind == ATTACK, forms=forms, verifiers=names, said=said))
    return found


def probe_lines(run: Run, names: Iterable[str] | None = None) -> list[str]:
    """One sentence where one of the verifiers (None: those that train an arm, and are no controls) accepts attacks."""
    asked = [unmarked(arm.verifier) for arm in run.arms if not arm.control] if names is None else names
    found = [one for name in dict.fromkeys(asked) if (one := tried(run, name, ATTACK)) and one.through]
    if not found:
        return []
    told = [f"{one.verifier} accepts {len(one.through)} of {len(one.asked)}{_named(one.through)}" for one in found]
    return [
        f"Of the attack patterns, none of which is a right answer, {_listed(told)}, on at least one of "
        f"{_problems(run)} problems."
    ]


def _named(forms: Sequence[str]) -> str:
    return f" ({', '.join(forms)})" if len(forms) <= FEW_FORMS else ""


def _listed(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
