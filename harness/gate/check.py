"""The check of `restem gate` and of the pytest plug-in: verifiers judge golden rows, and are compared with a baseline.

Takes a baseline's path; gives comparisons, or every verifier's sensitivity and specificity. All files are read and all
verifiers are built before the first one judges. Baselines are written by harness/gate/update.py.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from restem.harness.app.code_permission import check_functions
from restem.harness.app.judges import check_models, judge_options
from restem.harness.errors import ConfigError
from restem.harness.gate.baseline import Baseline, Entry, Expected, read_baseline
from restem.harness.gate.golden import GoldenRow, read_rows, row_count, still_there
from restem.harness.progress import RunProgress
from restem.reports.analysis.gate import Bar, Comparison, Item, Remark, RemarkCode, Summary, compare, summary
from restem.reports.pages.escape import visible
from restem.verifiers import catalog
from restem.verifiers.verdict import Attempt, Verdict, Verifier, checked

CALIBRATION = Path(__file__).resolve().parents[2] / "tests" / "golden" / "calibration.gate.toml"


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
    golden = Golden(path=path, baseline=baseline, files=files)
    seen: set[str] = set()
    for row in golden.rows:
        if row.id in seen:
            raise ConfigError(
                f"{path.name}: two rows have the id {visible(row.id, 80)}: rows that say the same need ids"
            )
        seen.add(row.id)
    used = {*catalog.names(), *catalog.with_parts(list(baseline.verifiers), baseline.options)}
    for name, table in baseline.options.items():
        if name not in used and "type" not in table:
            raise ConfigError(f"{path.name}: options.{name}: no verifier of that name is used here")
    return golden


def check(golden: Golden, names: Sequence[str] = (), *, quiet: bool = False) -> Iterator[Comparison]:
    """Each verifier of the baseline, or only those named, compared with it.

    Raises:
        ConfigError: A name is not in the baseline, or nothing is expected of its verifier yet.
        VerifierError: A verifier is unknown, breaks its contract, or is a judge that cannot be reached.
    """
    chosen = wanted(golden, names)
    for name in chosen:
        if not golden.pinned(name) and golden.baseline.verifiers[name].expected is None:
            raise ConfigError(f"{golden.path.name}: nothing is expected of {name} yet; --update writes it")
    for name, verifier, verdicts in ask(golden, chosen, quiet):
        yield compared(golden, name, verifier.fingerprint, verdicts)


def wanted(golden: Golden, names: Sequence[str]) -> list[str]:
    """The verifiers to compare: those named, or else all of the baseline.

    Raises:
        ConfigError: The baseline has no such verifier, or none at all.
    """
    known = golden.baseline.verifiers
    if unknown := [name for name in names if name not in known]:
        raise ConfigError(f"{golden.path.name} has no [verifiers.{unknown[0]}], only {', '.join(known) or 'none'}")
    if not known:
        raise ConfigError(f"{golden.path.name}: no [verifiers.NAME] table: no verifier to compare")
    return list(names or known)


def ask(golden: Golden, names: Sequence[str], quiet: bool) -> Iterator[tuple[str, Verifier, list[Verdict]]]:
    """Each verifier and its verdicts in the order of the rows; the rows of a problem are judged together."""
    rows, options = golden.rows, golden.baseline.options
    check_functions(names, {name: dict(table) for name, table in options.items()})
    with contextlib.ExitStack() as stack:
        tables: dict[str, Mapping[str, Any]] = dict(options)
        if catalog.judges(names, options):
            judges = judge_options({name: dict(table) for name, table in options.items()}, names, stack)
            check_models(judges)
            tables |= judges
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
            verdicts = dict(zip(order, checked(verifier, attempts), strict=True))
            progress.advance(len(rows))
            yield name, verifier, [verdicts[place] for place in range(len(rows))]


def compared(golden: Golden, name: str, fingerprint: str, verdicts: Sequence[Verdict]) -> Comparison:
    """A verifier's verdicts on the rows, in their order, compared with the baseline."""
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
    comparison = compare(name, items, pinned=pinned, bar=bar, gaps=_gaps(golden, expected, items), notes=notes)
    if pinned and expected and expected.fingerprint == fingerprint and _outcomes_changed(golden, name, comparison):
        comparison = dataclasses.replace(
            comparison, notes=(*comparison.notes, Remark(code=RemarkCode.SAME_FINGERPRINT))
        )
    return comparison


def _gaps(golden: Golden, expected: Expected | None, items: Sequence[Item]) -> list[Remark]:
    """Rows of the baseline that are missing now: removing a flipped row does not make a check pass."""
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


def _outcomes_changed(golden: Golden, name: str, comparison: Comparison) -> bool:
    """Whether a verifier without a judge has other outcomes on rows that the baseline was written with."""
    expected = golden.baseline.verifiers[name].expected
    called = (expected and expected.rows) or {}
    known = {row.id for file, call in called.items() for row in golden.rows_of(file)[: row_count(call)]}
    return not catalog.judges([name], golden.baseline.options) and any(item.id in known for item in comparison.flips)


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


def quality(golden: Golden, names: Sequence[str], *, quiet: bool = False) -> dict[str, dict[str, Summary]]:
    """File of rows -> verifier -> its sensitivity and specificity on the labelled rows of that file.

    A file holds one kind of data, and rates of one kind say little about another, so no rate is computed over all
    files. Without names: every built-in verifier, those of the baseline, and those that its options define out of
    verifiers that are installed.
    """
    chosen = list(names or dict.fromkeys([*catalog.names(), *golden.baseline.verifiers, *_defined(golden.baseline)]))
    tables: dict[str, dict[str, Summary]] = {name: {} for name in golden.baseline.rows}
    for verifier, _, verdicts in ask(golden, chosen, quiet):
        items = iter(_items(golden.rows, verifier, False, verdicts))
        for name, summaries in tables.items():
            summaries[verifier] = summary([next(items) for _ in golden.rows_of(name)])
    return tables


def _defined(baseline: Baseline) -> list[str]:
    """The verifiers that a baseline's options define under a name of their own and whose parts are all installed."""
    usable = set(catalog.names())
    named = [name for name, table in baseline.options.items() if "type" in table]
    return [name for name in named if {*catalog.with_parts([name], baseline.options)} - {*named} <= usable]
