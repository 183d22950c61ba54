"""What `restem gate` and the pytest plug-in do: ask verifiers about golden rows, compare, write baselines.

Takes a baseline's path; gives comparisons, and on request the baseline and its rows written anew, or every verifier's
sensitivity and specificity. Everything is read and every verifier is built before the first one is asked.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from restem.harness.app.judges import judge_options
from restem.harness.errors import ConfigError
from restem.harness.gate.golden import (
    Baseline,
    Entry,
    Expected,
    GoldenRow,
    read_baseline,
    read_rows,
    roll_call,
    row_count,
    still_there,
    with_expected,
    with_outcomes,
)
from restem.harness.progress import RunProgress
from restem.reports.analysis.gate import Bar, Comparison, Item, Remark, RemarkCode, Summary, compare, summary
from restem.reports.pages.escape import visible
from restem.reports.pages.gate import SHOWN, flip_lines
from restem.reports.tables.format import DASH, number
from restem.verifiers import catalog
from restem.verifiers.verdict import Attempt, Outcome, Verdict, Verifier, checked

CALIBRATION = Path(__file__).resolve().parents[2] / "tests" / "golden" / "calibration.gate.toml"
DIGITS = 6


@dataclasses.dataclass(frozen=True, kw_only=True)
class Golden:
    """A baseline with its rows, checked."""

    path: Path
    baseline: Baseline
    files: Mapping[Path, Sequence[GoldenRow]]

    @property
    def rows(self) -> list[GoldenRow]:
        return [row for rows in self.files.values() for row in rows]

    def rows_of(self, file: str) -> Sequence[GoldenRow]:
        """The rows of a file by its name in the baseline; none where it is not there any more."""
        return self.files.get(self.path.parent / file, ())

    def pinned(self, verifier: str) -> bool:
        """Whether each row's outcome is golden: as the baseline says, else unless a judge is asked."""
        entry = self.baseline.verifiers.get(verifier, Entry())
        return not catalog.judges([verifier], self.baseline.options) if entry.pinned is None else entry.pinned


def read_golden(path: Path) -> Golden:
    """A baseline and all its rows.

    Raises:
        ConfigError: Something is wrong with a file, or two rows have one id.
    """
    baseline = read_baseline(path)
    files = {path.parent / name: read_rows(path.parent / name) for name in baseline.rows}
    found = Golden(path=path, baseline=baseline, files=files)
    seen: set[str] = set()
    for row in found.rows:
        if row.id in seen:
            raise ConfigError(
                f"{path.name}: two rows have the id {visible(row.id, 80)}: rows that say the same need ids"
            )
        seen.add(row.id)
    used = {*catalog.names(), *catalog.with_parts(list(baseline.verifiers), baseline.options)}
    for name, table in baseline.options.items():
        if name not in used and "type" not in table:
            raise ConfigError(f"{path.name}: options.{name}: no verifier of that name is used here")
    return found


def check(golden: Golden, names: Sequence[str] = (), *, quiet: bool = False) -> Iterator[Comparison]:
    """Each verifier of the baseline, or only those named, compared with it.

    Raises:
        ConfigError: A name is not in the baseline, or nothing is expected of its verifier yet.
        VerifierError: A verifier is unknown, breaks its contract, or is a judge that cannot be reached.
    """
    wanted = _wanted(golden, names)
    for name in wanted:
        if not golden.pinned(name) and golden.baseline.verifiers[name].expected is None:
            raise ConfigError(f"{golden.path.name}: nothing is expected of {name} yet; --update writes it")
    for name, verifier, verdicts in ask(golden, wanted, quiet):
        yield _compared(golden, name, verifier.fingerprint, verdicts)


def _wanted(golden: Golden, names: Sequence[str]) -> list[str]:
    known = golden.baseline.verifiers
    if unknown := [name for name in names if name not in known]:
        raise ConfigError(f"{golden.path.name} has no [verifiers.{unknown[0]}], only {', '.join(known) or 'none'}")
    if not known:
        raise ConfigError(f"{golden.path.name}: no [verifiers.NAME] table: no verifier to compare")
    return list(names or known)


def ask(golden: Golden, names: Sequence[str], quiet: bool) -> Iterator[tuple[str, Verifier, list[Verdict]]]:
    """Each verifier and its verdicts in the order of the rows; rows of one problem are asked together."""
    rows, options = golden.rows, golden.baseline.options
    with contextlib.ExitStack() as stack:
        tables: dict[str, Mapping[str, Any]] = dict(options)
        if catalog.judges(names, options):
            tables |= judge_options({name: dict(table) for name, table in options.items()}, names, stack)
        progress = stack.enter_context(RunProgress(len(rows) * len(names), unit="verdicts", quiet=quiet))
        built: catalog.Built = {}
        verifiers = {
            name: catalog.build(name, tables, progress=lambda answered, _: progress.within(answered), built=built)
            for name in names
        }
        groups: dict[str, list[int]] = {}
        for place, row in enumerate(rows):
            groups.setdefault(row.problem.id, []).append(place)
        order = [place for group in groups.values() for place in group]
        attempts = [Attempt(problem=rows[place].problem, response=rows[place].response) for place in order]
        for name, verifier in verifiers.items():
            progress.stage(visible(name, 80))
            found = dict(zip(order, checked(verifier, attempts), strict=True))
            progress.advance(len(rows))
            yield name, verifier, [found[place] for place in range(len(rows))]


def _compared(golden: Golden, name: str, fingerprint: str, verdicts: Sequence[Verdict]) -> Comparison:
    entry, pinned, baseline = golden.baseline.verifiers[name], golden.pinned(name), golden.baseline
    expected, bar = entry.expected, None
    notes: list[Remark] = []
    if expected is not None:
        bar = Bar(
            agreement=expected.agreement,
            interval=expected.interval,
            n=expected.n,
            margin=baseline.margin_of(name),
            confidence=baseline.confidence,
        )
        if expected.fingerprint not in (None, fingerprint):
            notes.append(Remark(code=RemarkCode.OTHER_VERIFIER, then=expected.fingerprint, now=fingerprint))
        labelled = sum(row.label is not None for row in golden.rows)
        if labelled > expected.n:
            notes.append(Remark(code=RemarkCode.ROWS_ADDED, then=expected.n, now=labelled))
    items = _items(golden.rows, name, pinned, verdicts)
    found = compare(name, items, pinned=pinned, bar=bar, gaps=_gaps(golden, expected, items), notes=notes)
    if pinned and expected and expected.fingerprint == fingerprint and _changed_its_mind(golden, name, found):
        found = dataclasses.replace(found, notes=(*found.notes, Remark(code=RemarkCode.SAME_FINGERPRINT)))
    return found


def _gaps(golden: Golden, expected: Expected | None, items: Sequence[Item]) -> list[Remark]:
    """What the baseline was written with and is not there any more: a flipped row is not mended by its removal."""
    if not any(item.label or item.expected for item in items):
        return [Remark(code=RemarkCode.NOTHING_EXPECTED)]
    if expected is None:
        return []
    labelled = sum(item.label is not None for item in items)
    if labelled < expected.n:
        return [Remark(code=RemarkCode.ROWS_REMOVED, then=expected.n, now=labelled)]
    return [
        Remark(code=RemarkCode.ROWS_MOVED, then=row_count(called), file=file)
        for file, called in (expected.rows or {}).items()
        if not still_there(golden.rows_of(file), called)
    ]


def _changed_its_mind(golden: Golden, name: str, found: Comparison) -> bool:
    """Whether a verifier that asks no judge says something else on rows that the baseline was written with."""
    expected = golden.baseline.verifiers[name].expected
    called = (expected and expected.rows) or {}
    known = {row.id for file, call in called.items() for row in golden.rows_of(file)[: row_count(call)]}
    return not catalog.judges([name], golden.baseline.options) and any(item.id in known for item in found.flips)


def _items(rows: Sequence[GoldenRow], name: str, pinned: bool, verdicts: Sequence[Verdict]) -> list[Item]:
    return [
        Item(
            id=row.id,
            problem=row.problem,
            response=row.response,
            label=row.label,
            expected=row.expected(name, pinned),
            verdict=verdict,
        )
        for row, verdict in zip(rows, verdicts, strict=True)
    ]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Change:
    """What an update changed for one verifier."""

    verifier: str
    old: Expected | None
    new: Expected | None
    flips: tuple[Item, ...]


def update(golden: Golden, names: Sequence[str] = (), *, quiet: bool = False) -> list[Change]:
    """What was and what now is expected of each verifier; baseline and rows are written anew to say so."""
    wanted = _wanted(golden, names)
    if not golden.rows:
        raise ConfigError(
            f"{golden.path.name}: no rows in {', '.join(golden.baseline.rows)}: nothing to expect of them"
        )
    said: list[dict[str, Outcome]] = [{} for _ in golden.rows]
    changes: list[Change] = []
    for name, verifier, verdicts in ask(golden, wanted, quiet):
        found = _compared(golden, name, verifier.fingerprint, verdicts)
        old, new = golden.baseline.verifiers[name].expected, _expected(golden, verifier.fingerprint, found.now)
        changes.append(Change(verifier=name, old=old, new=new, flips=found.flips))
        for row, verdict in zip(said, verdicts, strict=True):
            row[name] = verdict.outcome
    expected = {change.verifier: change.new for change in changes if change.new}
    text = with_expected(golden.path.read_bytes().decode(), expected, golden.path.name)
    pinned, outcomes = [name for name in wanted if golden.pinned(name)], iter(said)
    for path, rows in golden.files.items():
        lines = {row.line: with_outcomes(row, next(outcomes), pinned) for row in rows}
        # The file as it is now: lines that were added while a judge was asked stay.
        _replace(path, b"\n".join(lines.get(line, line) for line in path.read_bytes().split(b"\n")))
    _replace(golden.path, text.encode())
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


def _replace(path: Path, data: bytes) -> None:
    """Puts a file in the place of another at once, so that a stopped update leaves the old or the new one."""
    if path.is_file() and path.read_bytes() == data:
        return
    beside = path.with_name(f".{path.name}.new")
    beside.write_bytes(data)
    os.replace(beside, path)


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
    found = expected.model_dump() if expected else {}
    shown = (("agreement", "agreement, %", 1, 100.0), ("undecided", "undecided, %", 1, 100.0))
    shown += (("ac1", "AC1", 3, 1.0), ("kappa", "kappa", 3, 1.0), ("n", "labelled rows", 0, 1.0))
    values = [(label, found.get(key), digits, scale) for key, label, digits, scale in shown]
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


def quality(golden: Golden, names: Sequence[str], *, quiet: bool = False) -> dict[str, Summary]:
    """Each verifier's sensitivity and specificity on the labelled rows; of every built-in verifier if none is named."""
    wanted = list(names or dict.fromkeys([*catalog.names(), *golden.baseline.verifiers]))
    return {name: summary(_items(golden.rows, name, False, found)) for name, _, found in ask(golden, wanted, quiet)}
