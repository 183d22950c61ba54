"""The formats of rollouts by name, and which of them a source is in.

Takes a name or a source; gives a Format. A format's module is imported when a source is compared with it. Recognition
goes by the order below, from the most particular to the most general; a table of any columns comes last.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping

from restem.benchmarks.hints import did_you_mean
from restem.harness.errors import ConfigError
from restem.harness.imports import mapped
from restem.harness.imports.format import Format
from restem.harness.imports.sources import Source

# Names of formats in the order in which a source is compared with them; each is a module of this folder.
NAMES: tuple[str, ...] = (
    "recorded",
    "trl",
    "verl",
    "skyrl",
    "areal",
    "nemo_rl",
    "open_instruct",
    "tinker",
    "tunix",
    "inspect_log",
    "lm_eval",
    "lighteval",
    "nemo_gym",
    "verifiers_traces",
    "verifiers_results",
    "nemo_skills",
    "eval_protocol",
    "openai_evals",
    "chat",
    mapped.NAME,
)


def by_name(name: str) -> Format:
    """The format of that name.

    Raises:
        ConfigError: There is none.
    """
    if name not in NAMES:
        raise ConfigError(f"--format {name}: unknown format{did_you_mean(name, NAMES)}; there are {', '.join(NAMES)}")
    return importlib.import_module(f"restem.harness.imports.{name}").FORMAT


def recognise(source: Source, mapping: Mapping[str, str] | None = None) -> Format:
    """The first format that a source is in; with a mapping, the table that the mapping describes.

    Raises:
        ConfigError: It is in none; the message names its columns and what to do.
    """
    if mapping:
        mapped.columns_of(source, mapping)
        return mapped.mapped(mapping)
    for name in NAMES:
        if (found := by_name(name)).recognises(source):
            return found
    mapped.columns_of(source, {})  # raises, and says which column is missing
    raise ConfigError(f"{source.path}: no format of rollouts is recognised; --format and --map say what it is")
