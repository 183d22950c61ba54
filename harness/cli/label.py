"""The command label. Heavy imports stand in the command."""

from __future__ import annotations

import json
from pathlib import Path

import click

from restem.harness.cli.paths import TO_FILE, check_file
from restem.harness.errors import ConfigError
from restem.harness.files import write_whole


@click.command("label")
@click.argument("run", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--count", type=click.IntRange(min=1), help="Draw so many responses; goes with --out.")
@click.option("--out", type=TO_FILE, help="File for the rows to label.")
@click.option("--verifier", "names", multiple=True, help="A candidate; may be given again.  [default: all]")
@click.option("--seed", type=click.IntRange(min=0), help="Of the random order.  [default: 0]")
@click.option("--checkpoint", help="Whose responses.  [default: base; of an import the last step]")
@click.option("--split", help="[default: train]")
@click.option(
    "--from",
    "files",
    multiple=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A file of rows; may be given again. With --count, more responses are drawn after these.",
)
@click.option(
    "--by", metavar="VERIFIER", help="Take labels that a row lacks from its verdicts.  [default: human marks]"
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def label_command(
    run: Path,
    count: int | None,
    out: Path | None,
    names: tuple[str, ...],
    seed: int | None,
    checkpoint: str | None,
    split: str | None,
    files: tuple[Path, ...],
    by: str | None,
    as_json: bool,
) -> None:
    """Draws responses for a person to label, and gives the verifiers' error rates from the labels.

    The responses are a random sample that is stratified by the candidates' verdicts, so that few labels give TPR, FPR
    and LR+ of all of them without bias. Fill `label` in the file with true, false, or null where you cannot tell; a
    file that is filled from the top on may be read before it is complete. docs/labels.md explains the method.

    \b
    Example:
      restem label runs/mine --verifier judge --verifier judge_blind --count 60 --out to_label.jsonl
      restem label runs/mine --from to_label.jsonl
      restem label runs/mine --from to_label.jsonl --count 40 --out more.jsonl
      restem label runs/mine --from to_label.jsonl --from more.jsonl
    """
    if (count is None) != (out is None) or (count is None and not files):
        raise ConfigError("give --count and --out to draw responses, or --from to read their labels")
    if count is None and (names or seed is not None or checkpoint or split):
        raise ConfigError("--verifier, --seed, --checkpoint and --split go with --count; the rows of --from name them")
    if by is not None and count is not None:
        raise ConfigError("--by reads labels; it does not go with --count")
    if count is None or out is None:
        _print_rates(run, files, by, as_json)
        return
    check_file("--out", out)
    if out.exists():
        raise ConfigError(f"--out {out}: this file is there, and may hold labels; give another name")
    from restem.harness.app.label import draw
    from restem.reports.pages import labels

    batch = draw(run, names, count, seed=seed, checkpoint=checkpoint, split=split, before=files)
    write_whole(out, batch.text.encode("utf-8", "surrogatepass"))
    drawn = batch.responses, batch.first, batch.last
    click.echo(json.dumps(labels.drawn_data(*drawn)) if as_json else labels.drawn_text(*drawn))
    click.echo(f"{batch.last - batch.first} rows to label: {out}", err=True)


def _print_rates(run: Path, files: tuple[Path, ...], by: str | None, as_json: bool) -> None:
    from restem.harness.app.label import read
    from restem.reports.pages import labels

    reading = read(run, files, by)
    parts = reading.responses, reading.result, reading.rows, reading.from_run
    click.echo(json.dumps(labels.data(*parts)) if as_json else labels.text(*parts))
