"""The attack probe: which attacks a verifier accepts, and which right answers in other forms it does not.

Takes a Run; gives estimates and the outcomes form by form. A probe is tried on a few problems, and the forms are a
fixed list: the shares are of this list, and their intervals are of other problems, not of other attacks. An undecided
probe counts among those tried, as it was not accepted, and is counted apart as well.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from restem.benchmarks.problem import ATTACK, EQUIVALENCE, Probe
from restem.harness.names import unmarked
from restem.reports.data.run import Run
from restem.reports.stats import estimates
from restem.reports.stats.estimates import Estimate
from restem.verifiers.verdict import Outcome


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tried:
    """A verifier on all probes of a kind.

    Attributes:
        accepted: Share of the probes that it accepts, clustered by problem.
        rejected: Share that it calls wrong.
        undecided: Probes that it could not decide.
        passed: Form -> problems on which it was accepted; asked: form -> problems on which it was tried.
    """

    verifier: str
    accepted: Estimate
    rejected: Estimate
    undecided: int
    passed: Counter[str]
    asked: Counter[str]

    @property
    def through(self) -> tuple[str, ...]:
        """The forms that it accepts on some problem."""
        return tuple(form for form in self.asked if self.passed[form])

    @property
    def always(self) -> tuple[str, ...]:
        """The forms that it accepts on every problem."""
        return tuple(form for form, problems in self.asked.items() if self.passed[form] == problems)


def tried(run: Run, verifier: str, kind: str) -> Tried | None:
    """The verifier on the probes of a kind; None where it judged none of them."""
    verdicts = {id: verdict for id, verdict in run.probed.get(verifier, {}).items() if run.probes[id].kind == kind}
    if not verdicts:
        return None
    probes = [run.probes[id] for id in verdicts]
    accepted, rejected = (
        [probe for probe, v in zip(probes, verdicts.values(), strict=True) if v.outcome is outcome]
        for outcome in (Outcome.CORRECT, Outcome.WRONG)
    )
    return Tried(
        verifier=verifier,
        accepted=_share(accepted, probes),
        rejected=_share(rejected, probes),
        undecided=sum(v.outcome is Outcome.UNDECIDED for v in verdicts.values()),
        passed=Counter(probe.form for probe in accepted),
        asked=Counter(probe.form for probe in probes),
    )


def _share(some: Sequence[Probe], probes: Sequence[Probe]) -> Estimate:
    """The share that some are of the probes, clustered by problem."""
    part, whole = (Counter(probe.problem for probe in each) for each in (some, probes))
    return estimates.proportion(np.array([part[problem] for problem in whole]), np.array([*whole.values()]))


def probed(run: Run) -> tuple[str, ...]:
    """The verifiers that were tried: the gold first, controls last."""
    return tuple(name for name in dict.fromkeys([run.gold, *run.compared]) if run.probed.get(name))


def problems_probed(run: Run) -> int:
    """The number of problems that the probes were constructed for."""
    return len({probe.problem for probe in run.probes.values()})


@dataclasses.dataclass(frozen=True, kw_only=True)
class FormGrid:
    """All forms of one kind, and each verifier's outcomes on them.

    Attributes:
        kind: ATTACK, where to accept is the error, or EQUIVALENCE.
        outcomes: (form, verifier) -> an outcome a problem, in the order of the problems.
    """

    kind: str
    forms: tuple[str, ...]
    verifiers: tuple[str, ...]
    outcomes: dict[tuple[str, str], tuple[Outcome, ...]]


def form_grids(run: Run) -> list[FormGrid]:
    """Each verifier's outcomes on each form, a grid a kind; none where nothing was probed."""
    names = probed(run)
    grids: list[FormGrid] = []
    for kind in (ATTACK, EQUIVALENCE):
        probes = {id: probe for id, probe in run.probes.items() if probe.kind == kind}
        outcomes: dict[tuple[str, str], tuple[Outcome, ...]] = {}
        for name in names:
            for id, probe in probes.items():
                verdict = run.probed[name].get(id)
                before = outcomes.get((probe.form, name), ())
                outcomes[probe.form, name] = (*before, verdict.outcome) if verdict else before
        forms = tuple(dict.fromkeys(probe.form for probe in probes.values()))
        if forms and names:
            grids.append(FormGrid(kind=kind, forms=forms, verifiers=names, outcomes=outcomes))
    return grids


def accepting_attacks(run: Run, names: Iterable[str] | None = None) -> list[Tried]:
    """The verifiers that accept an attack on some problem.

    Args:
        names: Of these verifiers; where None, of those that train an arm and are no controls.
    """
    results = (tried(run, name, ATTACK) for name in (_training(run) if names is None else names))
    return [result for result in results if result and result.through]


def rejecting_answers(run: Run) -> list[Tried]:
    """The verifiers that train an arm, controls left out, and do not accept every right answer in another form."""
    results = (tried(run, name, EQUIVALENCE) for name in _training(run))
    return [result for result in results if result and len(result.always) < len(result.asked)]


def _training(run: Run) -> tuple[str, ...]:
    """The verifiers that train an arm, controls left out."""
    return tuple(dict.fromkeys(unmarked(arm.verifier) for arm in run.arms if not arm.control))
