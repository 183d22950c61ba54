"""The command audit. Heavy imports stand in the command."""

from __future__ import annotations

from pathlib import Path

import click

from restem.harness.cli.code import code_options, permit_code
from restem.harness.cli.config_options import config_options
from restem.harness.cli.imports import import_options, request_of
from restem.harness.cli.paths import TO_FOLDER, check_folder


@click.command("audit")
@click.argument("sources", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True), metavar="FILE...")
@click.option(
    "--verifier",
    "names",
    multiple=True,
    help="A verifier to ask; may be given again.  [default: those without a model that can decide]",
)
@click.option("--out", "folder", type=TO_FOLDER, help="The run folder.  [default: runs/NAME of the first file]")
@import_options
@config_options()
@code_options
@click.option("--json", "as_json", is_flag=True, help="The first page as JSON.")
@click.option("--quiet", is_flag=True, help="No progress.")
def audit_command(
    sources: tuple[Path, ...],
    names: tuple[str, ...],
    folder: Path | None,
    form: str | None,
    mappings: tuple[str, ...],
    thresholds: tuple[str, ...],
    references: Path | None,
    series: str | None,
    gold: str | None,
    config_path: Path | None,
    overrides: tuple[str, ...],
    allow_code: bool,
    allow_unsandboxed_code: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Whether the rewards of rollouts are right, and from which step on they are hacked: import, verify, report.

    Takes files of any tool whose format is known, or any table with --map (see `restem import`). Ends with the first
    page of the report; the same command again resumes, and adds what a longer file has.

    \b
    Example:
      restem audit outputs/completions                              TRL's folder
      restem audit rollouts/*.jsonl --verifier sympy --verifier math_verify --out runs/theirs
      restem audit rows.csv --map question=input,response=output,reference=answer,step=step,reward.acc=score
    """
    permit_code(allow_code, allow_unsandboxed_code, (*names, *overrides, gold or ""))
    from restem.harness.app.import_rollouts import folder_for

    chosen = folder or folder_for(sources, Path("runs"))
    check_folder("--out" if folder else "run folder", chosen)
    request = request_of(sources, form, mappings, thresholds, references, series, gold)
    from restem.harness.app.verify import verifier_options

    unique = list(dict.fromkeys(names))
    options = verifier_options(config_path, overrides, unique)
    from restem.harness.app.audit import audit
    from restem.harness.cli.reports import print_written

    print_written(*audit(request, chosen, unique, options, quiet), as_json)
