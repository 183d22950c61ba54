"""What `restem audit` does: imports rollouts, asks verifiers about them, and writes the report.

Takes a request for an import, the run folder and names of verifiers; gives the path of the report. Each part goes on
where it was stopped, so the same command again resumes. Imports no JAX.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from restem.harness.app.import_rollouts import Request, import_rollouts, print_results
from restem.harness.app.judges import Options
from restem.harness.app.references import unreadable
from restem.harness.app.verify import verify_run
from restem.harness.errors import ConfigError
from restem.harness.names import can_be_asked
from restem.harness.store.store import Store
from restem.reports.analysis.findings import Findings
from restem.reports.pages.report import written_report

LOOKED_AT = 200  # references that show whether a verifier can read any


def audit(request: Request, folder: Path, names: Sequence[str], options: Options, quiet: bool) -> tuple[Path, Findings]:
    """Imports, verifies and reports; gives the path of report.html, and what was found.

    Args:
        request: What is imported, and which verifier is the gold.
        folder: The run folder; it may hold an earlier import.
        names: The verifiers to ask; where there are none, those that can decide these rows.
        options: Tables of options of the named verifiers.
        quiet: Whether to show no progress.

    Raises:
        ConfigError: Nothing can be imported, or a name is wrong.
        VerifierError: A verifier breaks its contract, or is a judge that cannot be reached; stored rows stay.
    """
    results = import_rollouts(request, folder, quiet)
    if not quiet:
        print_results(results)
    asked = list(dict.fromkeys([*gold_to_ask(folder), *(names or default_verifiers(folder))]))
    for label, new in verify_run(folder, asked, options, None, quiet) if asked else ():
        if not quiet:
            print(f"{label}: {new} new verdicts", file=sys.stderr)
    return written_report(folder)


def gold_to_ask(folder: Path) -> list[str]:
    """The gold of an imported run, where it is a verifier that can be asked and has not been.

    Raises:
        ConfigError: It is a recorded reward, a label or a person that the run does not have.
    """
    with Store(folder, check=False) as store:
        facts = store.run()
    gold, known = (facts.get("suite") or {}).get("gold") or "", facts.get("verifiers") or {}
    if gold and not can_be_asked(gold) and gold not in known:
        raise ConfigError(f"--gold {gold}: no such verdicts were imported; there are: {', '.join(known) or 'none'}")
    return [gold] if gold and can_be_asked(gold) else []


def default_verifiers(folder: Path) -> list[str]:
    """The built-in verifiers without a model that can decide rows of this run.

    `sympy` where it can read a reference, `exact` where there are references, `majority` where a problem has several
    samples at a step, and `format_only`, the baseline that looks at no answer.
    """
    with Store(folder, check=False) as store:  # the import has just checked it
        referenced = [problem for problem in store.problems() if problem.references]
        several = store.has_several_samples()
    looked_at = referenced[:: max(1, len(referenced) // LOOKED_AT)][:LOOKED_AT]
    readable = len(looked_at) - len(unreadable("sympy", {}, looked_at)) if looked_at else 0
    chosen = {"sympy": readable > 0, "exact": bool(referenced), "majority": several, "format_only": True}
    return [name for name, can_decide in chosen.items() if can_decide]
