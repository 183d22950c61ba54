"""A run on one screen: plain text for the terminal, control characters of any origin made visible.

Takes a run folder; gives text. Needs no plotting library, so it is quick.
"""

from __future__ import annotations

import dataclasses
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from restem.harness.store.store import Store
from restem.reports.analysis.answer import answer
from restem.reports.analysis.findings import Findings, find
from restem.reports.analysis.ranking import Ranking, rank
from restem.reports.analysis.recommendation import Advice, advise
from restem.reports.analysis.reward_gap import partings
from restem.reports.analysis.unfinished import missing
from restem.reports.data.read import read_run
from restem.reports.data.run import Run
from restem.reports.pages.columns import fitted, interval_alone, plain, without_interval
from restem.reports.pages.escape import visible
from restem.reports.pages.finding_sentences import gap_sentences, missing_sentence, seed_sentences
from restem.reports.pages.json_data import advice_data, answer_data, finite, gap_data, interval, missing_data
from restem.reports.pages.sentences import answer_sentences
from restem.reports.tables import arms
from restem.reports.tables.format import difference
from restem.reports.tables.phrases import advice_cell
from restem.reports.tables.provenance import changed_models, judge_line, unread_references
from restem.reports.tables.table import Cell, Column, Table

SUMMARY = ("arm", "iteration", "accuracy", "gain", "reward", "gap")  # columns of Table 1
FEWEST = 3  # columns of Table 1 that a screen shows, however narrow it is
MOST_MISSING = 8
LINES, COLUMNS = 40, 160
AROUND_TABLE = 6  # its header, blank lines, the line that says what was left out, and the prompt


def summary(run_folder: Path, columns: int | None = None) -> str:
    """The answer, which judge was asked, and the chief columns of the verdict and of Table 1.

    Args:
        run_folder: Where run.db lies.
        columns: Of the terminal: no line is longer, and tables show what there is room for; all of it where None.

    Raises:
        ConfigError: The folder holds no run.
    """
    findings = read(run_folder)
    ranking = rank(findings)
    sentences = [
        *answer_sentences(answer(findings, ranking)),
        *(*gap_sentences(partings(findings)), *seed_sentences(ranking.standings)),
    ]
    lines = [visible(sentence, 2000) for sentence in sentences]
    lines.append(visible(judge_line(findings.run)))
    lines += [visible(sentence) for sentence in unread_references(findings.run)]
    lines += _unfinished(findings.run)
    if columns is not None:
        lines = wrapped(lines, columns)
    if advices := advise(findings, ranking):
        advised = _advised(advices, ranking)
        lines += ["", plain(advised) if columns is None else fitted(_advice_variants(advised), columns)]
    table = arms.arms(findings)
    shown = plain(table, SUMMARY) if columns is None else fitted(_arms_variants(table, SUMMARY), columns)
    return "\n".join([*lines, "", shown, ""])


def _advised(advices: Sequence[Advice], ranking: Ranking) -> Table:
    """What to do with each verifier, short enough for a narrow terminal."""

    def gain(advice: Advice) -> Cell:
        contest = ranking.gain(advice.standing)
        return difference(contest.claim if contest else None)

    columns: list[Column[Advice]] = [
        Column("arm", "Trained on", lambda advice: arms.arm_cell(advice.standing.arm)),
        Column("gain", "Gain, points", gain),
        Column("advice", "Recommendation", lambda advice: advice_cell(advice).text),
    ]
    return Table.of(advices, columns, id="verdict")


def _advice_variants(table: Table) -> list[Table]:
    """Ever narrower: without the gain's interval, without the gain."""
    return [table, table.changed(without_interval), table.only(("arm", "advice"))]


def _arms_variants(table: Table, keys: Sequence[str]) -> list[Table]:
    """Variants of decreasing width: first without what follows an interval, then without the last columns."""
    short = table.changed(interval_alone)
    return [table.only(keys), *(short.only(keys[:count]) for count in range(len(keys), FEWEST - 1, -1))]


def wrapped(lines: Sequence[str], columns: int) -> list[str]:
    """The lines broken between words where they are longer than this many columns."""
    return [part for line in lines for part in textwrap.wrap(line, columns) or [""]]


def status(run_folder: Path, lines: int = LINES, columns: int = COLUMNS) -> str:
    """Arms, iterations, accuracy with intervals, cost, what is unfinished: one screen of this many lines and columns.

    Raises:
        ConfigError: The folder holds no run.
    """
    return screen(read(run_folder), lines, columns)


def read(run_folder: Path) -> Findings:
    """The findings that a screen shows."""
    with Store(run_folder) as store:
        return find(read_run(store, brief=True), brief=True)


def counted(run: Run) -> str:
    """What there is, and what it took."""
    usd, calls = sum(cost.usd for cost in run.costs), sum(cost.calls for cost in run.costs)
    verdicts = sum(cost.verdicts for cost in run.costs)
    trained = sum(c.seconds for c in run.checkpoints.values() if c.kind != "candidate")
    return (
        f"{len(run.samples.id)} samples, {verdicts} verdicts, {calls} judge calls, {usd:.4f} USD, "
        f"{trained:.0f} s of training"
    )


def screen(findings: Findings, lines: int, columns: int) -> str:
    """The same for a run that was read, within this many lines and columns."""
    run, table = findings.run, arms.arms(findings)
    suite = f"{run.suite.get('name', 'unnamed')}: {len(run.arms)} arms, {run.iterations} iterations, gold {run.gold}"
    changed = [visible(line, 600) for line in (*changed_models(run), *unread_references(run))]
    facts = [visible(suite), visible(counted(run)), *changed, *(_unfinished(run) or ["Finished."])]
    head = wrapped(facts, columns)
    room = lines - len(head) - AROUND_TABLE
    if len(table.rows) > room:
        latest = tuple({row["arm"]: row for row in table.rows}.values())
        cut = latest[: max(1, room)]
        more = f", {len(latest) - len(cut)} arms left out" if len(cut) < len(latest) else ""
        head.append(f"Only the latest iteration of each arm{more}; all in `restem report`.")
        table = dataclasses.replace(table, rows=cut)
    return "\n".join([*head, "", fitted(_arms_variants(table, SUMMARY[:5]), columns), ""])


def standings(run_folder: Path) -> dict[str, Any]:
    """The same for programs: the answer, what to do with each verifier, and per arm and iteration accuracy and reward.

    Shares lie in [0, 1]; an interval is [value, low, high] at 95 %, clustered by problem; null where not measured.

    Raises:
        ConfigError: The folder holds no run.
    """
    findings = read(run_folder)
    rows = [
        {
            "checkpoint": standing.checkpoint,
            "arm": arm or None,
            "iteration": iteration,
            "kind": standing.kind,
            "accuracy": interval(standing.accuracy),
            "coverage": finite(standing.coverage),
            "gain": interval(standing.gain) if iteration else None,
            "reward": interval(standing.reward),
        }
        for (arm, iteration), standing in findings.standings.items()
        if iteration or not arm
    ]
    ranking = rank(findings)
    return {
        "answer": answer_data(answer(findings, ranking)),
        "advice": [advice_data(advice) for advice in advise(findings, ranking)],
        "reward_gap": [gap_data(parting) for parting in partings(findings)],
        "unfinished": [missing_data(item) for item in missing(findings.run)],
        "unreadable_references": findings.run.facts.get("unreadable_references"),
        "standings": rows,
    }


def _unfinished(run: Run) -> list[str]:
    absent = missing(run)
    if not absent:
        return []
    more = [f"  and {len(absent) - MOST_MISSING} more"] if len(absent) > MOST_MISSING else []
    return ["Unfinished:", *(f"  {visible(missing_sentence(item))}" for item in absent[:MOST_MISSING]), *more]
