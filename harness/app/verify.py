"""What `restem verify` does: scores the rows of a file, or the stored samples of a run, with any verifiers.

Takes names and options of verifiers, and a run folder or a file; gives verdicts as rows of run.db or as JSON lines.
Imports no JAX: a run's samples are text. Everything that a command names is checked before the first verdict.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from restem.benchmarks.columns import ANSWERS
from restem.benchmarks.hints import did_you_mean
from restem.benchmarks.problem import Problem
from restem.harness.app.code_permission import check_code
from restem.harness.app.judges import Options, add_judges, check_models, judge_options, stored_judges
from restem.harness.app.shard_share import Share
from restem.harness.app.verdict_summaries import distinct_problems, summary_of_rows
from restem.harness.errors import ConfigError
from restem.harness.files import is_stream, write_whole
from restem.harness.loop.probe import probe, unprobed
from restem.harness.loop.verify import VERIFY_BATCH, unjudged, verify
from restem.harness.progress import RunProgress
from restem.harness.store.provenance import log_process
from restem.harness.store.store import Store
from restem.reports.analysis.verdict_summary import Unreadable, VerdictSummary, unreadable_of
from restem.verifiers import catalog
from restem.verifiers.processes import Processes, verdicts_on
from restem.verifiers.rows import Rows, output_row
from restem.verifiers.verdict import Verdict, Verifier, unreadable_references


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
        ConfigError: There is a table for a verifier that is not used, or one that may not execute programs here.
        UnknownVerifier: A name is not known.
    """
    used = catalog.with_parts(names, options)
    check_code(names, options)  # before a name is looked up, because that imports the module of a foreign verifier
    for name in used:
        catalog.check_name(name, options)
    if unused := sorted(set(options) - set(used)):
        listed = ", ".join(used)
        raise ConfigError(
            f"verifiers.{unused[0]}: no verifier of that name is used here{did_you_mean(unused[0], used)}: "
            f"used are {listed}; remove the table, or use the verifier"
        )


def verifier_options(config_path: Path | None, overrides: Sequence[str], names: Sequence[str]) -> Options:
    """Options from a TOML file's `[verifiers.NAME]` tables and from `--set`, checked.

    Raises:
        ConfigError: The file or a `--set` is wrong, or there is a table for a verifier that is not used.
        UnknownVerifier: A name or an option is not known.
    """
    tables = _tables(config_path, overrides) if config_path is not None or overrides else {}
    if not isinstance(tables, dict) or not all(isinstance(options, dict) for options in tables.values()):
        raise ConfigError("verifiers: expected one table of options a verifier")
    check_verifiers(names, tables)
    return tables


def _tables(config_path: Path | None, overrides: Sequence[str]) -> Any:
    from restem.harness.config import read_tables  # its pydantic models take 0.2 s to import
    from restem.harness.overrides import set_value

    data = {} if config_path is None else read_tables(config_path)
    for override in overrides:
        if not override.startswith("verifiers."):
            raise ConfigError(f"--set {override}: expected verifiers.NAME.option=value")
        set_value(data, override)
    return data.get("verifiers", {})


def verify_run(
    folder: Path,
    names: Sequence[str],
    options: Options,
    split: str | None,
    quiet: bool,
    share: Share | None = None,
    workers: int = 1,
) -> Iterator[tuple[str, int]]:
    """Adds the verifiers' verdicts on all samples of a run (or a split); gives labels and numbers of new verdicts.

    Args:
        folder: The run folder.
        names: The verifiers.
        options: Their tables of options.
        split: Only the samples of this split; of all splits where None.
        quiet: Whether to show no progress.
        share: What of the whole verification this one is, where the folder is a part of a run.
        workers: Processes that verify by rule.

    Raises:
        ConfigError: The folder holds no run, or one that has not begun.
        VerifierError: A verifier breaks its contract, or is a judge that cannot be reached; stored verdicts stay.
    """
    check_code(names, options)  # a run's own gold may be among the names
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
        built = _built(names, {**options, **(share.limited(judge) if share else judge)}, store, progress)
        sampled = [p for part in dict.fromkeys(part for _, part in groups) for p in store.problems(part)]
        check_built(built, share.problems if share else sampled, quiet)
        asking = [built[name] for name in names if catalog.judges([name], options)]
        if any(unprobed(store, v) or any(unjudged(store, *group, v) for group in groups) for v in asking):
            check_models(judge)
        log_process(store, "verify")
        processes = stack.enter_context(_processes(workers, names, options))
        if share:
            share.begin(store, [built[name].fingerprint for name in names])
        add_judges(store, judge, built)
        for name in names:
            progress.stage(name)
            chosen = judge.get(name, options.get(name, {}))
            verifier = built[name]
            store.add_verifier(verifier.fingerprint, name, chosen)
            if any(table.get("batch") for table in judge.values()):
                # One batch for all samples; the calls below then find the replies stored.
                attempts = [attempt for c, part in groups for attempt in unjudged(store, c, part, verifier)]
                verifier.verify([*attempts, *unprobed(store, verifier).values()])
            probe(store, verifier)
            new = sum(
                verify(store, c, store.problems(part), part, verifier, progress.advance, processes=processes)
                for c, part in groups
            )
            # A verifier whose name belongs to another fingerprint is labelled by its fingerprint; so is an offline one,
            # even if it is the first of its name.
            offline = any(table.get("offline") for table in judge.values())
            first = known.get(name, verifier.fingerprint) == verifier.fingerprint and not offline
            label = name if first else verifier.fingerprint
            known[label] = verifier.fingerprint
            store.set_run("verifiers", known)
            yield label, new


def _processes(
    workers: int, names: Sequence[str], options: Options
) -> contextlib.AbstractContextManager[Processes | None]:
    return Processes(workers, names, options) if workers > 1 else contextlib.nullcontext()


def _built(names: Sequence[str], tables: Options, calls: Store | None, progress: RunProgress) -> catalog.Built:
    """The verifiers and all their parts, each built once."""
    built: catalog.Built = {}
    for name in names:
        catalog.build(name, tables, calls=calls, progress=lambda answered, _: progress.within(answered), built=built)
    return built


def check_built(built: catalog.Built, problems: Sequence[Problem], quiet: bool) -> None:
    """Checks that the verifiers can be used on these problems, and prints how foreign reward functions are called.

    Raises:
        UnknownVerifier: A verifier needs something that none of the problems has.
    """
    for name, verifier in built.items():
        if (note := getattr(verifier, "note", None)) and not quiet:
            print(f"{name}: {note}", file=sys.stderr)
        if check := getattr(verifier, "check_problems", None):
            check(problems)


def verify_rows(
    rows: Rows, output: Path | None, names: Sequence[str], options: Options, quiet: bool, workers: int = 1
) -> list[VerdictSummary]:
    """Scores rows and writes the verdicts; gives a summary for each verifier.

    With an output file, a judge's calls are stored beside it until all verdicts are written.

    Args:
        rows: The rows.
        output: The file of verdicts; stdout where None.
        names: The verifiers.
        options: Their tables of options.
        quiet: Whether to show no progress, and not to name unused fields.
        workers: Processes that verify by rule.

    Raises:
        ConfigError: The folder of the output does not exist, or batches have no output to be stored beside.
        VerifierError: A verifier breaks its contract, or is a judge that cannot be reached; nothing is written.
    """
    judges = catalog.judges(names, options)
    _check_output(output, options, judges)
    if not quiet:
        _print_gaps(rows)
    kept = output if output is not None and not is_stream(output) else None  # a pipe has no place beside it
    folder = kept.with_name(f"{kept.name}.calls") if kept is not None and judges else None
    offline = any(options.get(name, {}).get("offline") for name in judges)
    with contextlib.ExitStack() as stack:
        # An offline judge reads the calls that a stopped command stored, and keeps them.
        is_stored = offline and folder is not None and (folder / "run.db").is_file()
        calls = stack.enter_context(Store(folder)) if folder is not None and is_stored else None
        judge = judge_options(options, names, stack, stored_judges(calls) if calls else {})
        check_models(judge)
        if folder is not None and not offline:
            calls = stack.enter_context(Store(folder, write=True))
        progress = stack.enter_context(RunProgress(len(rows.ids) * len(names), unit="verdicts", quiet=quiet))
        built = _built(names, {**options, **judge}, calls, progress)
        check_built(built, distinct_problems(rows.attempts), quiet)
        if calls is not None and not offline:
            add_judges(calls, judge, built)
        size = len(rows.ids) if any(table.get("batch") for table in judge.values()) else VERIFY_BATCH
        processes = stack.enter_context(_processes(workers, names, options))
        verdicts: list[list[Verdict]] = []
        unread: list[Unreadable | None] = []
        for name in names:
            progress.stage(name)
            of_rows, of_references = _verdicts(built[name], rows, size, progress, processes)
            verdicts.append(of_rows)
            unread.append(of_references)
    _write(output, rows, names, verdicts)
    if folder is not None and not offline:
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()
    return [summary_of_rows(*each, rows) for each in zip(names, verdicts, unread, strict=True)]


def _print_gaps(rows: Rows) -> None:
    """Prints which fields are not used and how many rows have no reference: it may stand under another name."""
    if rows.unknown:
        print(f"fields that are not used: {', '.join(rows.unknown)}", file=sys.stderr)
    if rows.unanswered:
        other = next((field for field in rows.unknown if field in ANSWERS or did_you_mean(field, ["reference"])), None)
        hint = f"; is it in {other!r}? The field is called reference" if other else ""
        count = f"{len(rows.unanswered)} of {len(rows.ids)} rows have no reference"
        print(f"{count}, the first {rows.unanswered[0]}{hint}", file=sys.stderr)


def _check_output(output: Path | None, options: Options, judges: Sequence[str]) -> None:
    if output is not None and not output.parent.is_dir():
        raise ConfigError(f"--output {output}: there is no folder {output.parent}")
    if (output is None or is_stream(output)) and any(options.get(name, {}).get("batch") for name in judges):
        raise ConfigError("--batch with --input needs --output FILE: the sent batch is stored beside it")


def _verdicts(
    verifier: Verifier, rows: Rows, size: int, progress: RunProgress, processes: Processes | None
) -> tuple[list[Verdict], Unreadable | None]:
    """The verdict on each row, made in batches of about this size, and the references that the verifier cannot read."""
    by_row: dict[int, Verdict] = {}
    unread: list[tuple[Problem, str]] = []
    problems = 0
    batches = list(rows.batches(size))
    attempts = ([rows.attempts[number] for number in batch] for batch in batches)
    for batch, of_batch in zip(batches, verdicts_on(verifier, attempts, processes), strict=True):
        distinct = distinct_problems([rows.attempts[number] for number in batch])
        # Right after the verdicts, so that a reference that was read is still in the verifier's cache.
        unread += unreadable_references(verifier, distinct)
        problems += len(distinct)
        by_row |= zip(batch, of_batch, strict=True)
        progress.advance(len(batch))
    return [by_row[number] for number in range(len(rows.ids))], unreadable_of(unread, problems)


def _write(output: Path | None, rows: Rows, names: Sequence[str], verdicts: Sequence[Sequence[Verdict]]) -> None:
    """Writes one line for each row and verifier, in the order of the rows."""
    lines = [
        json.dumps(output_row(id, name, verdict)) + "\n"
        for id, of_row in zip(rows.ids, zip(*verdicts, strict=True), strict=True)
        for name, verdict in zip(names, of_row, strict=True)
    ]
    if output is None:
        sys.stdout.write("".join(lines))
    else:
        write_whole(output, "".join(lines))
