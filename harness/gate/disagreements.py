"""Golden rows from a run: its samples on which stored verdicts differ.

Takes a run folder and names of verifiers; gives JSON lines. Reads run.db and asks no verifier anything.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from restem.harness.errors import ConfigError
from restem.harness.names import HUMAN
from restem.harness.store.store import Store

NO_ANSWER = ("steps",)  # verifiers of a run that say nothing about the final answer


def disagreements(run: Path, names: Sequence[str], limit: int | None) -> str:
    """Golden rows, as JSON lines, from the samples of a run on which the verifiers' stored verdicts differ.

    The label is the gold's verdict, null where it is undecided. The order is that of the sample ids, which are hashes:
    a limit takes the same rows of a run every time, and takes them from everywhere. Equal responses give one row.
    Humans take part where they are named; what they said is no outcome that a gate could hold them to.

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
        said = dict.fromkeys([known[verifier] for verifier in wanted] + ([gold] if gold else []))
        found = store.query(
            "SELECT s.id, s.checkpoint, s.text, p.id, p.question, p.reference, json_group_object(v.verifier, v.outcome)"
            " FROM sample s JOIN problem p ON p.id = s.problem JOIN verdict v ON v.sample = s.id"
            f" WHERE v.verifier IN ({', '.join('?' * len(said))}) GROUP BY s.id ORDER BY s.id",
            tuple(said),
        )
    rows: dict[tuple[str, str], str] = {}
    for sample, checkpoint, text, problem, question, reference, verdicts in found:
        outcomes = json.loads(verdicts)
        ours = {verifier: outcomes[known[verifier]] for verifier in wanted if known[verifier] in outcomes}
        if len(set(ours.values())) < 2 or (problem, text) in rows:
            continue
        label = outcomes.get(gold)
        row = {
            "id": f"{name}/{sample}",
            "problem_id": problem,
            "question": question,
            "reference": reference,
            "response": text,
            "label": label if label in ("correct", "wrong") else None,
            "kind": "disagreement",
            "origin": f"run {name}, checkpoint {checkpoint}, sample {sample}",
            "outcomes": {verifier: outcome for verifier, outcome in ours.items() if not verifier.startswith(HUMAN)},
        }
        rows[problem, text] = json.dumps(row) + "\n"
    return "".join(list(rows.values())[:limit])
