"""The command gate. Heavy imports stand in the functions that need them."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from restem.harness.cli.code import code_options, permit_code
from restem.harness.cli.paths import TO_FILE, check_file
from restem.harness.errors import ConfigError
from restem.harness.files import write_whole


@click.command("gate")
@click.argument("baseline", required=False, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--verifier", "names", multiple=True, help="Only this verifier; may be given again.")
@click.option("--update", "updates", is_flag=True, help="Rewrite the baseline and its rows; show what changed.")
@click.option(
    "--table",
    "tables",
    is_flag=True,
    help="Sensitivity and specificity of every built-in verifier, for each file of rows.",
)
@click.option("--from-run", "run", type=click.Path(path_type=Path, exists=True, file_okay=False), help="Write rows.")
@click.option("--limit", type=click.IntRange(min=1), help="At most so many rows of a run.")
@click.option("--output", "output_path", type=TO_FILE, help="Rows of a run.  [default: stdout]")
@code_options
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
    allow_code: bool,
    allow_unsandboxed_code: bool,
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
    permit_code(allow_code, allow_unsandboxed_code, names)
    if output_path is not None:
        check_file("--output", output_path)
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
        write_whole(output, text)
        click.echo(f"{text.count(chr(10))} rows: {output}", err=True)


def _print_gate(
    baseline: Path | None, names: tuple[str, ...], updates: bool, tables: bool, as_json: bool, quiet: bool
) -> None:
    from restem.harness.gate import check, update
    from restem.reports.pages import gate as gate_text

    if baseline is None and tables and not check.CALIBRATION.is_file():
        raise ConfigError(
            "--table without a BASELINE.toml reads the project's calibration rows, which are in a checkout, not in an "
            "installed package: give a BASELINE.toml, or run it in a checkout"
        )
    if baseline is None and not tables:
        raise ConfigError("give a BASELINE.toml; docs/gate.md says what it holds")
    golden = check.read_golden(baseline or check.CALIBRATION)
    if tables:
        rates = check.quality(golden, names, quiet=quiet)
        click.echo(gate_text.quality_json(rates) if as_json else gate_text.quality_tables(rates))
    elif updates:
        changes = update.update(golden, names, quiet=quiet)
        click.echo(update.differences_json(changes) if as_json else update.differences(changes))
    else:
        compared = list(check.check(golden, names, quiet=quiet))
        click.echo(gate_text.as_json(compared) if as_json else gate_text.page(compared))
        if not all(comparison.passed for comparison in compared):
            sys.exit(1)
