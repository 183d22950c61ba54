"""The commands run and init. JAX is imported when the suite and the run folder are known to be good."""

from __future__ import annotations

import contextlib
from pathlib import Path

import click

from restem.harness.cli.code import code_options, permit_code
from restem.harness.cli.paths import TO_FOLDER, check_folder, check_for_policies
from restem.harness.cli.reports import print_plan, print_report


@click.command("run")
@click.argument("suite", default="linear_1d")
@click.option("--out", type=TO_FOLDER, help="Run folder.  [default: runs/<suite name>]")
@click.option("--set", "overrides", multiple=True, metavar="a.b=value", help="Change one setting of the suite.")
@click.option("--quick", is_flag=True, help="The suite's small form, as its [quick] says.")
@click.option("--accept-unreadable", is_flag=True, help="Run although the gold cannot read all references.")
@click.option("--until", type=click.Choice(["base"]), help="Stop before any training, with a plan; resumes without it.")
@click.option("--restore", is_flag=True, help="Only make lost or damaged checkpoints of the run again.")
@click.option("--hosts", type=click.IntRange(min=1), default=1, help="Machines that run this together, each the same.")
@click.option("--host-index", type=click.IntRange(min=0), help="This one's number; 0 leads and writes the run folder.")
@click.option("--coordinator", metavar="HOST:PORT", help="Where the leader is found, and a free port of it.")
@click.option("--settings", is_flag=True, help="Print every key of a suite, and run nothing.")
@code_options
@click.option("--json", "as_json", is_flag=True, help="Print the standings as JSON.")
@click.option("--quiet", is_flag=True, help="No progress.")
def run_command(
    suite: str,
    out: Path | None,
    overrides: tuple[str, ...],
    quick: bool,
    accept_unreadable: bool,
    until: str | None,
    restore: bool,
    hosts: int,
    host_index: int | None,
    coordinator: str | None,
    settings: bool,
    allow_code: bool,
    allow_unsandboxed_code: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Runs a suite, a built-in name or a TOML file, into a run folder; the same --out again resumes.

    All devices are used, on CPUs one for each core, unless mesh.data and mesh.model say otherwise; docs/gemma.md says
    how several hosts are started.

    A run needs a checkpoint only while rows of it are missing; where it is lost or damaged then, it is trained again to
    the same hash. --restore does so with all checkpoints of the run, and goes no further.

    Before any sampling the gold reads all references. Where it cannot read one of them, nothing is done, and the
    message names the first ones and what to do.

    \b
    Example:
      restem run linear_1d --out runs/first --set iterations=1 --set sampling.train_samples=8
      restem run linear_1d --set mesh.data=2
      restem run paper_compute --quick
      restem run linear_1d --hosts 2 --host-index 1 --coordinator leader:8476
    """
    if settings:
        from restem.harness.app.suite_page import settings_page

        click.echo(settings_page(), nl=False)
        return
    permit_code(allow_code, allow_unsandboxed_code, overrides)
    from restem.harness.app.base_policy import check_outside
    from restem.harness.app.extra import need_train
    from restem.harness.app.policies import is_outside
    from restem.harness.app.suite_check import check_hosts, check_suite, host_facts
    from restem.harness.config import load_suite

    check_hosts(hosts, host_index, coordinator)
    resolved = load_suite(
        suite, (*overrides, "accept_unreadable=true") if accept_unreadable else overrides, quick=quick
    )
    folder = out or Path("runs") / resolved.name
    option = "--out" if out else "run folder"
    check_folder(option, folder)
    check_for_policies(option, folder)
    check_suite(resolved, leads=not host_index, begun=(folder / "run.db").is_file(), quiet=quiet)
    check_outside(resolved, trains=until is None, hosts=hosts)
    outside = is_outside(resolved.policy)
    if not outside:
        need_train("restem run")
    if not quiet:
        loading = "transformers" if outside else "JAX and gemma"
        click.echo(f"suite {resolved.name}, run folder {folder}: loading {loading}", err=True)
    from restem.harness.app.restore import restore_checkpoints
    from restem.harness.app.run import follow, run_suite

    with contextlib.ExitStack() as stack:
        connected = None
        if not outside:
            from restem.harness.distributed.hosts import connect

            facts = host_facts(resolved) if hosts > 1 else None
            connected = stack.enter_context(connect(resolved.mesh, hosts, host_index, coordinator, facts))
            if not connected.leads:
                follow(resolved, connected)
                return
        if restore:
            restore_checkpoints(resolved, folder, quiet, connected)
            return
        run_suite(resolved, folder, quiet, until_base=until == "base", hosts=connected)
    if until == "base":
        print_plan(folder, None, None, as_json)
    else:
        print_report(folder, as_json)


@click.command("init")
@click.argument("file", default="suite.toml", type=click.Path(path_type=Path))
def init_command(file: Path) -> None:
    """Writes the default suite into a new FILE, with a comment on every key.  [default: suite.toml]

    \b
    Example:
      restem init mine.toml
      restem run mine.toml
    """
    from restem.harness.app.suite_page import write_suite

    write_suite(file)
    click.echo(f"{file}: `restem run {file}` runs it")
