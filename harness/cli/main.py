"""The command line. With the other cli files, all that knows all four packages; heavy imports stand in the commands.

Results go to stdout, progress to stderr. Exit code 0: done; 1: failed; 2: asked wrongly, nothing was done;
130 or 143: stopped by a signal.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from restem.harness.cli.policies import export_command, models_command, serve_command
from restem.harness.cli.reports import compare_command, print_plan, print_report, report_command, show_command
from restem.harness.errors import ConfigError, RestemError
from restem.verifiers.verdict import UnknownVerifier, VerifierError

TO_FILE = click.Path(path_type=Path, dir_okay=False, writable=True)


class _ToStderr(logging.Handler):
    """What verifiers have to say: a batch's progress, a judge's model that changed."""

    def emit(self, record: logging.LogRecord) -> None:
        click.echo(record.getMessage(), err=True)


class _Commands(click.Group):
    """Turns the project's own errors into one line on stderr and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        signal.signal(signal.SIGTERM, _terminated)
        said = logging.getLogger("restem.verifiers")
        said.setLevel(logging.INFO)
        if not said.handlers:
            said.addHandler(_ToStderr())
        # So that `mine:Polite` is found beside the suite; last, so that no file here shadows an installed module.
        if os.getcwd() not in sys.path:
            sys.path.append(os.getcwd())
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            click.echo("stopped; `restem run` and `restem verify RUN` go on where they were", err=True)
            sys.exit(130)
        except (RestemError, VerifierError) as error:
            click.echo(f"restem: {error}", err=True)
            sys.exit(2 if isinstance(error, ConfigError | UnknownVerifier) else 1)
        except BrokenPipeError:  # the reader of our output has gone, as `head` does: not our failure
            raise
        except OSError as error:
            click.echo(f"restem: {error}", err=True)
            sys.exit(1)


class _Terminated(SystemExit):
    """Told from the plain SystemExit by which a verifier of somebody else's might end the command."""


def _terminated(number: int, _: object) -> None:
    click.echo("stopped; `restem run` and `restem verify RUN` go on where they were", err=True)
    raise _Terminated(128 + number)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="restem-harness")
def main() -> None:
    """Which verifier is worth training on?

    Trains a Gemma policy with ReST-EM once per verifier and compares what each did for accuracy.

    \b
    Example:
      restem run                         the default suite: four verifiers on linear_1d
      restem show runs/linear_1d         where it stands
    """


@main.command("run")
@click.argument("suite", default="linear_1d")
@click.option("--out", type=click.Path(path_type=Path), help="Run folder.  [default: runs/<suite name>]")
@click.option("--set", "overrides", multiple=True, metavar="a.b=value", help="Change one setting of the suite.")
@click.option("--until", type=click.Choice(["base"]), help="Stop before any training, with a plan; resumes without it.")
@click.option("--hosts", type=click.IntRange(min=1), default=1, help="Machines that run this together, each the same.")
@click.option("--host-index", type=click.IntRange(min=0), help="This one's number; 0 leads and writes the run folder.")
@click.option("--coordinator", metavar="HOST:PORT", help="Where the leader is found, and a free port of it.")
@click.option("--json", "as_json", is_flag=True, help="Print the standings as JSON.")
@click.option("--quiet", is_flag=True, help="No progress.")
def run_command(
    suite: str,
    out: Path | None,
    overrides: tuple[str, ...],
    until: str | None,
    hosts: int,
    host_index: int | None,
    coordinator: str | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Runs a suite, a built-in name or a TOML file, into a run folder; the same --out again resumes.

    All devices are used, on CPUs one for each core, unless mesh.data and mesh.model say otherwise; docs/gemma.md says
    how several hosts are.

    \b
    Example:
      restem run linear_1d --out runs/first --set iterations=1 --set sampling.train_samples=8
      restem run linear_1d --set mesh.data=2
      restem run linear_1d --hosts 2 --host-index 1 --coordinator leader:8476
    """
    from restem.harness.app.run import follow, run_suite
    from restem.harness.config import load_suite
    from restem.harness.distributed.hosts import connect

    if hosts == 1 and (host_index is not None or coordinator is not None):
        raise ConfigError("--host-index and --coordinator go with --hosts")
    resolved = load_suite(suite, overrides)
    folder = out or Path("runs") / resolved.name
    with connect(resolved.mesh, hosts, host_index, coordinator) as those:
        if not those.leads:
            follow(resolved, those)
            return
        run_suite(resolved, folder, quiet, until_base=until == "base", hosts=those)
    if until == "base":
        print_plan(folder, None, 1.0, None, as_json)
    else:
        print_report(folder, as_json)


@main.command("verify")
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
@click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="TOML with [verifiers.NAME]; a suite will do.",
)
@click.option("--set", "overrides", multiple=True, metavar="verifiers.NAME.option=value", help="Set an option.")
@click.option("--split", type=click.Choice(["train", "validation", "test"]), help="Of a RUN, only this split.")
@click.option("--offline", is_flag=True, help="Ask no judge: stored replies, undecided for the rest.")
@click.option(
    "--batch", is_flag=True, help="Ask judges by OpenAI's Batch API; the same command comes back for replies."
)
@click.option("--json", "as_json", is_flag=True, help="Of a RUN, print the counts as JSON; rows are JSON in any case.")
@click.option("--quiet", is_flag=True, help="No progress.")
def verify_command(
    run: Path | None,
    names: tuple[str, ...],
    marks_path: Path | None,
    input_path: Path | None,
    output_path: Path | None,
    config_path: Path | None,
    overrides: tuple[str, ...],
    split: str | None,
    offline: bool,
    batch: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Scores rows of a file, or the stored samples of a run, with any verifiers.

    An input row has id, question, reference (may be null), response, and optionally problem_id. Marks are what "Save
    marks" of a report's explorer wrote: they become verdicts of human:<name>.

    \b
    Example:
      restem verify --verifier sympy --verifier exact --input rows.jsonl --output verdicts.jsonl
      restem verify runs/linear_1d --verifier judge_blind
      restem verify runs/linear_1d --verifier judge --batch
      restem verify runs/linear_1d --import marks-ada.jsonl
    """
    from restem.harness.app.judges import asked_by
    from restem.harness.app.verify import verifier_options, verify_rows, verify_run
    from restem.harness.gate.annotations import import_marks

    names = tuple(dict.fromkeys(names))
    if (run is None) == (input_path is None):
        raise ConfigError("give either a RUN or --input ROWS.jsonl")
    if bool(names) == (marks_path is not None):
        raise ConfigError("give either --verifier NAME or --import MARKS.jsonl")
    if marks_path is not None and run is None:
        raise ConfigError("--import goes with a RUN, on whose samples the marks are")
    if run is not None and marks_path is not None:
        _print_new(import_marks(run, marks_path).items(), as_json)
        return
    options = asked_by(verifier_options(config_path, overrides, names), names, offline=offline, batch=batch)
    if input_path is not None:
        verify_rows(input_path, output_path, names, options, quiet)
    elif run is not None:
        if output_path is not None:
            raise ConfigError("--output goes with --input; a run keeps its verdicts in run.db")
        _print_new(verify_run(run, names, options, split, quiet), as_json)


def _print_new(counted: Iterable[tuple[str, int]], as_json: bool) -> None:
    counts: dict[str, int] = {}
    for label, new in counted:
        counts[label] = new
        if not as_json:
            click.echo(f"{label}: {new} new verdicts")
    if as_json:
        click.echo(json.dumps({"new_verdicts": counts}))


@main.command("gate")
@click.argument("baseline", required=False, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--verifier", "names", multiple=True, help="Only this verifier; may be given again.")
@click.option("--update", "updates", is_flag=True, help="Rewrite the baseline and its rows; show what changed.")
@click.option("--table", "tables", is_flag=True, help="Sensitivity and specificity of every built-in verifier.")
@click.option("--from-run", "run", type=click.Path(path_type=Path, exists=True, file_okay=False), help="Write rows.")
@click.option("--limit", type=click.IntRange(min=1), help="At most so many rows of a run.")
@click.option("--output", "output_path", type=TO_FILE, help="Rows of a run.  [default: stdout]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--quiet", is_flag=True, help="No progress.")
def gate_command(
    baseline: Path | None,
    names: tuple[str, ...],
    updates: bool,
    tables: bool,
    run: Path | None,
    limit: int | None,
    output_path: Path | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """The regression test on verifier agreement: exit 1 when a verifier got worse than BASELINE.toml allows.

    A verifier fails when its agreement with the labels is significantly lower than expected less the margin, or when
    a pinned row's outcome flipped. docs/gate.md says what a baseline holds.

    \b
    Example:
      restem gate tests/golden/answers.gate.toml
      restem gate tests/golden/answers.gate.toml --update
      restem gate --table                                   on the project's calibration rows
      restem gate --from-run runs/linear_1d --verifier sympy --verifier judge --output rows.jsonl
    """
    if sum((updates, tables, run is not None)) > 1:
        raise ConfigError("give one of --update, --table and --from-run")
    if run is None and (limit is not None or output_path is not None):
        raise ConfigError("--limit and --output go with --from-run")
    names = tuple(dict.fromkeys(names))
    if run is not None:
        if baseline is not None:
            raise ConfigError("--from-run makes rows; it takes no BASELINE.toml")
        _print_disagreements(run, names, limit, output_path)
    else:
        _print_gate(baseline, names, updates, tables, as_json, quiet)


def _print_disagreements(run: Path, names: tuple[str, ...], limit: int | None, output: Path | None) -> None:
    from restem.harness.gate.disagreements import disagreements

    text = disagreements(run, names, limit)
    if output is None:
        click.echo(text, nl=False)
    else:
        output.write_text(text, "utf-8")
        click.echo(f"{text.count(chr(10))} rows: {output}", err=True)


def _print_gate(
    baseline: Path | None, names: tuple[str, ...], updates: bool, tables: bool, as_json: bool, quiet: bool
) -> None:
    from restem.harness.gate import check
    from restem.reports.pages import gate as gate_text

    if baseline is None and not (tables and check.CALIBRATION.is_file()):
        raise ConfigError("give a BASELINE.toml; docs/gate.md says what it holds")
    golden = check.read_golden(baseline or check.CALIBRATION)
    if tables:
        found = check.quality(golden, names, quiet=quiet)
        click.echo(gate_text.quality_json(found) if as_json else gate_text.quality_table(found))
    elif updates:
        changes = check.update(golden, names, quiet=quiet)
        click.echo(check.differences_json(changes) if as_json else check.differences(changes))
    else:
        compared = list(check.check(golden, names, quiet=quiet))
        click.echo(gate_text.as_json(compared) if as_json else gate_text.page(compared))
        if not all(found.passed for found in compared):
            sys.exit(1)


@main.command("generate")
@click.argument("benchmark")
@click.option("--count", type=click.IntRange(min=1), required=True)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--regime", help="A named regime, or LOW,HIGH entropy.  [default: the benchmark's first]")
@click.option("--split", default="test", show_default=True)
@click.option("--format", "form", type=click.Choice(["jsonl", "lines"]), default="jsonl", show_default=True)
@click.option("--output", type=TO_FILE, help="File.  [default: stdout]")
def generate_command(
    benchmark: str, count: int, seed: int, regime: str | None, split: str, form: str, output: Path | None
) -> None:
    """Writes a problem set of BENCHMARK, a name that docs/suite.md lists.

    \b
    Example:
      restem generate linear_1d --count 100 --seed 3 --regime train-medium --format lines
      restem generate arithmetic_mixed --count 100 --regime 4,5
    """
    from restem.benchmarks import catalog
    from restem.benchmarks.files import write_json_lines, write_lines

    low, comma, high = (regime or "").partition(",")
    try:
        drawn = catalog.benchmark(benchmark)
        pair = (float(low), float(high)) if comma else regime or next(iter(drawn.regimes), None)
        problems = drawn.problems(seed, pair, {split: count})[split]
    except ValueError as error:
        raise ConfigError(str(error)) from None
    text = write_lines(problems) if form == "lines" else write_json_lines(problems)
    if output is None:
        click.echo(text, nl=False)
    else:
        output.write_text(text, "utf-8")


for command in (report_command, compare_command, show_command, models_command, export_command, serve_command):
    main.add_command(command)


if __name__ == "__main__":
    main()
