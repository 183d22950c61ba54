"""The options of judges, for the commands that use verifiers: server, model, offline or in batches.

Takes names and tables of options; gives tables in which the judges' options are complete. Starts the embedded judge
where there is neither key nor address.
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
from restem.harness.serving.embedded_judge import embedded_judge
from restem.harness.store.store import Store
from restem.verifiers import catalog
from restem.verifiers.options import JudgeOptions

Options: TypeAlias = Mapping[str, dict[str, Any]]


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
    """
    judges = {name: dict(options.get(name, {})) for name in catalog.judges(names, options)}
    for name, chosen in judges.items():
        if chosen.get("offline"):
            judges[name] = {**stored.get(name, {}), **chosen}
    embedded = _embedded(judges)
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
    """Checks that every judge has a key or a server, or can be the embedded one; starts nothing.

    Raises:
        ConfigError: A judge has a model or batches, and neither key nor server.
    """
    _embedded({name: options.get(name, {}) for name in catalog.judges(names, options)})


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
    """Name -> the options under which the calls of the judge of that name are stored."""
    known = store.run().get("verifiers", {})
    latest: dict[str, dict[str, Any]] = {}
    for fingerprint, (name, options) in store.verifiers().items():
        if not options.get("offline") and (name not in latest or known.get(name) == fingerprint):
            latest[name] = options
    return latest


def add_judges(store: Store, judge: Options, built: catalog.Built) -> None:
    """Stores the options of each judge, including judges that are parts of other verifiers; `--offline` reads them."""
    for name, chosen in judge.items():
        store.add_verifier(built[name].fingerprint, name, chosen)


def judge_facts(judge: Options) -> dict[str, Any] | None:
    """The judge's model; for the embedded judge with its card's rates on a base policy's responses."""
    if not judge:
        return None
    models = sorted({catalog.judge_options(name, judge).model for name in judge})
    embedded = any(model.startswith("tiny-judge@") for model in models)
    path = ASSETS / "judge" / "card.json"
    quality = json.loads(path.read_text())["quality"] if embedded and path.is_file() else {}
    rates = {name: by_policy["base"] for name, by_policy in quality.items()}
    return {"model": ", ".join(models), "embedded": embedded, "card": rates or None}
