"""The command merge. Heavy imports stand in the command."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import click


@click.command("merge")
@click.argument("run", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.argument("parts", nargs=-1, required=True, metavar="PART...", type=click.Path(path_type=Path, exists=True))
@click.option("--json", "as_json", is_flag=True, help="Print the counts as JSON.")
def merge_command(run: Path, parts: tuple[Path, ...], as_json: bool) -> None:
    """Unites parts that `restem verify RUN --shard I/N` wrote with their run.

    Afterwards the run has the rows that `restem verify RUN` alone would have given it: verdicts, judge calls with their
    cost, verifiers. The order of parts does not matter, and a part that is united again adds nothing. All parts are
    added or, where one does not go with the run, none: a part of another run, a verifier with other options under a
    known name, or a verdict that differs from a stored one is named.

    \b
    Example:
      restem merge runs/linear_1d runs/linear_1d.shards/*
    """
    from restem.harness.app.shards import merge

    merged = merge(run, parts)
    if as_json:
        click.echo(json.dumps({"verifiers": [dataclasses.asdict(each) for each in merged]}))
        return
    for each in merged:
        of_split = f" on split {each.split}" if each.split else ""
        calls = f", {each.new_calls} new judge calls" if each.new_calls else ""
        click.echo(f"{each.name}{of_split}: {each.new} new verdicts, {each.known} already there{calls}")
        if each.missing:
            listed = ", ".join(map(str, each.missing))
            click.echo(f"{each.name}{of_split}: missing shards: {listed}")
