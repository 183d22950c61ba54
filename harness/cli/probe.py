"""The command probe. Heavy imports stand in the command."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import click

from restem.harness.cli.code import code_options, permit_code
from restem.harness.cli.config_options import config_options
from restem.harness.cli.problems import drawn_problems


@click.command("probe")
@click.option("--verifier", "names", multiple=True, required=True, help="A verifier; may be given again.")
@click.option("--benchmark", default="linear_1d", show_default=True, help="Whose problems the probes are made for.")
@click.option("--regime", help="A named regime, or LOW,HIGH entropy.  [default: the benchmark's first]")
@click.option("--count", type=click.IntRange(min=1), default=20, show_default=True, help="Problems.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--split", default="test", show_default=True)
@config_options()
@code_options
@click.option("--json", "as_json", is_flag=True, help="The counts as JSON.")
@click.option("--quiet", is_flag=True, help="No progress.")
def probe_command(
    names: tuple[str, ...],
    benchmark: str,
    regime: str | None,
    count: int,
    seed: int,
    split: str,
    config_path: Path | None,
    overrides: tuple[str, ...],
    allow_code: bool,
    allow_unsandboxed_code: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Tries verifiers on attacks, which are wrong, and on right answers in other forms.

    \b
    Example:
      restem probe --verifier sympy --verifier judge --count 10
      restem probe --verifier unit_tests --benchmark human_eval --allow-code
    """
    permit_code(allow_code, allow_unsandboxed_code, (*names, *overrides))
    names = tuple(dict.fromkeys(names))
    from restem.harness.app.probe import probe_verifiers
    from restem.harness.app.verify import verifier_options

    options = verifier_options(config_path, overrides, names)
    counts = probe_verifiers(names, options, drawn_problems(benchmark, seed, regime, count, split), quiet)
    if as_json:
        rows = [{**dataclasses.asdict(each), "undecided": each.undecided} for each in counts]
        click.echo(json.dumps({"forms": rows}))
        return
    from tabulate import tabulate

    header = ["Verifier", "Kind", "Form", "Tried", "Correct", "Wrong", "Undecided"]
    lines = [[c.verifier, c.kind, c.form, c.tried, c.correct, c.wrong, c.undecided] for c in counts]
    click.echo(tabulate(lines, header))
