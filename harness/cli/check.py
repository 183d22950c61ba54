"""The command check. Heavy imports stand in the command."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

import click


@click.command("check")
@click.argument("run", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def check_command(run: Path, as_json: bool) -> None:
    """Checks every row, page and checkpoint of a run; says what is damaged and how it can be made again.

    Changes nothing. Exit code 0: the run is sound; 1: something is damaged or lost; 2: there is no
    run. `show`, `report`,
    `compare` and every command that adds rows check the rows too, and stop with a line that names the damaged stage.

    \b
    Example:
      restem check runs/linear_1d
    """
    from restem.harness.app.check import Finding, Remedy, State, check_run

    remedies = {
        Remedy.COPY: "only a copy of run.db has it: put one back, or make the run again in another folder",
        Remedy.IMPORT: "import the same files again, into another folder: the rows are the same",
        Remedy.RESTORE: f"`restem run SUITE --out {run} --restore` trains it again, to the same hash",
    }
    findings: list[Finding] = []
    for finding in check_run(run):
        findings.append(finding)
        if as_json:
            continue
        rows = "" if finding.rows is None else f"{finding.rows} rows"
        about = "made by an earlier version" if finding.state is State.NOT_SEALED else finding.detail or rows
        click.echo(f"{finding.state:<12}{finding.stage}" + (f": {about}" if about else ""))
        if finding.remedy is not None:
            click.echo(f"{'':<12}{remedies[finding.remedy]}")
    damaged = sum(finding.remedy is not None for finding in findings)
    if as_json:
        click.echo(json.dumps({"sound": not damaged, "findings": [dataclasses.asdict(each) for each in findings]}))
    else:
        click.echo(f"{damaged} of {len(findings)} damaged or lost" if damaged else "Sound.")
    sys.exit(1 if damaged else 0)
