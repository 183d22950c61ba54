"""The command generate, which writes problem sets. Heavy imports stand in the command."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from restem.harness.cli.paths import TO_FILE, check_file
from restem.harness.errors import ConfigError
from restem.harness.files import write_whole

if TYPE_CHECKING:
    from restem.benchmarks.problem import Problem


def _print_names(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not context.resilient_parsing:
        from restem.benchmarks.catalog import generated_names

        click.echo("\n".join(generated_names()))
        context.exit()


@click.command("generate")
@click.argument("benchmark")
@click.option("--count", type=click.IntRange(min=1), required=True)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--regime", help="A named regime, or LOW,HIGH entropy.  [default: the benchmark's first]")
@click.option("--split", default="test", show_default=True)
@click.option("--format", "form", type=click.Choice(["jsonl", "lines"]), default="jsonl", show_default=True)
@click.option("--output", type=TO_FILE, help="File.  [default: stdout]")
@click.option(
    "--names",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_names,
    help="Prints all names and stops.",
)
def generate_command(
    benchmark: str, count: int, seed: int, regime: str | None, split: str, form: str, output: Path | None
) -> None:
    """Writes a problem set of BENCHMARK: linear_1d, arithmetic_mixed, a module, an area or all of mathematics_dataset
    (numbers__gcd, numbers, mathematics), or reasoning_gym:TASK. docs/benchmarks.md describes them.

    \b
    Example:
      restem generate linear_1d --count 100 --seed 3 --regime train-medium --format lines
      restem generate numbers__gcd --count 100 --regime 4,5
      restem generate --names
    """
    from restem.benchmarks.files import write_json_lines, write_lines

    if output is not None:
        check_file("--output", output)
    problems = drawn_problems(benchmark, seed, regime, count, split)
    text = write_lines(problems) if form == "lines" else write_json_lines(problems)
    if output is None:
        click.echo(text, nl=False)
    else:
        write_whole(output, text)


def drawn_problems(benchmark: str, seed: int, regime: str | None, count: int, split: str) -> list[Problem]:
    """The first problems of a benchmark's split, as the options of a command name them.

    Raises:
        ConfigError: The benchmark, the regime or the split is not known, or has too few problems.
    """
    from restem.benchmarks import catalog

    try:
        drawn = catalog.find_benchmark(benchmark)
        pair = _regime(regime) if regime is not None else next(iter(drawn.regimes), None)
        return drawn.problems(seed, pair, {split: count})[split]
    except ValueError as error:
        raise ConfigError(str(error)) from None


def _regime(text: str) -> str | tuple[float, float]:
    """A pair of numbers where the text has a comma, otherwise the name of a regime."""
    if "," not in text:
        return text
    try:
        low, high = map(float, text.split(","))
    except ValueError:
        raise ConfigError(f"--regime: found {text!r}, expected a name, or LOW,HIGH with two numbers") from None
    return low, high
