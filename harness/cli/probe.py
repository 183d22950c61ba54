"""The command probe. Heavy imports stand in the command."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from restem.harness.cli.code import code_options, permit_code
from restem.harness.cli.config_options import config_options
from restem.harness.cli.paths import TO_FILE, check_file
from restem.harness.cli.problems import drawn_problems
from restem.harness.errors import ConfigError
from restem.harness.files import write_whole

if TYPE_CHECKING:
    from restem.harness.app.probe import FormCount
    from restem.harness.app.probe_figures import Figures

COUNT = 40
FORM_PROBLEMS = 20  # problems that the fixed list of forms is made for


@click.command("probe")
@click.option("--verifier", "names", multiple=True, help="A verifier; may be given again.")
@click.option("--benchmark", default="linear_1d", show_default=True, help="Whose problems the texts are made for.")
@click.option(
    "--problems",
    "problems_path",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A file of problems instead.",
)
@click.option("--regime", help="A named regime, or LOW,HIGH entropy.  [default: the benchmark's first]")
@click.option("--count", type=click.IntRange(min=1), default=COUNT, show_default=True, help="Problems.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--split", default="test", show_default=True)
@click.option(
    "--budget",
    type=click.IntRange(min=0),
    help="Queries of the search, for each verifier.  [default: 2000; 400 for a judge or programs]",
)
@click.option(
    "--repeats",
    type=click.IntRange(min=0),
    help="Ask the texts paid most again so often.  [default: 10 for a judge at a temperature]",
)
@click.option("--forms/--no-forms", default=True, show_default=True, help="The fixed list of forms, after the search.")
@click.option(
    "--input",
    "input_path",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Figures of what --output wrote; asks nothing.",
)
@click.option("--output", "output_path", type=TO_FILE, help="Every query with its reply, as JSON lines.")
@click.option("--fail-above", type=float, help="Exit 1 where a known-bad text is paid more.")
@config_options()
@code_options
@click.option("--json", "as_json", is_flag=True, help="The figures and the counts as JSON.")
@click.option("--quiet", is_flag=True, help="No progress.")
def probe_command(
    names: tuple[str, ...],
    benchmark: str,
    problems_path: Path | None,
    regime: str | None,
    count: int,
    seed: int,
    split: str,
    budget: int | None,
    repeats: int | None,
    forms: bool,
    input_path: Path | None,
    output_path: Path | None,
    fail_above: float | None,
    config_path: Path | None,
    overrides: tuple[str, ...],
    allow_code: bool,
    allow_unsandboxed_code: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Searches for wrong answers that a verifier accepts and right ones that it refuses.

    Three figures first: the highest reward of a text known to be bad, the reward of the best policy that does not look
    at the problem, and the share of right answers refused. Then what is behind them, and a fixed list of attacks and
    of right answers in other forms. docs/attacks.md says how the search works and what it does not show.

    \b
    Example:
      restem probe --verifier sympy --verifier math_verify
      restem probe --verifier judge --budget 300 --count 20
      restem probe --verifier sympy --problems gsm8k.jsonl --fail-above 0 --output queries.jsonl
      restem probe --input queries.jsonl
    """
    permit_code(allow_code, allow_unsandboxed_code, (*names, *overrides))
    names = tuple(dict.fromkeys(names))
    if bool(names) == (input_path is not None):
        raise ConfigError("give either --verifier NAME or --input QUERIES.jsonl")
    if output_path is not None:
        check_file("--output", output_path)
    from restem.harness.app import probe_rows
    from restem.harness.app.probe_figures import figures

    counts: list[FormCount] = []
    if input_path is not None:
        rows = probe_rows.read_rows(input_path)
    else:
        from restem.harness.app.probe import probe_verifiers
        from restem.harness.app.probe_search import problems_of, search_verifiers, searchable
        from restem.harness.app.verify import verifier_options

        options = verifier_options(config_path, overrides, names)
        if problems_path is not None:
            problems = problems_of(problems_path, count)
        else:
            problems = drawn_problems(benchmark, seed, regime, count, split)
        searched = []
        if searchable(problems) or not forms:
            searched = search_verifiers(
                names, options, problems, budget=budget, seed=seed, repeats=repeats, quiet=quiet
            )
        else:
            click.echo("these problems have no references, which the search needs: the fixed list alone", err=True)
        rows = {each.verifier: each.rows for each in searched}
        if output_path is not None:
            write_whole(output_path, "".join(probe_rows.write_rows(each, name) for name, each in rows.items()))
        if forms:
            counts = probe_verifiers(names, options, problems[:FORM_PROBLEMS], quiet)
    results = {name: figures(each) if each else None for name, each in rows.items()}
    _print(results, counts, as_json)
    if fail_above is not None and any(each is not None and each.exceeds(fail_above) for each in results.values()):
        sys.exit(1)


def _print(results: Mapping[str, Figures | None], counts: Sequence[FormCount], as_json: bool) -> None:
    from restem.harness.cli import probe_text

    if as_json:
        search = [probe_text.data(name, each) for name, each in results.items()]
        rows = [{**dataclasses.asdict(each), "undecided": each.undecided} for each in counts]
        click.echo(json.dumps({"search": search, "forms": rows}))
        return
    from tabulate import tabulate

    if results:
        click.echo(probe_text.headline(results))
    for name, each in results.items():
        if each is not None:
            click.echo(f"\n{probe_text.details(name, each)}")
    if counts:
        header = ["Verifier", "Kind", "Form", "Tried", "Correct", "Wrong", "Undecided"]
        lines = [[c.verifier, c.kind, c.form, c.tried, c.correct, c.wrong, c.undecided] for c in counts]
        click.echo("\n" * bool(results) + tabulate(lines, header))
