"""What a gate found, as text for a terminal, as tables, and as JSON.

Takes Comparisons and Summaries; gives texts. What a response or a verifier says is shown with its control characters
written out, and shortened: no row can play tricks with a terminal. Knows nothing of files.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from tabulate import tabulate

from restem.reports.analysis.gate import Comparison, Item, Remark, RemarkCode, Summary
from restem.reports.pages.escape import visible
from restem.reports.stats.estimates import Estimate
from restem.reports.tables.format import DASH, number
from restem.verifiers.verdict import Verdict

SHOWN = 20
HEADERS = (
    "Verifier",
    "Pinned",
    "Rows",
    "Agreement, %",
    "Expected, %",
    "Decided, %",
    "AC1",
    "Kappa",
    "Prevalence, %",
    "Flipped",
    "Verdict",
)
QUALITY_HEADERS = ("Verifier", "TPR, %", "TNR, %", "Decided, %", "Correct", "Wrong", "Rows", "Problems")


def message(found: Comparison, shown: int = SHOWN) -> str:
    """What happened to a verifier, in lines that any terminal can print: agreement, tests, flipped rows."""
    lines = [f"{visible(found.verifier, 80)}: {'passed' if found.passed else 'FAILED'}"]
    lines += [
        f"  {line}" for line in (*(visible(remark_sentence(gap), 300) for gap in found.gaps), *_agreement_lines(found))
    ]
    if found.flips and (found.pinned or not found.passed):
        one = len(found.flips) == 1
        kind = f"golden {'row' if one else 'rows'} flipped" if found.pinned else f"{'row' if one else 'rows'} changed"
        worse, better = (sum(item.change == sign for item in found.flips) for sign in (-1, 1))
        lines.append(f"  {len(found.flips)} {kind}: {worse} for the worse, {better} for the better")
        lines += [line for item in found.flips[:shown] for line in flip_lines(item)]
        if len(found.flips) > shown:
            lines.append(f"    and {len(found.flips) - shown} more (--json lists all)")
    return "\n".join(lines + [f"  note: {visible(remark_sentence(note), 300)}" for note in found.notes])


def _agreement_lines(found: Comparison) -> list[str]:
    now, bar, moved = found.now, found.bar, found.shift
    text = f"{percent(now.agreement)} of {now.agreement.n} rows, {now.agreement.clusters} problems"
    lines = [f"agreement {text}; decided {percent(now.coverage)}"]
    if bar and moved:
        limits = f" [{number(bar.interval[0])}, {number(bar.interval[1])}]" if bar.interval else ""
        lines[0] = f"agreement {number(bar.agreement)} %{limits} -> {text}; decided {percent(now.coverage)}"
        lines.append(
            f"change {points(moved.value)} points, at most {points(moved.high)} at {100 * bar.confidence:g} % "
            f"(one-sided, by problem); {points(-bar.margin)} is allowed"
        )
        if moved.worse is not None:
            lines.append(f"problems worse {moved.worse}, better {moved.better}: sign test p = {moved.p_value:.2g}")
        if moved.significant:
            lines.append("agreement is significantly worse than the margin allows")
    return lines


def remark_sentence(remark: Remark) -> str:
    """What is to be known of a comparison, with what to do about it."""
    then, now = remark.then, remark.now
    accept = "--update accepts the rows as they are"
    return {
        RemarkCode.NOTHING_EXPECTED: "no row says what is expected of it: nothing was checked",
        RemarkCode.ROWS_REMOVED: f"the baseline had {then} labelled rows, now there are {now}: {accept}",
        RemarkCode.ROWS_MOVED: (
            f"{remark.file} does not begin with the {then} rows of the baseline (new ones go to its end): {accept}"
        ),
        RemarkCode.OTHER_VERIFIER: f"another verifier than the baseline's: {then} -> {now}",
        RemarkCode.ROWS_ADDED: f"the baseline had {then} labelled rows, now there are {now}: --update counts them",
        RemarkCode.BETTER: "agrees better than its baseline: --update raises the bar",
        RemarkCode.SAME_FINGERPRINT: (
            "the fingerprint is the same: raise the verifier's version, else stored verdicts are not made anew"
        ),
    }[remark.code]


def flip_lines(item: Item) -> list[str]:
    """A row that changed: then and now, why, and what it says."""
    verdict = item.verdict
    why = ", ".join(f"{name} {visible(text, 120)}" for name, text in _why(verdict) if text)
    return [
        f"    {visible(item.id, 80)}: {item.expected} -> {verdict.outcome} (label {item.label or 'unknown'}); {why}",
        f"      question: {visible(item.problem.question, 160)}",
        f"      response: {visible(item.response, 240)}",
    ]


def _why(verdict: Verdict) -> list[tuple[str, str | None]]:
    return [("rule", verdict.rule or "none"), ("reason", verdict.reason), ("answer", verdict.answer)]


def percent(found: Estimate) -> str:
    """`97.5 % [96.1, 98.4]`; a dash where there is nothing to estimate."""
    return f"{number(found.value)} % [{number(found.low)}, {number(found.high)}]" if found.n else DASH


def points(value: float) -> str:
    """A signed difference of shares in percentage points."""
    return f"{round(100 * value, 2) + 0.0:+.2f}".replace("-", "−") if math.isfinite(value) else "unknown"


def table(found: Sequence[Comparison]) -> str:
    """All comparisons, a line each; prevalence of the labels and of the verifier on what it decided."""
    rows = [
        (
            visible(c.verifier, 60),
            "yes" if c.pinned else "no",
            c.now.agreement.n,
            interval(c.now.agreement),
            number(c.bar.agreement) if c.bar else DASH,
            number(c.now.coverage.value),
            number(c.now.decided.ac1.value, 3, 1),
            number(c.now.decided.kappa.value, 3, 1),
            f"{number(c.now.decided.prevalence[1])} / {number(c.now.decided.prevalence[0])}",
            len(c.flips),
            "passed" if c.passed else "FAILED",
        )
        for c in found
    ]
    return tabulate(rows, headers=HEADERS, tablefmt="simple", disable_numparse=True)


def interval(found: Estimate) -> str:
    """`97.5 [96.1, 98.4]`."""
    return percent(found).replace(" %", "")


def page(found: Sequence[Comparison]) -> str:
    """The table, and below it what there is to say of those that failed or that have something to note."""
    said = [message(c) for c in found if not c.passed or c.notes]
    failed = [visible(c.verifier, 80) for c in found if not c.passed]
    verdict = f"FAILED: {', '.join(failed)}" if failed else "passed"
    return "\n\n".join([table(found), *said, verdict])


def as_json(found: Sequence[Comparison]) -> str:
    """The comparisons for programs; shares in [0, 1], intervals as [value, low, high], null where not measured."""
    page = {
        "passed": all(c.passed for c in found),
        "verifiers": [
            {
                "verifier": c.verifier,
                "passed": c.passed,
                "pinned": c.pinned,
                "expected": c.bar.agreement if c.bar else None,
                "margin": c.bar.margin if c.bar else None,
                **figures(c.now),
                "shift": _plain(dataclasses.asdict(c.shift)) if c.shift else None,
                "flips": [_flip(item) for item in c.flips],
                "failures": list(c.failures),
                "gaps": [dataclasses.asdict(gap) for gap in c.gaps],
                "notes": [dataclasses.asdict(note) for note in c.notes],
            }
            for c in found
        ],
    }
    return json.dumps(page)


def figures(now: Summary) -> dict[str, Any]:
    """A summary for programs."""
    named = {
        "agreement": now.agreement,
        "coverage": now.coverage,
        "ac1": now.decided.ac1,
        "kappa": now.decided.kappa,
        "sensitivity": now.sensitivity,
        "specificity": now.specificity,
    }
    values = {name: _plain([e.value, e.low, e.high]) if e.n else None for name, e in named.items()}
    prevalence = {"labels": now.decided.prevalence[1], "verifier": now.decided.prevalence[0]}
    counts = {"rows": now.agreement.n, "problems": now.agreement.clusters, "decided": now.decided.n}
    return values | counts | {"prevalence": _plain(prevalence)}


def _plain(value: Any) -> Any:
    """The value with what JSON has no word for (NaN) as null."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _flip(item: Item) -> dict[str, Any]:
    return {
        "id": item.id,
        "expected": item.expected,
        "outcome": item.verdict.outcome,
        "label": item.label,
        "rule": item.verdict.rule,
        "reason": item.verdict.reason,
        "answer": item.verdict.answer,
        "question": item.problem.question,
        "response": item.response,
    }


def quality_table(found: Mapping[str, Summary]) -> str:
    """Sensitivity and specificity as a Markdown table."""
    rows = [
        (
            visible(name, 60),
            interval(now.sensitivity),
            interval(now.specificity),
            interval(now.coverage),
            now.sensitivity.n,
            now.specificity.n,
            now.agreement.n,
            now.agreement.clusters,
        )
        for name, now in found.items()
    ]
    return tabulate(rows, headers=QUALITY_HEADERS, tablefmt="github", disable_numparse=True)


def quality_json(found: Mapping[str, Summary]) -> str:
    """The same for programs."""
    return json.dumps({name: figures(now) for name, now in found.items()})
