"""What `restem probe` does: tries verifiers on attacks and on right answers in other forms, without a run.

Takes names and tables of verifiers and problems; gives counts by form. The probes are those of benchmarks/probes.py,
which a run tries too; probe_search.py has the search. Imports no JAX.
"""

from __future__ import annotations

import contextlib
import dataclasses
import sys
from collections.abc import Sequence

from restem.benchmarks.probes import make_probes
from restem.benchmarks.problem import Problem
from restem.harness.app.judges import Options, check_models, judge_options
from restem.harness.progress import RunProgress
from restem.verifiers import catalog
from restem.verifiers.verdict import Attempt, Outcome, checked, needs_whole_problems

BATCH = 128


@dataclasses.dataclass(frozen=True, kw_only=True)
class FormCount:
    """A verifier's verdicts on the probes of one form.

    Attributes:
        verifier: Its name.
        kind: ATTACK, where to accept is the error, or EQUIVALENCE.
        form: How the probes were constructed.
        tried: The number of probes.
        correct: How many of them it accepted.
        wrong: How many it called wrong.
    """

    verifier: str
    kind: str
    form: str
    tried: int
    correct: int
    wrong: int

    @property
    def undecided(self) -> int:
        return self.tried - self.correct - self.wrong


def probe_verifiers(
    names: Sequence[str], options: Options, problems: Sequence[Problem], quiet: bool
) -> list[FormCount]:
    """The counts of every verifier, form by form; none for a verifier that compares the responses to a problem.

    Raises:
        VerifierError: A verifier breaks its contract, or is a judge that cannot be reached.
    """
    probes = make_probes(problems)
    by_id = {problem.id: problem for problem in problems}
    attempts = [Attempt(problem=by_id[probe.problem], response=probe.text) for probe in probes]
    counts: list[FormCount] = []
    with contextlib.ExitStack() as stack:
        judge = judge_options(options, names, stack, {})
        check_models(judge)
        progress = stack.enter_context(RunProgress(len(attempts) * len(names), unit="verdicts", quiet=quiet))
        built: catalog.Built = {}
        for name in names:
            verifier = catalog.build(name, {**options, **judge}, built=built)
            if (note := getattr(verifier, "note", None)) and not quiet:
                print(f"{name}: {note}", file=sys.stderr)
            if needs_whole_problems(verifier):
                continue
            outcomes: dict[tuple[str, str], list[Outcome]] = {}
            for start in range(0, len(attempts), BATCH):
                verdicts = checked(verifier, attempts[start : start + BATCH])
                for probe, verdict in zip(probes[start : start + BATCH], verdicts, strict=True):
                    outcomes.setdefault((probe.kind, probe.form), []).append(verdict.outcome)
                progress.advance(len(verdicts))
            counts += [_count(name, *key, results) for key, results in outcomes.items()]
    return counts


def _count(verifier: str, kind: str, form: str, outcomes: Sequence[Outcome]) -> FormCount:
    return FormCount(
        verifier=verifier,
        kind=kind,
        form=form,
        tried=len(outcomes),
        correct=outcomes.count(Outcome.CORRECT),
        wrong=outcomes.count(Outcome.WRONG),
    )
