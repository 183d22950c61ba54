"""The command export: a policy for other engines, or what an E-step kept for other trainers."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from restem.harness.cli.paths import check_file
from restem.harness.errors import ConfigError


@click.command("export")
@click.argument("source", metavar="POLICY|RUN")
@click.option("--to", "form", type=click.Choice(["hf"]), help="The form of a policy.  [default: hf, Hugging Face's]")
@click.option("--dtype", type=click.Choice(["float32", "bfloat16"]), help="Of its parameters.  [default: float32]")
@click.option("--selection", is_flag=True, help="Write what an E-step of a run kept, as data for fine-tuning.")
@click.option("--arm", help="With --selection: whose E-step.  [default: the run's only arm]")
@click.option("--iteration", type=click.IntRange(min=1), help="With --selection: which one.  [default: the last]")
@click.option("--output", type=click.Path(path_type=Path), required=True, help="A new folder; of a selection a file.")
def export_command(
    source: str,
    form: str | None,
    dtype: Literal["float32", "bfloat16"] | None,
    selection: bool,
    arm: str | None,
    iteration: int | None,
    output: Path,
) -> None:
    """Writes a Gemma policy or checkpoint as a folder that transformers, vLLM and CTranslate2 load.

    The folder holds the chat template that `restem serve` follows.

    With --selection, writes the responses of a run that were kept to train on, one JSON object a line, as TRL's
    SFTTrainer and axolotl read them: docs/doors.md.

    \b
    Example:
      restem export tiny --output tiny
      restem export runs/gemma/checkpoints/sympy-2 --dtype bfloat16 --output trained
      restem export runs/linear_1d --selection --arm sympy --iteration 1 --output kept.jsonl
    """
    if selection:
        if form is not None or dtype is not None:
            raise ConfigError("--to and --dtype go with a policy, not with --selection")
        _export_selection(Path(source), arm, iteration, output)
        return
    if arm is not None or iteration is not None:
        raise ConfigError("--arm and --iteration go with --selection")
    from restem.harness.app.extra import need_train

    need_train("restem export POLICY")
    from restem.harness.app.base_policy import load_named_policy
    from restem.harness.weights.huggingface import save_hf

    save_hf(load_named_policy(source), output, dtype or "float32")
    click.echo(output)


def _export_selection(run: Path, arm: str | None, iteration: int | None, output: Path) -> None:
    check_file("--output", output)
    from restem.harness.app.selection_file import write_selection

    written = write_selection(run, arm, iteration, output)
    held = written.counts
    click.echo(f"{written.checkpoint}: {held.kept} responses to {held.problems} problems", err=True)
    if held.negative:
        click.echo(f"left out: {held.negative} rejected responses with a negative weight", err=True)
    click.echo(output)
