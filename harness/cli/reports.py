"""The commands that show the results of a run: report, compare and show. Heavy imports stand in the commands."""

from __future__ import annotations

import contextlib
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import click

from restem.harness.cli.paths import check_folder
from restem.harness.errors import ConfigError

if TYPE_CHECKING:
    from restem.reports.analysis.findings import Findings  # NumPy, which takes longer than most commands


def print_report(folder: Path, as_json: bool, output: Path | None = None, against: Path | None = None) -> None:
    """Writes a run's report, prints its summary and says where the page is."""
    from restem.reports.pages.report import written_report

    print_written(*written_report(folder, output, against), as_json)


def print_written(path: Path, findings: Findings, as_json: bool) -> None:
    """Prints a run's summary and says where the page of its report is."""
    from restem.reports.pages.terminal import standings_of, summary_of

    columns = shutil.get_terminal_size().columns
    click.echo(json.dumps(standings_of(findings)) if as_json else summary_of(findings, columns))
    click.echo(f"report: {path}", err=True)


def print_plan(
    folder: Path, output: Path | None, labels: int | None, as_json: bool, checkpoint: str | None = None
) -> None:
    """Writes a run's plan and prints it."""
    from restem.reports.pages import plan as plan_pages

    written = plan_pages.write_plan(folder, output, labels=labels, checkpoint=checkpoint)
    click.echo(json.dumps(plan_pages.as_data(written)) if as_json else plan_pages.text(written))
    click.echo(f"plan: {(output or folder) / 'plan.md'}", err=True)


@click.command("report")
@click.argument("run", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--output", type=click.Path(path_type=Path), help="Folder.  [default: the run folder]")
@click.option("--plan", "planned", is_flag=True, help="Before any training: rank the verifiers by predicted gain.")
@click.option("--labels", type=click.IntRange(min=1), help="Plan with the gold's labels of the first N problems only.")
@click.option(
    "--checkpoint", metavar="SERIES/STEP", help="Plan from this step of an import.  [default: the last with 2 samples]"
)
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
    labels: int | None,
    checkpoint: str | None,
    against: Path | None,
    as_json: bool,
) -> None:
    """Writes report.md, report.html and figures/ from run.db, and checks the run against its plan.json if it has one.

    With --plan, writes plan.md and plan.json instead.

    A plan needs the base's samples and verdicts, which `restem run SUITE --until base` makes, or a step of an imported
    run that has several samples of a problem.

    \b
    Example:
      restem report runs/linear_1d --output /tmp/report
      restem report runs/linear_1d --plan --labels 50
    """
    if planned and against is not None:
        raise ConfigError("--against goes with a report; --plan makes a plan")
    if not planned and (labels is not None or checkpoint is not None or as_json):
        raise ConfigError("--labels, --checkpoint and --json go with --plan")
    check_folder("--output", output or run)
    if planned:
        print_plan(run, output, labels, as_json, checkpoint)
        return
    print_report(run, False, output, against)


@click.command("compare")
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
    check_folder("--output", output or left)
    from restem.reports.analysis.compare import compare
    from restem.reports.pages import compare as compare_pages

    chosen = (ours or theirs or "", theirs or ours or "") if ours or theirs else None
    comparison = compare(left, right, chosen=chosen, margin=margin / 100)
    path = compare_pages.write_comparison(comparison, output or left)
    columns = shutil.get_terminal_size().columns
    click.echo(json.dumps(compare_pages.data(comparison)) if as_json else compare_pages.text(comparison, columns))
    click.echo(f"comparison: {path}", err=True)


@click.command("show")
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
    from restem.reports.pages import terminal

    if watches:
        from rich.console import Console

        from restem.reports.pages.watch import watch

        with contextlib.suppress(KeyboardInterrupt):
            watch(run, Console())
    elif as_json:
        click.echo(json.dumps(terminal.standings(run)))
    else:
        size = shutil.get_terminal_size((terminal.COLUMNS, terminal.LINES))  # of a pipe, which breaks no line: these
        click.echo(terminal.status(run, size.lines, size.columns))
