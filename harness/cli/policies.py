"""The commands about policies: models and serve. Heavy imports stand in the commands."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import click

from restem.harness.cli.code import code_options, permit_code
from restem.harness.cli.config_options import config_options
from restem.harness.errors import ConfigError


@click.group("models", invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def models_command(context: click.Context, as_json: bool) -> None:
    """Lists the policies known by name: size, licence, source, and whether they are on disk.

    \b
    Example:
      restem models
      restem models download gemma3-1b-it
      restem run --set policy=gemma3-1b-it          docs/gemma.md says what else to set
    """
    if context.invoked_subcommand is None:
        from restem.harness.weights import registry

        rows = registry.table()
        click.echo(json.dumps(rows) if as_json else registry.text(rows))


@models_command.command("download")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Accept size and licence without being asked.")
def download_command(name: str, yes: bool) -> None:
    """Fetches official weights through kagglehub; the same command again goes on where one was stopped.

    \b
    Example:
      KAGGLE_API_TOKEN=... restem models download gemma3-270m-it --yes
    """
    from restem.harness.app.extra import need_train
    from restem.harness.app.policies import fetch

    need_train("restem models download")
    click.echo(fetch(name, yes))


@click.command("serve")
@click.argument("policy", required=False)
@click.option("--verifier", "names", multiple=True, help="Serve a verifier and no policy; may be given again.")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0 takes a free one.")
@click.option("--question", help="The field of a verifier's requests with the question.  [default: of the prompt]")
@click.option("--reference", help="The field with the accepted answer.  [default: the one with a usual name]")
@click.option("--undecided", type=click.Choice(["zero", "raise"]), help="What an undecided verdict becomes.")
@config_options()
@code_options
@click.option(
    "--allow-update",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Let requests have other weights of the same shape loaded, from below this folder.",
)
@click.option("--while-stdin-open", is_flag=True, hidden=True)
def serve_command(
    policy: str | None,
    names: tuple[str, ...],
    port: int,
    question: str | None,
    reference: str | None,
    undecided: Literal["zero", "raise"] | None,
    config_path: Path | None,
    overrides: tuple[str, ...],
    allow_code: bool,
    allow_unsandboxed_code: bool,
    allow_update: Path | None,
    while_stdin_open: bool,
) -> None:
    """Serves a policy or checkpoint behind the OpenAI routes, or verifiers as remote rewards, on 127.0.0.1.

    Prints one JSON line with base_url, and model or verifiers, once it listens. docs/serving.md says which parameters
    of OpenAI's API a policy honours and what a seed means. A verifier answers NeMo Gym's POST /NAME/verify and the
    remote rewards of slime and OpenRLHF at POST /NAME/reward; the first one also at /verify and /reward. An undecided
    verdict is a failure for Gym and 0 for the others, unless --undecided says otherwise.

    \b
    Example:
      restem serve tiny --port 8000
      restem serve runs/linear_1d/checkpoints/sympy-2 --port 0
      restem serve --verifier sympy --verifier exact --port 8001
    """
    if (policy is None) == (not names):
        raise ConfigError("give either a POLICY or --verifier NAME")
    if policy is None:
        permit_code(allow_code, allow_unsandboxed_code, (*names, *overrides))
        from restem.harness.app.serve_verifiers import serve_verifiers
        from restem.harness.app.verify import verifier_options
        from restem.verifiers.adapters.items import Columns

        names = tuple(dict.fromkeys(names))
        serve_verifiers(
            names,
            verifier_options(config_path, overrides, names),
            columns=Columns(question=question, reference=reference),
            undecided=undecided,
            port=port,
            while_stdin_open=while_stdin_open,
        )
        return
    from restem.harness.app.extra import need_train

    need_train("restem serve POLICY")
    from restem.harness.app.base_policy import load_named_policy
    from restem.harness.model.architecture import EMBEDDED
    from restem.harness.model.compilation_cache import enable_compilation_cache
    from restem.harness.serving.server import serve

    enable_compilation_cache()
    name = policy if policy in EMBEDDED else Path(policy).name
    serve(load_named_policy(policy), name, port, while_stdin_open, allow_update)
