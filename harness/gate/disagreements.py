"""Golden rows from a run: its samples on which stored verdicts differ.

Takes a run folder and names of verifiers; gives JSON lines. It reads stored verdicts and calls no verifier.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from restem.harness.errors import ConfigError
from restem.harness.names import HUMAN, can_be_asked
from restem.harness.store.store import Store
from restem.verifiers.verdict import Outcome

NO_ANSWER = ("steps",)  # verifiers of a run that do not judge the final answer


def disagreements(run: Path, names: Sequence[str], limit: int | None) -> str:
    """Golden rows, as JSON lines, from the samples of a run on which the verifiers' stored verdicts differ.

    The label is the gold's verdict, null where it is undecided. The order is that of the sample ids, which are hashes:
    a limit takes the same rows of a run every time, and takes them from everywhere. Equal responses give one row.
    Human annotators are compared where they are named, and rewards that rollouts came with in any case, but their
    verdicts are not written as outcomes: a gate cannot ask them again.

    Raises:
        ConfigError: There is no run, or it has no verdicts of a verifier.
    """
    with Store(run) as store:
        facts = store.run()
        known: Mapping[str, str] = facts.get("verifiers") or {}
        without = (*NO_ANSWER, *facts.get("controls", ()))
        wanted = list(names or [name for name in known if name not in without and not name.startswith(HUMAN)])
        if unknown := [name for name in wanted if name not in known]:
            raise ConfigError(f"{run}: no verifier {unknown[0]!r} there, only {', '.join(known) or 'none'}")
        if len(wanted) < 2:
            raise ConfigError(f"{run}: two verifiers at least can disagree; there is {', '.join(wanted) or 'none'}")
        name = (facts.get("suite") or {}).get("name") or run.resolve().name
        gold = known.get((facts.get("suite") or {}).get("gold", ""))
        problems = {problem.id: problem for problem in store.problems()}
        judged = [*store.outcomes_by({known[verifier] for verifier in wanted} | ({gold} if gold else set()))]
    rows: dict[tuple[str, str], str] = {}
    for sample, outcomes in judged:
        ours = {verifier: outcomes[known[verifier]] for verifier in wanted if known[verifier] in outcomes}
        problem = problems[sample.problem]
        if len(set(ours.values())) < 2 or (problem.id, sample.text) in rows:
            continue
        label = outcomes.get(gold or "")
        row = {
            "id": f"{name}/{sample.id}",
            "problem_id": problem.id,
            "question": problem.question,
            "reference": problem.reference,
            "response": sample.text,
            "label": None if label is Outcome.UNDECIDED else label,
            "kind": "disagreement",
            "origin": f"run {name}, checkpoint {sample.checkpoint}, sample {sample.id}",
            "outcomes": {verifier: outcome for verifier, outcome in ours.items() if can_be_asked(verifier)},
        }
        rows[problem.id, sample.text] = json.dumps(row) + "\n"
    return "".join(list(rows.values())[:limit])
