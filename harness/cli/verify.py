"""The command verify. Heavy imports stand in the command, behind the checks of what it was given."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from restem.harness.cli.code import code_options, permit_code
from restem.harness.cli.config_options import config_options
from restem.harness.cli.paths import TO_FILE, TO_FOLDER, check_file, check_folder
from restem.harness.cli.splits import SPLIT
from restem.harness.errors import ConfigError

if TYPE_CHECKING:
    from restem.harness.app.judges import Options
    from restem.reports.analysis.verdict_summary import VerdictSummary


@click.command("verify")
@click.argument("run", required=False, type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--verifier", "names", multiple=True, help="A verifier; may be given again.")
@click.option(
    "--import",
    "marks_path",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Marks on a RUN's samples.",
)
@click.option("--input", "input_path", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="JSON lines.")
@click.option("--output", "output_path", type=TO_FILE, help="Verdicts.  [default: stdout]")
@config_options()
@click.option("--split", type=SPLIT, help="Of a RUN, only this split.")
@click.option("--shard", metavar="I/N", help="Of a RUN, only this part of its samples, into a folder of its own.")
@click.option("--out", "part_path", type=TO_FOLDER, help="Folder of a --shard.  [default: RUN.shards/I-of-N]")
@click.option("--workers", type=click.IntRange(1), default=1, show_default=True, help="Processes that verify by rule.")
@click.option("--offline", is_flag=True, help="Ask no judge: stored replies, undecided for the rest.")
@click.option(
    "--batch", is_flag=True, help="Ask judges by OpenAI's Batch API; the same command comes back for replies."
)
@code_options
@click.option("--json", "as_json", is_flag=True, help="The counts and the summary as JSON; rows are JSON in any case.")
@click.option("--quiet", is_flag=True, help="No progress and no summary, unless --json asks for it.")
def verify_command(
    run: Path | None,
    names: tuple[str, ...],
    marks_path: Path | None,
    input_path: Path | None,
    output_path: Path | None,
    config_path: Path | None,
    overrides: tuple[str, ...],
    split: str | None,
    shard: str | None,
    part_path: Path | None,
    workers: int,
    offline: bool,
    batch: bool,
    allow_code: bool,
    allow_unsandboxed_code: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Scores rows of a file, or the stored samples of a run, with any verifiers.

    An input row has id, question, response and reference (a text, a number, a list of these, or null), and optionally
    problem_id, data (an object for the verifier) and label (1 for a right response, 0 for a wrong one, or null).
    Verdicts go to --output or stdout. A summary ends the command, on stderr: what each verifier decided, why it was
    undecided, which references it cannot read, and, where rows have labels or the run has a gold, TPR and FPR with 95 %
    intervals clustered by problem. With --json the summary is one JSON object, on stdout unless the verdicts are there.

    With --shard many processes share a RUN out, on one machine or many: each reads run.db, which may stand on a
    read-only medium, and writes a part of its own, with 1/N of a judge's budget. `restem merge` unites the parts.

    Marks are what "Save marks" of a report's explorer wrote: they become verdicts of human:<name>,
    and a mark that is changed or taken back there is so here.

    \b
    Example:
      restem verify --verifier sympy --verifier exact --input rows.jsonl --output verdicts.jsonl
      restem verify runs/linear_1d --verifier judge_blind
      restem verify runs/linear_1d --verifier sympy --workers 8
      restem verify runs/linear_1d --verifier judge --batch
      restem verify runs/linear_1d --verifier judge --shard 3/16 --out parts/3
      restem verify runs/linear_1d --import marks-ada.jsonl
      restem verify --verifier unit_tests --allow-code --input programs.jsonl
    """
    permit_code(allow_code, allow_unsandboxed_code, (*names, *overrides))
    names = tuple(dict.fromkeys(names))
    if (run is None) == (input_path is None):
        raise ConfigError("give either a RUN or --input ROWS.jsonl")
    if bool(names) == (marks_path is not None):
        raise ConfigError("give either --verifier NAME or --import MARKS.jsonl")
    if marks_path is not None and run is None:
        raise ConfigError("--import goes with a RUN, on whose samples the marks are")
    if run is not None and output_path is not None:
        raise ConfigError("--output goes with --input; a run keeps its verdicts in run.db")
    if (shard or part_path) and (run is None or marks_path is not None):
        raise ConfigError("--shard goes with a RUN and --verifier NAME")
    if part_path is not None and shard is None:
        raise ConfigError("--out goes with --shard I/N; a run keeps its verdicts in run.db")
    if output_path is not None:
        check_file("--output", output_path)
    if run is not None and marks_path is not None:
        _import_marks(run, marks_path, as_json)
        return
    from restem.verifiers.rows import read_rows

    rows = None if input_path is None else read_rows(input_path)  # an error in the file costs no further import
    from restem.harness.app.judges import with_transport
    from restem.harness.app.verdict_summaries import summaries_of_run
    from restem.harness.app.verify import verifier_options, verify_rows

    options = with_transport(verifier_options(config_path, overrides, names), names, offline=offline, batch=batch)
    if rows is not None:
        summaries = verify_rows(rows, output_path, names, options, quiet, workers)
        if as_json or not quiet:
            _print_summary(summaries, {}, as_json, err=output_path is None)
    elif run is not None:
        folder, counted = _verified(run, shard, part_path, names, options, split, quiet, workers)
        counts = _print_new(counted, as_json)
        if as_json or not quiet:
            labels = dict(zip(counts, names, strict=True))
            _print_summary(summaries_of_run(folder, labels, options, split), {"new_verdicts": counts}, as_json)
        if shard is not None and not as_json:
            click.echo(f"part {shard} is in {folder}; `restem merge {run} PART...` unites all parts with the run")


def _import_marks(run: Path, marks_path: Path, as_json: bool) -> None:
    """Makes verdicts of people's marks, and prints how many there are."""
    from restem.harness.gate.annotations import import_marks

    imported = import_marks(run, marks_path)
    counts = {
        "new_verdicts": {human: marks.new for human, marks in imported.items()},
        "changed_marks": {human: marks.changed for human, marks in imported.items()},
        "marks_taken_back": {human: marks.taken_back for human, marks in imported.items()},
    }
    if as_json:
        click.echo(json.dumps(counts))
    for human, marks in () if as_json else imported.items():
        click.echo(f"{human}: {marks.new} new verdicts, {marks.changed} changed, {marks.taken_back} taken back")


def _verified(
    run: Path,
    shard: str | None,
    part_path: Path | None,
    names: Sequence[str],
    options: Options,
    split: str | None,
    quiet: bool,
    workers: int,
) -> tuple[Path, Iterable[tuple[str, int]]]:
    """The folder that the verdicts go to, the run's or that of its part, and labels and numbers of new verdicts."""
    from restem.harness.app.shards import part_folder, read_shard, verify_shard
    from restem.harness.app.verify import verify_run

    if shard is None:
        return run, verify_run(run, names, options, split, quiet, workers=workers)
    which = read_shard(shard)
    folder = part_folder(run, which) if part_path is None else part_path
    check_folder("--out", folder)
    return folder, verify_shard(run, folder, which, names, options, split, quiet, workers)


def _print_new(counted: Iterable[tuple[str, int]], as_json: bool) -> dict[str, int]:
    """Prints the number of new verdicts of each verifier as soon as it is known, unless JSON is wanted; gives all."""
    counts: dict[str, int] = {}
    for label, new in counted:
        counts[label] = new
        if not as_json:
            click.echo(f"{label}: {new} new verdicts")
    return counts


def _print_summary(
    summaries: Sequence[VerdictSummary], counts: Mapping[str, object], as_json: bool, err: bool = False
) -> None:
    """Prints the summary: text on stderr, or one JSON object with the counts."""
    from restem.reports.pages import verdict_summary

    if as_json:
        click.echo(json.dumps({**counts, "verifiers": verdict_summary.data(summaries)}), err=err)
    else:
        click.echo(verdict_summary.text(summaries), err=True)
