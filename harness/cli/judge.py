"""The commands of judges: models and compare. Heavy imports stand in the commands."""

from __future__ import annotations

import json
from pathlib import Path

import click


@click.group("judge")
def judge_group() -> None:
    """Which models a judge's server has, and what changes when a judge is replaced.

    \b
    Example:
      restem judge models
      restem judge compare runs/linear_1d --from judge --to NEW-MODEL
    """


CONFIG = click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="TOML with [verifiers.judge]; a suite will do.",
)


@judge_group.command("models")
@CONFIG
@click.option("--set", "overrides", multiple=True, metavar="verifiers.judge.option=value", help="Set an option.")
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
