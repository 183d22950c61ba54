"""The summaries that end `restem verify`: of the rows of a file, and of the stored verdicts of a run.

Takes verdicts, or a run folder with the names of its verifiers; gives VerdictSummaries. Makes no verdict.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from restem.benchmarks.problem import Problem
from restem.harness.app.judges import Options
from restem.harness.app.references import unreadable
from restem.harness.store.store import Store
from restem.reports.analysis.verdict_summary import Unreadable, VerdictSummary, summarize, unreadable_of
from restem.verifiers import catalog
from restem.verifiers.rows import Rows
from restem.verifiers.verdict import Attempt, Verdict


def distinct_problems(attempts: Sequence[Attempt]) -> list[Problem]:
    """The problems of attempts, in order of appearance; one whose rows differ in question or references is several."""
    distinct: dict[tuple[str, str, tuple[str, ...]], Problem] = {}
    for problem in (attempt.problem for attempt in attempts):
        distinct.setdefault((problem.id, problem.question, problem.references), problem)
    return list(distinct.values())


def summary_of_rows(name: str, verdicts: Sequence[Verdict], unread: Unreadable | None, rows: Rows) -> VerdictSummary:
    """The summary of a verifier's verdicts on the rows of a file, in their order."""
    problems = [attempt.problem.id for attempt in rows.attempts]
    return summarize(name, verdicts, problems, rows.labels or [None] * len(problems), unreadable=unread)


def summaries_of_run(
    folder: Path, labels: Mapping[str, str], options: Options, split: str | None
) -> list[VerdictSummary]:
    """The summaries of verifiers' stored verdicts on the samples of a run, against its gold.

    Args:
        folder: The run folder.
        labels: The label of a verifier in the run -> its name in the command.
        options: The verifiers' tables of options.
        split: Only the samples of this split; of all splits where None.
    """
    with Store(folder, check=False) as store:  # the verification has just checked it
        facts = store.run()
        known, gold = facts["verifiers"], facts.get("suite", {}).get("gold")
        groups = store.sampled_splits(split)
        samples = {sample.id: sample.problem for group in groups for sample in store.samples(*group)}
        golden = _stored(store, groups, known[gold]) if gold in known else {}
        judged = {label: _stored(store, groups, known[label]) for label in labels}
        problems = [problem for part in dict.fromkeys(part for _, part in groups) for problem in store.problems(part)]
    summaries: list[VerdictSummary] = []
    for label, verdicts in judged.items():
        is_gold = gold in known and known[label] == known[gold]
        rows = sorted(verdicts)
        truth = [None if is_gold or row not in golden else golden[row].reward for row in rows]
        # A foreign verifier is not built again for this: building it may load a model.
        name = labels[label]
        unread = [] if catalog.foreign_parts([name], options) else unreadable(name, options, problems)
        summaries.append(
            summarize(
                label,
                [verdicts[row] for row in rows],
                [samples[row] for row in rows],
                truth,
                against=gold,
                unreadable=unreadable_of(unread, len(problems)),
            )
        )
    return summaries


def _stored(store: Store, groups: Sequence[tuple[str, str]], fingerprint: str) -> dict[int, Verdict]:
    """Sample -> the verdict of a verifier, in all groups of (checkpoint, split)."""
    return {id: verdict for group in groups for id, verdict in store.verdicts(*group, fingerprint).items()}
