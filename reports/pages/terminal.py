"""A run on one screen: plain text for the terminal, control characters of any origin made visible.

Takes a run folder; gives text. Needs no plotting library, so it is quick.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from restem.harness.sampling_settings import decoding_of_tests
from restem.harness.store.store import Store
from restem.reports.analysis.answer import answer
from restem.reports.analysis.findings import Findings, find
from restem.reports.analysis.ranking import rank
from restem.reports.analysis.recommendation import advise
from restem.reports.analysis.reward_gap import partings
from restem.reports.analysis.side_by_side import side_by_side
from restem.reports.analysis.transfer import transfers
from restem.reports.analysis.unfinished import missing
from restem.reports.data.read import read_run
from restem.reports.data.run import Run
from restem.reports.pages.columns import broken, fitted, interval_alone, wrapped
from restem.reports.pages.escape import visible
from restem.reports.pages.finding_sentences import missing_sentence
from restem.reports.pages.json_data import (
    advice_data,
    answer_data,
    finite,
    gap_data,
    interval,
    missing_data,
    side_data,
    transfer_data,
)
from restem.reports.pages.sentences import headline
from restem.reports.tables import arms
from restem.reports.tables.decoding import decoding_sentence
from restem.reports.tables.provenance import changed_models, drawn_by, judge_line, unread_references
from restem.reports.tables.table import Table
from restem.reports.tables.verdict import verdict

ARMS = ("arm", "iteration", "accuracy", "gain", "reward")  # columns of Table 1
BELOW_VERDICT = ("arm", "iteration", "accuracy", "reward", "gap")  # the same where the gains stand above
FEWEST = 3  # of them that a screen shows, however narrow it is
COVERED = "Gain: 95 % intervals, of other problems and other seeds."
MOST_MISSING = 8
LINES, COLUMNS = 40, 160
WIDEST = 80  # columns of the last screen of a run, however wide the terminal
AROUND_TABLE = 6  # its header, blank lines, the line that says what was left out, and the prompt


def summary(run_folder: Path, columns: int = WIDEST) -> str:
    """The claim, which judge was asked, and the verdict: the last screen of a run.

    Args:
        run_folder: Where run.db lies.
        columns: Of the terminal; no line is longer, nor longer than 80.

    Raises:
        ConfigError: The folder holds no run.
    """
    return summary_of(read(run_folder), columns)


def summary_of(findings: Findings, columns: int = WIDEST) -> str:
    """The same of a run that was read."""
    run, width = findings.run, min(columns, WIDEST)
    if run.imported:
        from restem.reports.pages import imported_terminal as imported  # it imports SciPy

        return imported.first_page(run, width)
    decoding = filter(None, [decoding_sentence(run)])
    notes = [judge_line(run), *drawn_by(run), *unread_references(run), *decoding, *_unfinished(run)]
    concluded = _conclusion(findings, width) or ["", fitted(_arms_variants(arms.arms(findings)), width)]
    return "\n".join([*wrapped([visible(note, 2000) for note in notes], width), *concluded, ""])


def _verdict_variants(table: Table) -> list[Table]:
    """Ever narrower: without intervals but the gain's, without any, the gain and the recommendation alone."""
    short = _bare(table, "advice")
    return [
        short.changed(interval_alone),
        gain := _bare(short, "share", "gap", "precision"),
        bare := _bare(gain, "gain"),
        bare.only(("arm", "gain", "advice")),
    ]


def _bare(table: Table, *keys: str) -> Table:
    """The table with nothing below the texts in these columns."""
    rows = ({key: cell._replace(detail="") if key in keys else cell for key, cell in row.items()} for row in table.rows)
    return dataclasses.replace(table, rows=tuple(rows))


def _arms_variants(table: Table, keys: Sequence[str] = ARMS) -> list[Table]:
    """Ever narrower: without what follows an interval, then without the last columns."""
    short = table.changed(interval_alone)
    return [table.only(keys), *(short.only(keys[:count]) for count in range(len(keys), FEWEST - 1, -1))]


def status(run_folder: Path, lines: int = LINES, columns: int = COLUMNS) -> str:
    """Arms, iterations, accuracy with intervals, cost, what is unfinished: one screen of this many lines and columns.

    Raises:
        ConfigError: The folder holds no run.
    """
    return screen(read(run_folder), lines, columns)


def read(run_folder: Path, *, check: bool = True) -> Findings:
    """The findings that a screen shows, of rows that are checked to be those that were stored."""
    with Store(run_folder, check=check) as store:
        return find(read_run(store, brief=True), brief=True)


def counted(run: Run) -> str:
    """What there is, and what it took."""
    usd, calls = sum(cost.usd for cost in run.costs), sum(cost.calls for cost in run.costs)
    verdicts = sum(cost.verdicts for cost in run.costs)
    trained = sum(c.seconds for c in run.checkpoints.values() if c.kind != "candidate")
    there = f"{len(run.samples.id)} samples, {verdicts} verdicts, {calls} judge calls, {usd:.4f} USD"
    return there if run.imported else f"{there}, {trained:.0f} s of training"


def screen(findings: Findings, lines: int, columns: int) -> str:
    """The same for a run that was read, within this many lines and columns.

    Of a finished run the claim and the verdict, with Table 1 below them where there is room; else Table 1 alone.
    """
    run = findings.run
    if run.imported:
        from restem.reports.pages import imported_terminal as imported  # it imports SciPy

        return imported.screen(run, lines, columns)
    suite = f"{run.suite.get('name', 'unnamed')}: {len(run.arms)} arms, {run.iterations} iterations, gold {run.gold}"
    changed = [visible(line, 600) for line in (*drawn_by(run), *changed_models(run), *unread_references(run))]
    unfinished = _unfinished(run)
    head = wrapped([visible(suite), visible(counted(run)), *changed, *(unfinished or ["Finished."])], columns)
    concluded = [] if unfinished else _conclusion(findings, columns)
    if len(head) + len(concluded) + 2 > lines:
        concluded = []
    head += concluded
    room = lines - len(head) - AROUND_TABLE
    if concluded and room < 1 + len(run.arms):
        return "\n".join([*head, ""])
    table = arms.arms(findings)
    if len(table.rows) > room:
        latest = tuple({row["arm"]: row for row in table.rows}.values())
        cut = latest[: max(1, room)]
        more = f", {len(latest) - len(cut)} arms left out" if len(cut) < len(latest) else ""
        head += wrapped([f"Only the latest iteration of each arm{more}; all in `restem report`."], columns)
        table = dataclasses.replace(table, rows=cut)
    return "\n".join([*head, "", fitted(_arms_variants(table, BELOW_VERDICT if concluded else ARMS), columns), ""])


def _conclusion(findings: Findings, columns: int) -> list[str]:
    """The claim and the table of the verdict, line by line; empty where no arm was trained."""
    ranking = rank(findings)
    table = verdict(findings, ranking)
    if not table.rows:
        return []
    claim = wrapped([visible(headline(answer(findings, ranking)), 2000)], columns)
    covered = wrapped([COVERED], columns)
    return ["", *claim, "", *broken(_verdict_variants(table), columns).splitlines(), *covered]


def standings(run_folder: Path) -> dict[str, Any]:
    """The same for programs: the answer, what to do with each verifier, and per arm and iteration accuracy and reward.

    Shares lie in [0, 1]; an interval is [value, low, high] at 95 %, clustered by problem; null where not measured.

    Raises:
        ConfigError: The folder holds no run.
    """
    return standings_of(read(run_folder))


def standings_of(findings: Findings) -> dict[str, Any]:
    """The same of a run that was read."""
    if findings.run.imported:
        from restem.reports.pages import imported_terminal as imported  # it imports SciPy

        return imported.data(findings.run) | {"unfinished": [missing_data(item) for item in missing(findings.run)]}
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
        "side_by_side": [side_data(side) for side in side_by_side(findings, ranking)],
        "reward_gap": [gap_data(parting) for parting in partings(findings)],
        "unfinished": [missing_data(item) for item in missing(findings.run)],
        "unreadable_references": findings.run.facts.get("unreadable_references"),
        "standings": rows,
        "transfer": [transfer_data(item) for item in transfers(findings)],
        "test_decoding": decoding_of_tests(findings.run.suite.get("sampling") or {}),
    }


def _unfinished(run: Run) -> list[str]:
    absent = missing(run)
    if not absent:
        return []
    more = [f"  and {len(absent) - MOST_MISSING} more"] if len(absent) > MOST_MISSING else []
    return ["Unfinished:", *(f"  {visible(missing_sentence(item))}" for item in absent[:MOST_MISSING]), *more]
