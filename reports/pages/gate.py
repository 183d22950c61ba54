"""What a gate measured, as text for a terminal, as Markdown, and as JSON.

Takes Comparisons and Summaries; gives texts. Texts of responses and verifiers are shortened and their control
characters written out, so that no row can send commands to a terminal. Does not depend on files.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from restem.reports.analysis.gate import Comparison, Item, Remark, RemarkCode, Summary
from restem.reports.pages.columns import piped, plain
from restem.reports.pages.escape import visible
from restem.reports.tables import gate
from restem.reports.tables.format import interval, number, percent, signed
from restem.verifiers.verdict import Verdict

SHOWN = 20


def message(comparison: Comparison, shown: int = SHOWN) -> str:
    """What happened to a verifier, in lines that any terminal can print: agreement, tests, flipped rows."""
    lines = [f"{visible(comparison.verifier, 80)}: {'passed' if comparison.passed else 'FAILED'}"]
    lines += [
        f"  {line}"
        for line in (*(visible(remark_sentence(gap), 300) for gap in comparison.gaps), *_agreement_lines(comparison))
    ]
    if comparison.flips and (comparison.pinned or not comparison.passed):
        single = len(comparison.flips) == 1
        kind = (
            f"golden {'row' if single else 'rows'} flipped"
            if comparison.pinned
            else f"{'row' if single else 'rows'} changed"
        )
        worse, better = (sum(item.change == sign for item in comparison.flips) for sign in (-1, 1))
        lines.append(f"  {len(comparison.flips)} {kind}: {worse} for the worse, {better} for the better")
        lines += [line for item in comparison.flips[:shown] for line in flip_lines(item)]
        if len(comparison.flips) > shown:
            lines.append(f"    and {len(comparison.flips) - shown} more (--json lists all)")
    return "\n".join(lines + [f"  note: {visible(remark_sentence(note), 300)}" for note in comparison.notes])


def _agreement_lines(comparison: Comparison) -> list[str]:
    now, bar, moved = comparison.now, comparison.bar, comparison.shift
    text = f"{percent(now.agreement)} of {now.agreement.n} rows, {now.agreement.clusters} problems"
    lines = [f"agreement {text}; decided {percent(now.coverage)}"]
    if bar and moved:
        limits = f" {interval(*bar.interval)}" if bar.interval else ""
        lines[0] = f"agreement {number(bar.agreement)} %{limits} -> {text}; decided {percent(now.coverage)}"
        lines.append(
            f"change {signed(moved.value, 2)} points, at most {signed(moved.high, 2)} at {100 * bar.confidence:g} % "
            f"(one-sided, by problem); {signed(-bar.margin, 2)} is allowed"
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


def page(comparisons: Sequence[Comparison]) -> str:
    """The table, and below it what there is to say of those that failed or that have something to note."""
    messages = [message(c) for c in comparisons if not c.passed or c.notes]
    failed = [visible(c.verifier, 80) for c in comparisons if not c.passed]
    verdict = f"FAILED: {', '.join(failed)}" if failed else "passed"
    return "\n\n".join([plain(gate.agreement(comparisons)), *messages, verdict])


def as_json(comparisons: Sequence[Comparison]) -> str:
    """The comparisons for programs; shares in [0, 1], intervals as [value, low, high], null where not measured."""
    page = {
        "passed": all(c.passed for c in comparisons),
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
            for c in comparisons
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


def quality_tables(files: Mapping[str, Mapping[str, Summary]]) -> str:
    """Sensitivity and specificity as Markdown tables: one for each file of rows, named if there are several."""
    tables = {name: piped(gate.quality(summaries)) for name, summaries in files.items()}
    if len(tables) == 1:
        return next(iter(tables.values()))
    return "\n\n".join(f"`{visible(name, 80)}`:\n\n{table}" for name, table in tables.items())


def quality_json(files: Mapping[str, Mapping[str, Summary]]) -> str:
    """The same for programs: file of rows -> verifier -> figures."""
    return json.dumps(
        {file: {name: figures(now) for name, now in summaries.items()} for file, summaries in files.items()}
    )
