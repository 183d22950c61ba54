"""The command import. Heavy imports stand in the command."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from restem.harness.cli.paths import TO_FOLDER, check_folder
from restem.harness.errors import ConfigError

if TYPE_CHECKING:
    from restem.harness.app.import_rollouts import Request, SourceResult


def import_options(command: click.decorators.FC) -> click.decorators.FC:
    """Adds the options that say what rollouts are, for `import` and for `audit`."""
    options = (
        click.option("--format", "form", metavar="NAME", help="The format.  [default: recognised]"),
        click.option(
            "--map",
            "mappings",
            multiple=True,
            metavar="FIELD=COLUMN,...",
            help="Columns of any table: question, response, reference, step, index, label, reward.NAME, ...",
        ),
        click.option(
            "--threshold", "thresholds", multiple=True, metavar="NAME=T", help="A reward is correct from T on.  [0.5]"
        ),
        click.option(
            "--references",
            type=click.Path(path_type=Path, exists=True, dir_okay=False),
            help="A file of problems whose answers are the references.",
        ),
        click.option("--series", metavar="NAME", help="The run or model of rows that name none.  [default: policy]"),
        click.option("--gold", metavar="VERIFIER", help="Taken as the truth.  [default: label, else sympy]"),
    )
    for option in reversed(options):
        command = option(command)
    return command


def request_of(
    paths: Sequence[Path],
    form: str | None,
    mappings: Sequence[str],
    thresholds: Sequence[str],
    references: Path | None,
    series: str | None,
    gold: str | None,
) -> Request:
    """The request that the options describe.

    Raises:
        ConfigError: A mapping or a threshold is not NAME=VALUE.
    """
    from restem.harness.app.import_rollouts import Request

    numbers: dict[str, float] = {}
    for name, text in _pairs("--threshold", thresholds).items():
        try:
            numbers[name] = float(text)
        except ValueError:
            raise ConfigError(f"--threshold {name}={text}: expected a number, found {text!r}") from None
    return Request(
        paths=paths,
        format=form,
        mapping=_pairs("--map", mappings),
        thresholds=numbers,
        references=references,
        gold=gold,
        series=series,
    )


def _pairs(option: str, texts: Sequence[str]) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for part in (part for text in texts for part in text.split(",")):
        name, sign, value = part.partition("=")
        if not (sign and name.strip() and value.strip()):
            raise ConfigError(f"{option} {part}: expected NAME=VALUE, found {part!r}")
        pairs[name.strip()] = value.strip()
    return pairs


@click.command("import")
@click.argument("sources", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--out", "folder", type=TO_FOLDER, required=True, help="The run folder; it may hold an earlier import.")
@import_options
@click.option("--watch", "is_watching", is_flag=True, help="Follow files that grow, until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="What became of every source, as JSON.")
@click.option("--quiet", is_flag=True, help="No progress.")
def import_command(
    sources: tuple[Path, ...],
    folder: Path,
    form: str | None,
    mappings: tuple[str, ...],
    thresholds: tuple[str, ...],
    references: Path | None,
    series: str | None,
    gold: str | None,
    is_watching: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Imports rollouts of other tools into a run folder, so that their rewards can be compared and reported.

    The format is recognised by the content. Importing again adds what is new, and nothing else. Every recorded reward
    NAME becomes the verifier recorded:NAME.

    \b
    Example:
      restem import outputs/completions --out runs/theirs                  TRL's folder
      restem import rows.csv --out runs/theirs --map question=input,response=output,reward.acc=score
      restem verify runs/theirs --verifier sympy && restem report runs/theirs
    """
    check_folder("--out", folder)
    request = request_of(sources, form, mappings, thresholds, references, series, gold)
    from restem.harness.app.import_rollouts import import_rollouts, print_results, watch

    if is_watching:
        for results in watch(request, folder, True):
            print_results([each for each in results if each.skipped is None])
        return
    results = import_rollouts(request, folder, quiet)
    if not quiet:
        print_results(results)
    if as_json:
        click.echo(json.dumps({"run": str(folder), "sources": [_as_json(each) for each in results]}))
    elif not quiet:
        click.echo(str(folder))


def _as_json(result: SourceResult) -> Mapping[str, object]:
    places = [{"place": place, "reason": reason} for place, reason in result.counts.places]
    return {
        "path": str(result.path),
        "format": result.format or None,
        "skipped": result.skipped,
        **result.counts.as_json(),
        "refused_rows": places,
    }
