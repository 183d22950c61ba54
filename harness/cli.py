"""The command line. With cli_run.py, the only file that knows all four packages; heavy imports stand in the commands.

Results go to stdout, progress to stderr. Exit code 0: done; 1: failed; 2: asked wrongly, nothing was done;
130 or 143: stopped by a signal.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
import signal
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from harness.errors import ConfigError, RestemError
from verifiers.verdict import UnknownVerifier, VerifierError

TO_FILE = click.Path(path_type=Path, dir_okay=False, writable=True)


class _ToStderr(logging.Handler):
    """What verifiers have to say: a batch's progress, a judge's model that changed."""

    def emit(self, record: logging.LogRecord) -> None:
        click.echo(record.getMessage(), err=True)


class _Commands(click.Group):
    """Turns the project's own errors into one line on stderr and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        signal.signal(signal.SIGTERM, _terminated)
        said = logging.getLogger("verifiers")
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
@click.option("--json", "as_json", is_flag=True, help="Print the standings as JSON.")
@click.option("--quiet", is_flag=True, help="No progress.")
def run_command(
    suite: str, out: Path | None, overrides: tuple[str, ...], until: str | None, as_json: bool, quiet: bool
) -> None:
    """Runs a suite, a built-in name or a TOML file, into a run folder; the same --out again resumes.

    \b
    Example:
      restem run linear_1d --out runs/first --set iterations=1 --set sampling.train_samples=8
    """
    from harness.cli_run import run_suite
    from harness.config import load_suite

    resolved = load_suite(suite, overrides)
    folder = out or Path("runs") / resolved.name
    run_suite(resolved, folder, quiet, until_base=until == "base")
    if until == "base":
        _print_plan(folder, None, 1.0, None, as_json)
    else:
        _print_report(folder, as_json)


def _print_report(folder: Path, as_json: bool) -> None:
    from reports.render import standings, summary, write_report

    path = write_report(folder)
    click.echo(json.dumps(standings(folder)) if as_json else summary(folder))
    click.echo(f"report: {path}", err=True)


def _print_plan(folder: Path, output: Path | None, eta: float, labels: int | None, as_json: bool) -> None:
    from reports import plan, plan_pages

    found = plan_pages.write_plan(folder, output, eta=eta, labels=labels)
    click.echo(json.dumps(plan.as_data(found)) if as_json else plan_pages.text(found))
    click.echo(f"plan: {(output or folder) / 'plan.md'}", err=True)


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
    from harness.cli_judge import asked_by
    from harness.cli_run import verifier_options, verify_rows, verify_run
    from harness.marks import import_marks

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


@main.command("report")
@click.argument("run", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--output", type=click.Path(path_type=Path), help="Folder.  [default: the run folder]")
@click.option("--plan", "planned", is_flag=True, help="Before any training: rank the verifiers by predicted gain.")
@click.option("--eta", type=click.FloatRange(0, min_open=True), help="M-step efficiency of a plan.  [default: 1]")
@click.option("--labels", type=click.IntRange(min=1), help="Plan with the gold's labels of the first N problems only.")
@click.option(
    "--against",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A plan.json to check the run against.  [default: the run's own]",
)
@click.option("--json", "as_json", is_flag=True, help="Print a plan as JSON.")
def report_command(
    run: Path,
    output: Path | None,
    planned: bool,
    eta: float | None,
    labels: int | None,
    against: Path | None,
    as_json: bool,
) -> None:
    """Writes report.md, report.html and figures/ from run.db, and checks the run against its plan.json if it has one.

    With --plan, writes plan.md and plan.json instead.

    A plan needs the base's samples and verdicts, which `restem run SUITE --until base` makes.

    \b
    Example:
      restem report runs/linear_1d --output /tmp/report
      restem report runs/linear_1d --plan --labels 50
    """
    if planned and against is not None:
        raise ConfigError("--against goes with a report; --plan makes a plan")
    if not planned and (eta is not None or labels is not None or as_json):
        raise ConfigError("--eta, --labels and --json go with --plan")
    if planned:
        _print_plan(run, output, eta or 1.0, labels, as_json)
        return
    from reports.render import write_report

    click.echo(write_report(run, output, against))


@main.command("compare")
@click.argument("left", metavar="RUN", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.argument("right", metavar="RUN", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--left", "ours", metavar="ARM/ITERATION", help="Only this checkpoint of the first run; or `base`.")
@click.option("--right", "theirs", metavar="ARM/ITERATION", help="And this of the second.  [default: the same]")
@click.option(
    "--margin", type=click.FloatRange(0, 100, min_open=True), default=5.0, show_default=True, help="Points of equality."
)
@click.option("--output", type=click.Path(path_type=Path), help="Folder.  [default: the first run's]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def compare_command(
    left: Path, right: Path, ours: str | None, theirs: str | None, margin: float, output: Path | None, as_json: bool
) -> None:
    """Compares two runs on the same problems, checkpoint by checkpoint; writes compare.md and compare.html.

    Refuses, with exit code 2, runs with other test problems, another gold verifier or other sampling.

    \b
    Example:
      restem compare runs/first runs/second
      restem compare runs/first runs/second --left sympy/2 --right judge/2
    """
    from reports import compare_pages
    from reports.compare import compare

    chosen = (ours or theirs or "", theirs or ours or "") if ours or theirs else None
    found = compare(left, right, chosen=chosen, margin=margin / 100)
    path = compare_pages.write_comparison(found, output or left)
    click.echo(json.dumps(compare_pages.data(found)) if as_json else compare_pages.text(found))
    click.echo(f"comparison: {path}", err=True)


@main.command("show")
@click.argument("run", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--watch", "watches", is_flag=True, help="Follow the run until it is finished.")
@click.option("--json", "as_json", is_flag=True, help="Print the standings as JSON.")
def show_command(run: Path, watches: bool, as_json: bool) -> None:
    """One screen: arms, iterations, accuracy with intervals, cost, what is unfinished.

    \b
    Example:
      restem show runs/linear_1d
      restem show runs/linear_1d --watch        also while another process writes it; Ctrl-C ends it
    """
    if watches and as_json:
        raise ConfigError("--watch shows a screen; it does not go with --json")
    from reports import terminal

    if watches:
        from rich.console import Console

        from reports.watch import watch

        with contextlib.suppress(KeyboardInterrupt):
            watch(run, Console())
    elif as_json:
        click.echo(json.dumps(terminal.standings(run)))
    else:
        size = shutil.get_terminal_size((terminal.COLUMNS, terminal.LINES))  # of a pipe, which breaks no line: these
        click.echo(terminal.status(run, size.lines, size.columns))


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
    from harness.disagreements import disagreements

    text = disagreements(run, names, limit)
    if output is None:
        click.echo(text, nl=False)
    else:
        output.write_text(text, "utf-8")
        click.echo(f"{text.count(chr(10))} rows: {output}", err=True)


def _print_gate(
    baseline: Path | None, names: tuple[str, ...], updates: bool, tables: bool, as_json: bool, quiet: bool
) -> None:
    from harness import cli_gate
    from reports import gate_text

    if baseline is None and not (tables and cli_gate.CALIBRATION.is_file()):
        raise ConfigError("give a BASELINE.toml; docs/gate.md says what it holds")
    golden = cli_gate.read_golden(baseline or cli_gate.CALIBRATION)
    if tables:
        found = cli_gate.quality(golden, names, quiet=quiet)
        click.echo(gate_text.quality_json(found) if as_json else gate_text.quality_table(found))
    elif updates:
        changes = cli_gate.update(golden, names, quiet=quiet)
        click.echo(cli_gate.differences_json(changes) if as_json else cli_gate.differences(changes))
    else:
        compared = list(cli_gate.check(golden, names, quiet=quiet))
        click.echo(gate_text.as_json(compared) if as_json else gate_text.page(compared))
        if not all(found.passed for found in compared):
            sys.exit(1)


@main.command("generate")
@click.argument("benchmark", type=click.Choice(["linear_1d"]))
@click.option("--count", type=click.IntRange(min=1), required=True)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--regime", default="train-easy", show_default=True, help="A named regime, or LOW,HIGH entropy.")
@click.option("--split", default="test", show_default=True)
@click.option("--format", "form", type=click.Choice(["jsonl", "lines"]), default="jsonl", show_default=True)
@click.option("--output", type=TO_FILE, help="File.  [default: stdout]")
def generate_command(
    benchmark: str, count: int, seed: int, regime: str, split: str, form: str, output: Path | None
) -> None:
    """Writes a problem set.

    \b
    Example:
      restem generate linear_1d --count 100 --seed 3 --regime train-medium --format lines
    """
    from benchmarks import linear_1d
    from benchmarks.files import write_json_lines, write_lines

    low, comma, high = regime.partition(",")
    try:
        entropy = (float(low), float(high)) if comma else regime
        problems = linear_1d.problems(seed, entropy, {split: count})[split]
    except ValueError as error:
        raise ConfigError(str(error)) from None
    text = write_lines(problems) if form == "lines" else write_json_lines(problems)
    if output is None:
        click.echo(text, nl=False)
    else:
        output.write_text(text, "utf-8")


@main.group("models", invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def models_command(context: click.Context, as_json: bool) -> None:
    """Lists the policies known by name: size, licence, source, and whether they are on disk.

    \b
    Example:
      restem models
      restem models download gemma3-1b-it
      restem run --set policy=gemma3-1b-it          docs/gemma.md says what else to set
    """
    if context.invoked_subcommand is None:
        from harness import models

        rows = models.table()
        click.echo(json.dumps(rows) if as_json else models.text(rows))


@models_command.command("download")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Accept size and licence without being asked.")
def download_command(name: str, yes: bool) -> None:
    """Fetches official weights through kagglehub; the same command again goes on where one was stopped.

    \b
    Example:
      KAGGLE_API_TOKEN=... restem models download gemma3-270m-it --yes
    """
    from harness.cli_models import fetch

    click.echo(fetch(name, yes))


@main.command("export")
@click.argument("checkpoint")
@click.option("--to", "form", type=click.Choice(["hf"]), default="hf", show_default=True, help="Hugging Face's format.")
@click.option("--output", type=click.Path(path_type=Path), required=True, help="A new folder.")
def export_command(checkpoint: str, form: str, output: Path) -> None:
    """Writes a Gemma policy or checkpoint as a folder that transformers and vLLM load.

    \b
    Example:
      restem export runs/gemma/checkpoints/sympy-2 --output trained
    """
    from harness.cli_run import load_named_policy
    from harness.hf import save_hf

    save_hf(load_named_policy(checkpoint), output)
    click.echo(output)


@main.command("serve")
@click.argument("policy")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0 takes a free one.")
@click.option("--while-stdin-open", is_flag=True, hidden=True)
def serve_command(policy: str, port: int, while_stdin_open: bool) -> None:
    """Serves a policy or checkpoint behind the OpenAI routes on 127.0.0.1.

    Prints one JSON line with base_url and model once it listens.

    \b
    Example:
      restem serve tiny --port 8000
      restem serve runs/linear_1d/checkpoints/sympy-2 --port 0
    """
    from harness.cli_run import EMBEDDED, load_named_policy
    from harness.serve import serve

    serve(load_named_policy(policy), policy if policy in EMBEDDED else Path(policy).name, port, while_stdin_open)


if __name__ == "__main__":
    main()
