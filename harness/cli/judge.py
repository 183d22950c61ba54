"""The commands of judges: models and compare. Heavy imports stand in the commands."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from restem.harness.cli.config_options import config_options
from restem.harness.cli.splits import SPLIT
from restem.harness.errors import ConfigError


@click.group("judge")
def judge_group() -> None:
    """Which models a judge's server has, and what changes when a judge is replaced.

    \b
    Example:
      restem judge models
      restem judge compare runs/linear_1d --from judge --to NEW-MODEL
    """


@judge_group.command("models")
@config_options("judge")
@click.option("--all", "every", is_flag=True, help="Also models that do not chat, and those that are switched off.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def models_command(config_path: Path | None, overrides: tuple[str, ...], every: bool, as_json: bool) -> None:
    """Lists the models of a judge's server, with the day on which one is switched off where the server says so.

    \b
    Example:
      restem judge models
      restem judge models --set verifiers.judge.base_url=http://127.0.0.1:8000/v1
    """
    from restem.harness.app.judge_models import served_models
    from restem.harness.app.verify import verifier_options

    options = verifier_options(config_path, overrides, ["judge"]).get("judge", {})
    models = served_models(options, every=every)
    if as_json:
        dated = {model.id: model.shutdown.isoformat() if model.shutdown else None for model in models}
        click.echo(json.dumps({"models": [{"id": id, "shutdown": date} for id, date in dated.items()]}))
        return
    for model in models:
        click.echo(f"{model.id}  until {model.shutdown:%Y-%m-%d}" if model.shutdown else model.id)


@judge_group.command("compare")
@click.argument("run", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--from", "old", required=True, metavar="OLD", help="A judge of the run: its name, or its model.")
@click.option("--to", "new", required=True, metavar="NEW", help="The model that is to replace it, or another judge.")
@click.option("--set", "overrides", multiple=True, metavar="option=value", help="Set an option of the successor.")
@click.option("--split", type=SPLIT, help="Only the responses of this split.")
@click.option("--limit", type=click.IntRange(min=1), help="Only the first problems of each split.")
@click.option(
    "--margin", type=click.FloatRange(0, 100, min_open=True), default=5.0, show_default=True, help="Points of equality."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--quiet", is_flag=True, help="No progress.")
def compare_command(
    run: Path,
    old: str,
    new: str,
    overrides: tuple[str, ...],
    split: str | None,
    limit: int | None,
    margin: float,
    as_json: bool,
    quiet: bool,
) -> None:
    """Asks a judge's successor about the same responses and compares both: agreement, errors, cost, order of arms.

    The successor has the judge's options (prompt, votes, server, budget) except for the model and what --set changes.
    Its replies are stored in the run; the same command goes on after a stop and pays for none twice. The run's report
    does not change.

    \b
    Example:
      restem judge compare runs/linear_1d --from judge --to NEW-MODEL
      restem judge compare runs/linear_1d --from judge --to NEW-MODEL --split test --limit 100 --set max_calls=500
      restem judge compare runs/linear_1d --from judge --to judge_blind          both stored: asks nothing
    """
    from restem.harness.app.judge_compare import compare_with_successor
    from restem.reports.pages import judge_comparison

    comparison, costs = compare_with_successor(
        run, old, new, _overrides(overrides), split=split, limit=limit, margin=margin / 100, quiet=quiet
    )
    if as_json:
        click.echo(json.dumps(judge_comparison.data(comparison, costs)))
    else:
        click.echo(judge_comparison.text(comparison, costs), nl=False)


def _overrides(texts: tuple[str, ...]) -> dict[str, Any]:
    """The options that `--set option=value` changes."""
    from restem.harness.overrides import set_value

    options: dict[str, Any] = {}
    for text in texts:
        set_value(options, text)
    if taken := {"model", "type"} & options.keys():
        raise ConfigError(f"--set {min(taken)}: --to names the model, and --from the kind of judge")
    return options
