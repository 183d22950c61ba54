"""What `restem verify` does: scores the rows of a file, or the stored samples of a run, with any verifiers.

Takes names and options of verifiers, and a run folder or a file; gives verdicts as rows of run.db or as JSON lines.
Imports no JAX: a run's samples are text. Everything that a command names is checked before the first verdict.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from restem.benchmarks.hints import did_you_mean
from restem.harness.app.judges import Options, add_judges, check_models, judge_options, stored_judges
from restem.harness.app.verdict_summaries import summary_of_rows, unreadable_rows
from restem.harness.errors import ConfigError
from restem.harness.loop.probe import probe, unprobed
from restem.harness.loop.verify import VERIFY_BATCH, unjudged, verify
from restem.harness.progress import RunProgress
from restem.harness.store.store import Store
from restem.reports.analysis.verdict_summary import VerdictSummary
from restem.verifiers import catalog
from restem.verifiers.rows import Rows, output_row
from restem.verifiers.verdict import Verdict, Verifier, checked


def check_verifiers(names: Sequence[str], options: Options) -> catalog.Built:
    """The foreign verifiers, which are built to be checked; the options of the others are checked without building.

    Raises:
        ConfigError: There is a table for a verifier that is not used.
        UnknownVerifier: A name or an option is not known.
    """
    check_names(names, options)
    return catalog.check(names, options)


def check_names(names: Sequence[str], options: Options) -> None:
    """Checks that every name is known, and that every table of options belongs to a verifier that is used.

    Raises:
        ConfigError: There is a table for a verifier that is not used.
        UnknownVerifier: A name is not known.
    """
    used = catalog.with_parts(names, options)
    for name in used:
        catalog.check_name(name, options)
    if unused := sorted(set(options) - set(used)):
        listed = ", ".join(used)
        raise ConfigError(
            f"verifiers.{unused[0]}: no verifier of that name is used here{did_you_mean(unused[0], used)}: "
            f"used are {listed}; remove the table, or use the verifier"
        )


def verifier_options(config_path: Path | None, overrides: Sequence[str], names: Sequence[str]) -> Options:
    """Options from a TOML file's `[verifiers.NAME]` tables and from `--set`, checked."""
    tables = _tables(config_path, overrides) if config_path is not None or overrides else {}
    if not isinstance(tables, dict) or not all(isinstance(options, dict) for options in tables.values()):
        raise ConfigError("verifiers: expected one table of options a verifier")
    check_verifiers(names, tables)
    return tables


def _tables(config_path: Path | None, overrides: Sequence[str]) -> Any:
    from restem.harness.config import read_tables, set_value  # its pydantic models take 0.2 s to import

    data = {} if config_path is None else read_tables(config_path)
    for override in overrides:
        if not override.startswith("verifiers."):
            raise ConfigError(f"--set {override}: expected verifiers.NAME.option=value")
        set_value(data, override)
    return data.get("verifiers", {})


def verify_run(
    folder: Path, names: Sequence[str], options: Options, split: str | None, quiet: bool
) -> Iterator[tuple[str, int]]:
    """Adds the verifiers' verdicts on all samples of a run (or a split); gives labels and numbers of new verdicts."""
    with Store(folder) as store:
        if "verifiers" not in store.run():
            raise ConfigError(f"{folder}: this run has not begun; `restem run` begins it")
        stored = stored_judges(store)
    with contextlib.ExitStack() as stack:
        judge = judge_options(options, names, stack, stored)
        store = stack.enter_context(Store(folder, write=True))
        known = store.run()["verifiers"]
        groups = store.sampled_splits(split)
        total = sum(len(store.samples(*group)) for group in groups) * len(names)
        progress = stack.enter_context(RunProgress(total, unit="verdicts", quiet=quiet))
        built = _built(names, {**options, **judge}, store, progress)
        asking = [built[name] for name in names if catalog.judges([name], options)]
        if any(unprobed(store, v) or any(unjudged(store, *group, v) for group in groups) for v in asking):
            check_models(judge)
        add_judges(store, judge, built)
        for name in names:
            progress.stage(name)
            chosen = judge.get(name, options.get(name, {}))
            verifier = built[name]
            store.add_verifier(verifier.fingerprint, name, chosen)
            if any(way.get("batch") for way in judge.values()):
                # One batch for all samples; the calls below then find the replies stored.
                attempts = [attempt for c, part in groups for attempt in unjudged(store, c, part, verifier)]
                verifier.verify([*attempts, *unprobed(store, verifier).values()])
            probe(store, verifier)
            new = sum(verify(store, c, store.problems(part), part, verifier, progress.advance) for c, part in groups)
            # A verifier whose name belongs to another fingerprint is labelled by its fingerprint; so is an offline one,
            # even if it is the first of its name.
            offline = any(way.get("offline") for way in judge.values())
            first = known.get(name, verifier.fingerprint) == verifier.fingerprint and not offline
            label = name if first else verifier.fingerprint
            known[label] = verifier.fingerprint
            store.set_run("verifiers", known)
            yield label, new


def _built(names: Sequence[str], tables: Options, calls: Store | None, progress: RunProgress) -> catalog.Built:
    """The verifiers and all their parts, each built once."""
    built: catalog.Built = {}
    for name in names:
        catalog.build(name, tables, calls=calls, progress=lambda answered, _: progress.within(answered), built=built)
    return built


def verify_rows(
    rows: Rows, output: Path | None, names: Sequence[str], options: Options, quiet: bool
) -> list[VerdictSummary]:
    """Scores rows and writes the verdicts; gives a summary for each verifier.

    With an output file, a judge's calls are stored beside it until all verdicts are written.
    """
    if rows.unknown and not quiet:
        print(f"fields that are not used: {', '.join(rows.unknown)}", file=sys.stderr)
    if output is not None and not output.parent.is_dir():
        raise ConfigError(f"--output {output}: there is no folder {output.parent}")
    calls_folder = (
        output.with_name(f"{output.name}.calls") if output is not None and catalog.judges(names, options) else None
    )
    offline = any(options.get(name, {}).get("offline") for name in catalog.judges(names, options))
    if output is None and any(options.get(name, {}).get("batch") for name in catalog.judges(names, options)):
        raise ConfigError("--batch with --input needs --output: the sent batch is stored beside it")
    with contextlib.ExitStack() as stack:
        if offline:  # reads the calls that a stopped command stored, and keeps them
            calls = (
                stack.enter_context(Store(calls_folder))
                if calls_folder is not None and (calls_folder / "run.db").is_file()
                else None
            )
            judge = judge_options(options, names, stack, stored_judges(calls) if calls else {})
            calls_folder = None
        else:
            judge = judge_options(options, names, stack)
            calls = stack.enter_context(Store(calls_folder, write=True)) if calls_folder is not None else None
        check_models(judge)
        progress = stack.enter_context(RunProgress(len(rows.ids) * len(names), unit="verdicts", quiet=quiet))
        built = _built(names, {**options, **judge}, calls, progress)
        if calls is not None and not offline:
            add_judges(calls, judge, built)
        unread = [unreadable_rows(built[name], rows) for name in names]
        verdicts: list[dict[int, Verdict]] = []
        for name in names:
            progress.stage(name)
            size = len(rows.ids) if any(way.get("batch") for way in judge.values()) else VERIFY_BATCH
            verdicts.append(_verdicts(built[name], rows, size, progress))
        lines = [
            json.dumps(output_row(id, name, by_row[i])) + "\n"
            for i, id in enumerate(rows.ids)
            for name, by_row in zip(names, verdicts, strict=True)
        ]
    if output is None:
        sys.stdout.write("".join(lines))
    else:
        output.write_text("".join(lines), "utf-8")
    if calls_folder is not None:
        for file in calls_folder.iterdir():
            file.unlink()
        calls_folder.rmdir()
    ordered = [[by_row[number] for number in range(len(rows.ids))] for by_row in verdicts]
    return [summary_of_rows(*each) for each in zip(names, ordered, itertools.repeat(rows), unread)]


def _verdicts(verifier: Verifier, rows: Rows, size: int, progress: RunProgress) -> dict[int, Verdict]:
    by_row: dict[int, Verdict] = {}
    for batch in rows.batches(size):
        by_row |= zip(batch, checked(verifier, [rows.attempts[i] for i in batch]), strict=True)
        progress.advance(len(batch))
    return by_row
