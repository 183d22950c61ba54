"""The options `--config` and `--set`, by which commands without a suite take the options of verifiers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def config_options(verifier: str = "NAME") -> Callable[[F], F]:
    """A decorator that adds both options as `config_path` and `overrides`; `verifier` is named in their help."""
    config = click.option(
        "--config",
        "config_path",
        type=click.Path(path_type=Path, exists=True, dir_okay=False),
        help=f"TOML with [verifiers.{verifier}]; a suite will do.",
    )
    metavar = f"verifiers.{verifier}.option=value"
    overrides = click.option("--set", "overrides", multiple=True, metavar=metavar, help="Set an option.")
    return lambda command: config(overrides(command))
