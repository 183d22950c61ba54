"""What `restem import` does: rollouts of other tools into a run folder, so that every report can be made of them.

Takes files or folders, and the run folder; gives rows in run.db and counts of what became of every row. A source that
was imported before adds nothing, and one that has grown adds what is new. Imports no JAX.
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import re
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from restem.benchmarks.files import read_problems
from restem.harness.errors import ConfigError
from restem.harness.imports import catalog, mapped
from restem.harness.imports.format import Format
from restem.harness.imports.rollout import Imported, Rollout
from restem.harness.imports.sources import PICKLES, SUFFIXES, Source
from restem.harness.imports.writer import BATCH, KIND, LABEL, POLICY, Counts, Writer
from restem.harness.progress import RunProgress
from restem.harness.store.provenance import log_process, provenance
from restem.harness.store.store import Store, stored_facts

FACT = "imported"
SOURCE = "imported:"  # prefix of the fact about one source, before its key
PATHS = "imported_paths"
WATCH_SECONDS = 2.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Request:
    """What is to be imported, and how.

    Attributes:
        paths: Files and folders; of a folder all files with a known ending.
        format: The name of a format; None: recognised, source by source.
        mapping: Field of a rollout -> column.
        thresholds: Name of a reward -> the number from which on it means correct.
        references: A file of problems whose answers are the references of rollouts that have none.
        gold: The verifier that is taken as the truth; None: a column of labels where there is one, else `sympy` where
            there are references, else none.
        series: The series of rollouts whose source names no model or run; None: `policy`.
    """

    paths: Sequence[Path]
    format: str | None = None
    mapping: Mapping[str, str] = dataclasses.field(default_factory=dict)
    thresholds: Mapping[str, float] = dataclasses.field(default_factory=dict)
    references: Path | None = None
    gold: str | None = None
    series: str | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class SourceResult:
    """What became of one source.

    Attributes:
        path: The file.
        format: The name of its format; empty where it is in none.
        title: The format for people.
        counts: Of its rows.
        skipped: Why it was not read; None where it was.
    """

    path: Path
    format: str = ""
    title: str = ""
    counts: Counts = dataclasses.field(default_factory=Counts)
    skipped: str | None = None


def import_rollouts(request: Request, folder: Path, quiet: bool) -> list[SourceResult]:
    """Imports all sources once; gives what became of each.

    Raises:
        ConfigError: A source cannot be read or is in no known format, or the folder holds a run of another kind.
            Nothing has been written where the first source is at fault.
    """
    mapped.check_mapping(request.mapping)
    if request.format is not None:
        catalog.by_name(request.format)
    answers = None if request.references is None else _answers(request.references)
    readable = _readable(request)
    check_imported(folder)
    with Store(folder, write=True) as store:
        store.put_run({FACT: True, "verifiers": {}, "controls": [], **provenance()})
        log_process(store, "import", repeat=False)
        store.set_run(PATHS, sorted({*(store.run().get(PATHS) or ()), *_path_keys(request.paths)}))
        writer = Writer(store, request.thresholds, request.series or POLICY)
        sources = _sources(store)
        results = [_import(store, writer, sources, each, answers, quiet) for each in readable]
        _set_suite(store, request.gold)
    return results


def watch(request: Request, folder: Path, quiet: bool) -> Iterator[list[SourceResult]]:
    """Imports again and again what is new; gives the results of each time that added or refused a row. Never ends.

    The run is opened for writing only while there is something new, so that verifiers can be run in between.
    """
    while True:
        if not stored_facts(folder) or _has_news(request, folder):
            results = import_rollouts(request, folder, quiet)
            if news := [each for each in results if each.counts.imported or each.counts.refused]:
                yield news
        time.sleep(WATCH_SECONDS)


def _has_news(request: Request, folder: Path) -> bool:
    """Whether a file is new, or has another size than when it was imported."""
    with Store(folder, check=False) as store:
        sources = _sources(store)
    found = (each.source for each in _readable(request) if each.source is not None)
    return any(source.size != sources.get(source.key, {}).get("bytes") for source in found)


def folder_for(paths: Sequence[Path], runs: Path) -> Path:
    """The run folder of these files: named after the first one, with a number where other files have that name.

    Args:
        paths: Files and folders of rollouts.
        runs: Where run folders stand.
    """
    name, keys = paths[0].resolve().name.partition(".")[0] or "rollouts", _path_keys(paths)
    folders = (runs / (name if number == 1 else f"{name}-{number}") for number in itertools.count(1))
    return next(folder for folder in folders if _is_free_for(folder, keys))


def _is_free_for(folder: Path, keys: set[str]) -> bool:
    """Whether a folder holds no run, or one that was imported from one of these paths."""
    facts = stored_facts(folder)
    return not facts or bool(keys & set(facts.get(PATHS) or ()))


def _path_keys(paths: Sequence[Path]) -> set[str]:
    """A hash of each path, by which files are known again; the paths themselves say where a user works."""
    return {hashlib.sha256(str(path.resolve()).encode("utf-8", "surrogateescape")).hexdigest()[:12] for path in paths}


def check_imported(folder: Path) -> None:
    """Checks that a folder holds an imported run, or none.

    Raises:
        ConfigError: It holds a run that this program made itself.
    """
    facts = stored_facts(folder)
    if facts and FACT not in facts:
        raise ConfigError(f"--out {folder}: expected a new folder or an imported run, found a run of `restem run`")


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Found:
    """A file, opened and recognised; or, of a folder, one that is no rollouts, with the reason."""

    path: Path
    source: Source | None = None
    format: Format | None = None
    problem: str = ""


def _readable(request: Request) -> list[_Found]:
    """The files with their formats.

    Raises:
        ConfigError: A file that was named is in no format, or a folder holds none that is.
    """
    found: list[_Found] = []
    for path in request.paths:
        if not path.is_dir():
            found.append(_recognised(path, request))
            continue
        files = [_of_folder(file, request) for file in sorted(filter(_is_candidate, path.rglob("*")), key=_natural)]
        if not any(each.format for each in files):
            pickles = sorted(file for file in path.rglob("*") if file.suffix.lower() in PICKLES and file.is_file())
            files = [*(_of_folder(file, request) for file in pickles), *files]
            what = f"none of its {len(files)} files is rollouts; the first, {files[0].problem}" if files else "no file"
            raise ConfigError(f"{path}: {what}; expected files that end in {', '.join(SUFFIXES)}")
        found += files
    return found


def _is_candidate(file: Path) -> bool:
    return file.is_file() and file.name.lower().removesuffix(".gz").endswith(SUFFIXES)


def _natural(path: Path) -> list[tuple[int, str]]:
    """A key that sorts `2.jsonl` before `10.jsonl`."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", str(path))]


def _of_folder(file: Path, request: Request) -> _Found:
    try:
        return _recognised(file, request)
    except ConfigError as error:
        return _Found(path=file, problem=str(error))


def _recognised(path: Path, request: Request) -> _Found:
    source = Source(path)
    if request.format is not None and not request.mapping:
        return _Found(path=path, source=source, format=catalog.by_name(request.format))
    return _Found(path=path, source=source, format=catalog.recognise(source, request.mapping))


def _sources(store: Store) -> dict[str, dict[str, Any]]:
    """Key of a source -> the fact about it."""
    return {key.removeprefix(SOURCE): value for key, value in store.run().items() if key.startswith(SOURCE)}


def _import(
    store: Store,
    writer: Writer,
    sources: dict[str, dict[str, Any]],
    found: _Found,
    answers: Mapping[str, tuple[str, ...]] | None,
    quiet: bool,
) -> SourceResult:
    """Imports what is new in one source, and keeps the fact about it in `sources`."""
    form = found.format
    if found.source is None or form is None:
        return SourceResult(path=found.path, skipped=found.problem)
    counts = Counts()
    result = SourceResult(path=found.path, format=form.name, title=form.title, counts=counts)
    before = sources.get(found.source.key, {})
    if not before and (same := _same_content(found.source, sources, writer.series)):
        return dataclasses.replace(result, skipped=f"the same bytes were imported before, as {same}")
    rest = _rest(found.source, form, before)
    if rest is None:
        return dataclasses.replace(result, skipped="imported before, and not changed since")
    source, rollouts, items = rest
    is_again = bool(before) and not items  # all rows are read again
    if is_again:
        before = {**before, "refused": {}}
    progress = RunProgress(source.size, unit="bytes", quiet=quiet)
    with progress:
        progress.stage(source.name)
        progress.advance(source.start, fresh=False)
        done = source.start
        rollouts = map(_with_references(answers), rollouts)
        while True:
            batch = list(itertools.islice(rollouts, BATCH))
            items += len(batch)
            is_last = len(batch) < BATCH
            # Where a file cannot be read on from its middle, only its end says that it has been read.
            size = source.consumed if (form.appends and source.grows) or is_last else 0
            read = {"bytes": size, "sha256": source.digest(size or source.size), "items": items}
            entry = {**read, "series": writer.series}

            def facts(entry: Mapping[str, Any] = entry) -> dict[str, Any]:
                sources[source.key] = _about(source, form, entry, before, counts)
                return {f"{SOURCE}{source.key}": sources[source.key]}

            writer.add(batch, counts, facts, again=is_again)
            progress.advance(source.consumed - done)
            done = source.consumed
            if is_last:
                break
    if counts.imported or counts.refused:
        about = {"source": source.name, "key": source.key, "format": form.name, "places": counts.places}
        store.log("import", arm=None, iteration=None, **about, **counts.as_json())
    return result


def _rest(source: Source, form: Format, known: Mapping[str, Any]) -> tuple[Source, Iterator[Imported], int] | None:
    """The source, what is new in it, and how many of its rollouts are known; None where nothing is new.

    Args:
        source: The file as it is now.
        form: Its format.
        known: The fact about its last import; empty where there was none.

    Raises:
        ConfigError: What was imported of it has changed since.
    """
    if not known:
        return source, form.read(source), 0
    read = known["bytes"] or source.size
    is_same = source.size >= read and source.digest(read) == known["sha256"]
    if is_same and source.size == known["bytes"]:
        return None
    if form.appends and source.grows:
        if is_same:
            source = Source(source.path, known["bytes"])
            return source, form.read(source), known["items"]
        raise ConfigError(
            f"{source.path}: its first {known['bytes']} bytes were imported and have changed since; "
            "import it into a new folder"
        )
    if is_same and not known["bytes"]:  # its import was stopped
        return source, itertools.islice(form.read(source), known["items"], None), known["items"]
    return source, _indexed(source, form.read(source)), 0


def _indexed(source: Source, rollouts: Iterator[Imported]) -> Iterator[Imported]:
    """The rollouts of a file that has changed: those that are stored are known by problem, step, index and text.

    Raises:
        ConfigError: A rollout has no index, so that it cannot be told whether it is stored.
    """
    for rollout in rollouts:
        if isinstance(rollout, Rollout) and rollout.index is None:
            raise ConfigError(
                f"{source.path}: it was imported and has changed since, and its rows have no index by which those that "
                "are stored are known; import it into a new folder (a file of JSON lines can be followed)"
            )
        yield rollout


def _same_content(source: Source, sources: Mapping[str, Mapping[str, Any]], series: str) -> str | None:
    """The name under which a file with the same bytes was imported as a whole, in this series; None where none was."""
    alike = [about for about in sources.values() if (about["bytes"], about["series"]) == (source.size, series)]
    return next((about["name"] for about in alike if about["sha256"] == source.digest(source.size)), None)


def _about(
    source: Source, form: Format, entry: Mapping[str, Any], before: Mapping[str, Any], counts: Counts
) -> dict[str, Any]:
    """The fact about a source, as it is now."""
    now = counts.as_json()
    refused = dict(before.get("refused") or {})
    for reason, count in now["refused"].items():
        refused[reason] = refused.get(reason, 0) + count
    return {
        **entry,
        "name": source.name,
        "format": form.name,
        "title": form.title,
        "imported": before.get("imported", 0) + now["imported"],
        "moved": before.get("moved", 0) + now["moved"],
        "refused": refused,
    }


def _with_references(answers: Mapping[str, tuple[str, ...]] | None) -> Any:
    def add(rollout: Imported) -> Imported:
        if not answers or not isinstance(rollout, Rollout) or rollout.references:
            return rollout
        return dataclasses.replace(rollout, references=answers.get(_key(rollout.question), ()))

    return add


def _answers(path: Path) -> dict[str, tuple[str, ...]]:
    """Question -> accepted answers, of a file of problems.

    Raises:
        ConfigError: It cannot be read.
    """
    try:
        return {_key(problem.question): problem.references for problem in read_problems(path)}
    except ValueError as error:
        raise ConfigError(f"--references {path}: {error}") from None


def _key(question: str) -> str:
    return " ".join(question.split())


def _set_suite(store: Store, gold: str | None) -> None:
    """Stores the suite of an imported run: no arms, and what is taken as the truth."""
    facts = store.run()
    suite = facts.get("suite") or {"benchmark": {"name": KIND}, "arms": [], "scoring": []}
    chosen = gold if gold is not None else suite.get("gold") or _default_gold(store, facts)
    store.set_run("suite", {**suite, "gold": chosen})


def _default_gold(store: Store, facts: Mapping[str, Any]) -> str:
    if LABEL in facts["verifiers"]:
        return LABEL
    return "sympy" if any(problem.references for problem in store.problems()) else ""


def print_results(results: Sequence[SourceResult]) -> None:
    """Prints on stderr what became of every source."""
    for each in results:
        if each.skipped is not None:
            print(f"{each.path}: not read: {each.skipped}", file=sys.stderr)
            continue
        counts = each.counts
        parts = [f"{counts.imported:,} imported"]
        parts += [f"{counts.known:,} there already"] * bool(counts.known)
        parts += [f"{counts.moved:,} under another index"] * bool(counts.moved)
        parts += [f"{counts.refused.total():,} refused"] * bool(counts.refused)
        print(f"{each.path}: {each.title}: {', '.join(parts)}", file=sys.stderr)
        for reason, count in counts.refused.most_common(5):
            first = next((place for place, why in counts.places if why == reason), "")
            print(f"  {count:,} x {reason} (first: {first})", file=sys.stderr)
