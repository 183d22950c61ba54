"""The options of judges, for the commands that use verifiers: server, model, offline or in batches.

Takes names and tables of options; gives tables in which the judges' options are complete. Starts the embedded judge
where there is neither key nor address, and asks the server of any other judge for its list of models.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeAlias

import click

from restem.harness.app.extra import need_train
from restem.harness.errors import ConfigError
from restem.harness.model.architecture import ASSETS
from restem.harness.names import BASE
from restem.harness.serving.embedded_judge import embedded_judge
from restem.harness.store.store import Store
from restem.verifiers import catalog
from restem.verifiers.chat.endpoint import NAME_A_MODEL, Endpoint, server_address
from restem.verifiers.chat.models import check_model
from restem.verifiers.options import JudgeOptions

Options: TypeAlias = Mapping[str, dict[str, Any]]

EMBEDDED = "tiny-judge@"  # what the embedded judge's name begins with; a hash of its weights follows
# The model of a judge whose stored options name none: the default of the versions that wrote them.
FORMER_DEFAULT = "gpt-4"


def with_transport(options: Options, names: Sequence[str], *, offline: bool, batch: bool) -> Options:
    """The options with every judge set to offline or to batches.

    Raises:
        ConfigError: There is no judge, or both flags are set.
    """
    if not (offline or batch):
        return options
    if offline and batch:
        raise ConfigError("--offline sends no requests and --batch does; give one of them")
    judges = catalog.judges(names, options)
    if not judges:
        raise ConfigError(f"--{'offline' if offline else 'batch'} goes with a judge; found {', '.join(names)}")
    flag = {"offline": True} if offline else {"batch": True}
    return {**options, **{name: {**options.get(name, {}), **flag} for name in judges}}


def judge_options(
    options: Options, names: Sequence[str], stack: contextlib.ExitStack, stored: Options = MappingProxyType({})
) -> dict[str, dict[str, Any]]:
    """The options of every judge in use; without a key and a base_url, those of the embedded judge, which is started.

    An offline judge has the options under which its replies were stored, and needs no server.

    Raises:
        ConfigError: As in `check_judges`.
    """
    judges = {name: dict(options.get(name, {})) for name in catalog.judges(names, options)}
    for name, chosen in judges.items():
        if chosen.get("offline"):
            judges[name] = {**stored.get(name, {}), **chosen}
    embedded = _embedded(judges)
    _check_named({name: chosen for name, chosen in judges.items() if name not in embedded})
    if embedded:
        need_train("the embedded judge, which is used without a key and a base_url,")
        click.echo("no key and no base_url: the embedded tiny judge is used", err=True)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        served = stack.enter_context(embedded_judge(folder / "judge.log"))
        for name in embedded:
            judges[name] |= {"base_url": served["base_url"], "model": served["model"]}
            judges[name].setdefault("concurrency", 128)  # two of its batches: one waits while the other is decoded
            judges[name].setdefault("max_tokens", 4)
            judges[name].setdefault("prompt", "tiny")  # the prompt that it was trained on
    return judges


def check_judges(options: Options, names: Sequence[str]) -> None:
    """Checks that every judge has a model and a key or a server, or can be the embedded one; starts and sends nothing.

    Raises:
        ConfigError: A judge has a model or batches, and neither key nor server; or it has a key or a server, and no
            model, or names a variable for the key that is not set.
    """
    judges = {name: options.get(name, {}) for name in catalog.judges(names, options)}
    embedded = _embedded(judges)
    _check_named({name: chosen for name, chosen in judges.items() if name not in embedded})


def check_models(judges: Options) -> None:
    """Asks the server of every judge that may send requests whether it has the judge's model, and has it next week too.

    A server that cannot be reached or has no list of models passes: the first request will tell.

    Raises:
        UnknownVerifier: It has not; the message names the models that can be used instead.
        JudgeUnavailable: The server refuses the key.
    """
    seen: set[tuple[str | None, str | None]] = set()
    for name in judges:
        options = catalog.judge_options(name, judges)
        server = (options.base_url, options.model)
        if options.offline or not options.check_model or server in seen or _is_embedded(options):
            continue
        seen.add(server)
        check_model(Endpoint(options))


def _is_embedded(options: JudgeOptions) -> bool:
    return (options.model or "").startswith(EMBEDDED)


def _check_named(judges: Options) -> None:
    """Checks that judges that are to be asked have a model, and a key where they name a variable for one."""
    for name in judges:
        options = catalog.judge_options(name, judges)
        if options.offline:
            continue
        if options.model is None:
            server = server_address(options.base_url)
            only_key = not (options.base_url or os.environ.get("OPENAI_BASE_URL"))
            embedded = f"; without {options.api_key_env} the embedded judge is used" if only_key else ""
            raise ConfigError(
                f"verifiers.{name}.model is not set, and the judge is at {server}: {NAME_A_MODEL}{embedded}"
            )
        if "api_key_env" in options.model_fields_set and not os.environ.get(options.api_key_env, "").strip():
            # The value is not shown: it may be a key in the wrong place.
            raise ConfigError(
                f"verifiers.{name}.api_key_env names an environment variable that is not set: set it, or leave the"
                " option out if the server needs no key"
            )


def _embedded(judges: Options) -> list[str]:
    """The names of the judges for which only the embedded judge can answer."""
    embedded = [name for name in judges if _needs_embedded_judge(catalog.judge_options(name, judges))]
    for name in embedded:
        if named := {"model", "api_key_env"} & judges[name].keys():
            # The value is not shown: it may be a key in the wrong place.
            default = JudgeOptions().api_key_env
            variable = "the variable named by api_key_env" if "api_key_env" in judges[name] else default
            raise ConfigError(f"verifiers.{name}.{min(named)} is set, but neither {variable} nor base_url")
        if judges[name].get("batch"):
            raise ConfigError(f"verifiers.{name}.batch: the embedded judge has no batches; set a key or base_url")
    return embedded


def _needs_embedded_judge(options: JudgeOptions) -> bool:
    """Whether neither a server nor a key is named, so that only the embedded judge can answer."""
    named = options.base_url or os.environ.get("OPENAI_BASE_URL") or os.environ.get(options.api_key_env)
    return not (options.offline or named)


def stored_judges(store: Store) -> Options:
    """Name -> the options under which the calls of the judge of that name are stored, with their model."""
    known = store.run().get("verifiers", {})
    latest: dict[str, dict[str, Any]] = {}
    for fingerprint, (name, options) in store.verifiers().items():
        if not options.get("offline") and (name not in latest or known.get(name) == fingerprint):
            latest[name] = options
    return {
        name: {"model": FORMER_DEFAULT, **options} if catalog.kind(name, latest) in catalog.JUDGES else options
        for name, options in latest.items()
    }


def add_judges(store: Store, judge: Options, built: catalog.Built) -> None:
    """Stores the options of each judge, including judges that are parts of other verifiers; `--offline` reads them."""
    for name, chosen in judge.items():
        store.add_verifier(built[name].fingerprint, name, chosen)


def judge_facts(judge: Options, benchmark: str) -> dict[str, Any] | None:
    """The judge's model; for the embedded judge with its card's rates on a base policy's responses to the benchmark.

    Of a mixture of benchmarks the card has the rates on each as well.
    """
    if not judge:
        return None
    models = sorted({catalog.judge_options(name, judge).model or "" for name in judge})
    embedded = any(model.startswith(EMBEDDED) for model in models)
    path = ASSETS / "judge" / "card.json"
    card = json.loads(path.read_text()) if embedded and path.is_file() else {}
    rates = {
        f"{name}{checkpoint.removeprefix(BASE)}": rate
        for name, by_checkpoint in card.get("quality", {}).get(benchmark, {}).items()
        for checkpoint, rate in by_checkpoint.items()
        if checkpoint.startswith(BASE)
    }
    return {"model": ", ".join(models), "embedded": embedded, "card": rates or None}
