"""The update of `restem gate --update`: a baseline and its golden rows written anew, and what that changed.

Takes a baseline with its rows; gives changes, as text or as JSON. A file is replaced at once and only if it differs.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Sequence
from pathlib import Path

from restem.benchmarks.json_lines import BYTE_ORDER_MARK
from restem.harness.errors import ConfigError
from restem.harness.files import write_whole
from restem.harness.gate.baseline import Expected, with_expected
from restem.harness.gate.check import Golden, ask, compared, wanted
from restem.harness.gate.golden import roll_call, with_outcomes
from restem.reports.analysis.gate import Item, Summary
from restem.reports.pages.escape import visible
from restem.reports.pages.gate import SHOWN, flip_lines
from restem.reports.tables.format import DASH, number
from restem.verifiers.verdict import Outcome

DIGITS = 6


@dataclasses.dataclass(frozen=True, kw_only=True)
class Change:
    """What an update changed for one verifier."""

    verifier: str
    old: Expected | None
    new: Expected | None
    flips: tuple[Item, ...]


def update(golden: Golden, names: Sequence[str] = (), *, quiet: bool = False) -> list[Change]:
    """The old and new expectations of each verifier, after baseline and rows have been written anew."""
    chosen = wanted(golden, names)
    if not golden.rows:
        raise ConfigError(
            f"{golden.path.name}: no rows in {', '.join(golden.baseline.rows)}: nothing to expect of them"
        )
    outcomes: list[dict[str, Outcome]] = [{} for _ in golden.rows]
    changes: list[Change] = []
    for name, verifier, verdicts in ask(golden, chosen, quiet):
        comparison = compared(golden, name, verifier.fingerprint, verdicts)
        old, new = golden.baseline.verifiers[name].expected, _expected(golden, verifier.fingerprint, comparison.now)
        changes.append(Change(verifier=name, old=old, new=new, flips=comparison.flips))
        for row, verdict in zip(outcomes, verdicts, strict=True):
            row[name] = verdict.outcome
    expected = {change.verifier: change.new for change in changes if change.new}
    text = with_expected(golden.path.read_bytes().decode(), expected, golden.path.name)
    pinned, of_rows = [name for name in chosen if golden.pinned(name)], iter(outcomes)
    for path, rows in golden.files.items():
        lines = {row.line: with_outcomes(row, next(of_rows), pinned) for row in rows}
        # The file is read again, so that lines which were added while a judge answered stay.
        data = path.read_bytes()
        start = BYTE_ORDER_MARK if data.startswith(BYTE_ORDER_MARK) else b""
        now = data.removeprefix(start).split(b"\n")
        _write(path, start + b"\n".join(lines.get(line, line) for line in now))
    _write(golden.path, text.encode())
    return changes


def _expected(golden: Golden, fingerprint: str, now: Summary) -> Expected | None:
    """The figures of a baseline, rounded; None where no row has a label."""

    def rounded(value: float) -> float | None:
        return round(value, DIGITS) if math.isfinite(value) else None

    agreement, decided = now.agreement, now.decided
    if not agreement.n:
        return None
    return Expected(
        fingerprint=fingerprint,
        n=agreement.n,
        agreement=round(agreement.value, DIGITS),
        interval=(round(agreement.low, DIGITS), round(agreement.high, DIGITS)),
        undecided=round(1 - now.coverage.value, DIGITS),
        ac1=rounded(decided.ac1.value),
        kappa=rounded(decided.kappa.value),
        prevalence=(round(decided.prevalence[1], DIGITS), round(decided.prevalence[0], DIGITS)) if decided.n else None,
        rows={file: roll_call(golden.rows_of(file)) for file in golden.baseline.rows},
    )


def _write(path: Path, data: bytes) -> None:
    """Writes a file that is to change; a stopped update leaves the old or the new one."""
    if path.read_bytes() != data:
        write_whole(path, data)


def differences(changes: Sequence[Change]) -> str:
    """What an update changed: old and new figures of each verifier, and the rows on which its outcome changed."""
    lines: list[str] = []
    for change in changes:
        pairs = zip(_texts(change.old), _texts(change.new), strict=True)
        parts = [f"{label} {then} -> {now}" for (label, then), (_, now) in pairs if then != now]
        parts += [f"rows changed: {len(change.flips)}"] if change.flips else []
        lines.append(f"{visible(change.verifier, 80)}: {'; '.join(parts) or 'nothing changed'}")
        lines += [line for item in change.flips[:SHOWN] for line in flip_lines(item)]
    return "\n".join(lines)


def _texts(expected: Expected | None) -> list[tuple[str, str]]:
    """The chief figures, labelled; dashes where there are none."""
    figures = expected.model_dump() if expected else {}
    shown = (("agreement", "agreement, %", 1, 100.0), ("undecided", "undecided, %", 1, 100.0))
    shown += (("ac1", "AC1", 3, 1.0), ("kappa", "kappa", 3, 1.0), ("n", "labelled rows", 0, 1.0))
    values = [(label, figures.get(key), digits, scale) for key, label, digits, scale in shown]
    return [(label, DASH if value is None else number(value, digits, scale)) for label, value, digits, scale in values]


def differences_json(changes: Sequence[Change]) -> str:
    """The same for programs; every changed row by its id."""
    return json.dumps(
        {
            change.verifier: {
                "old": change.old.model_dump() if change.old else None,
                "new": change.new.model_dump() if change.new else None,
                "flips": {item.id: [item.expected, item.verdict.outcome] for item in change.flips},
            }
            for change in changes
        }
    )
