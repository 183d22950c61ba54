"""The keys of a suite as a page (docs/suite.md, `restem run --settings`) and as a commented file (`restem init`).

Takes the pydantic models of harness/config.py and the catalogue of benchmarks; gives text. Both are printed from the
fields' types, defaults, bounds and descriptions, so that they cannot differ from what a suite accepts.
"""

from __future__ import annotations

import itertools
import json
import operator
import os
import textwrap
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pydantic
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from restem.benchmarks.catalog import BENCHMARKS, FAMILIES, FILE, MIXED
from restem.benchmarks.files import SHARES
from restem.harness.config import Suite, built_in_suites, load_suite
from restem.harness.config_model import NAME
from restem.harness.errors import ConfigError
from restem.harness.files import write_whole
from restem.harness.sampling_settings import AMOUNT, DRAWN, MEASURING, SAMPLING_SETTINGS, SPEED
from restem.harness.settings import SamplingConfig
from restem.verifiers.option_types import may_differ

HEADER = """# Every key of a suite

A suite is one TOML file, run by `restem run FILE`; `restem init FILE` writes one with a comment on every key, and
`--set a.b=value` changes a key for one run. The [built-in suites](#built-in-suites) are run by their names; `--quick`
runs the small form that a suite describes in its table `[quick]`. A key that does not exist is an error, as is a value
out of bounds: nothing is done then. This page is printed from the models in `harness/config.py`;
`restem run --settings` prints it too.

**A suite executes no code of others**: where it names a verifier as `module:factory` or a reward function, it is
refused without `--allow-code` ([docs/verifiers.md](verifiers.md#your-own)). It does say which server gets the questions
and responses, and the value of which environment variable (`base_url` and `api_key_env` of a judge).

The column *May differ on resume* says which keys may have another value when a stopped run goes on. Such a key is in no
fingerprint and changes no sample, verdict or selection; the run then stores the newest suite, and an event `settings`
with what changed. Any other key that differs is an error that names it with both values. `training.remat` may not
differ: parameters trained with it differ in their last bits (measured: by up to 5e-6 after 8 steps of AdamW).
"""
CHANGES = {
    MEASURING: "Changes what accuracy means: runs that differ in it are not compared",
    AMOUNT: "Changes how many samples there are, not of which kind",
    DRAWN: "Changes which samples are drawn, not their distribution",
    SPEED: "Changes speed and memory alone",
}
WIDTH = 116
_VERIFIERS = """The options of a verifier: [docs/verifiers.md](verifiers.md) lists them, and which may differ on resume.
Of a verifier of another package any option may differ that leaves its fingerprint as it is.
"""
_WORDS = {str: "text", int: "whole number", float: "number", bool: "true or false", Any: "value"}
_SIGNS = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below", "min_length": "at least this many:"}


def settings_page() -> str:
    """The page in Markdown: a table for each table of a suite, then the benchmarks."""
    parts = [HEADER, "## The suite\n", _table(Suite)]
    for header, model in _tables(Suite):
        parts += [f"## `{header}`\n", f"{_paragraph(model)}\n", _table(model)]
    parts += ["## `[verifiers.NAME]`\n", _VERIFIERS]
    parts += ["## Benchmarks\n", _benchmarks(), "## Built-in suites\n", _built_in_suites()]
    return "\n".join(parts)


def commented_suite() -> str:
    """The default suite as TOML, with a comment on every key; `load_suite` reads it back to the default suite."""
    suite = load_suite("linear_1d")
    lines = ["# A suite for `restem run`, with all its keys. docs/suite.md has the same in tables.", ""]
    lines += _keys(suite)
    for header, model in _tables(Suite):
        if header == "[[arms]]":
            for arm in suite.arms:
                lines += ["", header, *_keys(arm, comments=arm is suite.arms[0])]
                lines += ["", "[arms.selection]", *_keys(arm.selection, comments=arm is suite.arms[0])]
        elif ".NAME" in header:  # the default suite has none
            lines += ["", *_comment(_paragraph(model)), f"# {header}", *_unset_keys(model)]
        elif header != "[arms.selection]":
            settings = operator.attrgetter(header.strip("[]"))(suite)
            lines += ["", *_comment(_paragraph(model)), header, *_keys(settings)]
    lines += ["", *_comment("Options of verifiers are set in tables such as [verifiers.judge]: docs/verifiers.md.")]
    return "\n".join(lines) + "\n"


def write_suite(path: Path) -> None:
    """Writes the commented suite to a new file.

    Raises:
        ConfigError: The file exists already, or cannot be written.
    """
    if os.path.lexists(path):
        raise ConfigError(f"{path}: exists already; give another FILE")
    try:
        write_whole(path, commented_suite())
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None


def _tables(model: type[pydantic.BaseModel], prefix: str = "") -> Iterator[tuple[str, type[pydantic.BaseModel]]]:
    """The header and model of each table within a model, in its order."""
    for name, field in model.model_fields.items():
        inner = _inner(field)
        if inner is not None:
            kind = typing.get_origin(field.annotation)
            path = f"{prefix}{name}.NAME" if kind is dict else f"{prefix}{name}"
            yield (f"[[{path}]]" if kind is tuple else f"[{path}]"), inner
            yield from _tables(inner, f"{path}.")


def _inner(field: FieldInfo) -> type[pydantic.BaseModel] | None:
    for kind in (field.annotation, *typing.get_args(field.annotation)):
        if isinstance(kind, type) and issubclass(kind, pydantic.BaseModel):
            return kind
    return None


def _plain_fields(model: type[pydantic.BaseModel]) -> dict[str, FieldInfo]:
    """The fields that are plain keys or tables of such, not tables with a page part of their own."""
    return {name: field for name, field in model.model_fields.items() if _inner(field) is None and name != "verifiers"}


def _table(model: type[pydantic.BaseModel]) -> str:
    lines = ["| Key | Type | Default | Bounds | May differ on resume | Meaning |", "|---|---|---|---|---|---|"]
    for name, field in _plain_fields(model).items():
        cells = [f"`{name}`", _type(field.annotation), _default(field), _bounds(field)]
        cells += [str(may_differ(field) or "no"), _meaning(model, name, field)]
        lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    return "\n".join(lines) + "\n"


def _type(kind: Any) -> str:
    """A type in words, such as `list of texts`."""
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Literal:
        return ", ".join(f"`{value}`" for value in inner)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_type(member) for member in inner if member is not type(None))
    if origin is dict:
        return "table"
    if origin is tuple:
        return f"list of {_type(inner[0])}s" if inner[-1] is Ellipsis else f"{len(inner)} {_type(inner[0])}s"
    return _WORDS[kind]


def _default(field: FieldInfo) -> str:
    if field.default_factory is not None:
        return "the benchmark's"
    if field.default is PydanticUndefined:
        return "required"
    return "none" if field.default is None else f"`{json.dumps(field.default)}`"


def _bounds(field: FieldInfo) -> str:
    bounds = [
        "letters, digits, `.`, `_`, `-`; at most 64" if value == NAME else f"{_SIGNS[name]} {value:g}"
        for part in field.metadata
        for name in ("ge", "gt", "le", "lt", "pattern")
        if (value := getattr(part, name, None)) is not None
    ]
    return ", ".join(bounds)


def _meaning(model: type[pydantic.BaseModel], name: str, field: FieldInfo) -> str:
    meaning = _sentence(field.description or "")
    return f"{meaning} {CHANGES[SAMPLING_SETTINGS[name]]}." if model is SamplingConfig else meaning


def _sentence(text: str) -> str:
    return (text if text.startswith("`") else text[:1].upper() + text[1:]).rstrip(".") + "."


def _paragraph(model: type[pydantic.BaseModel]) -> str:
    return " ".join((model.__doc__ or "").split())


def _benchmarks() -> str:
    lines = [
        "| `benchmark.name` | Splits | Regimes | Default regime | Examples for base models | Steps checked | Gold |"
    ]
    lines.append("|---|---|---|---|---|---|---|")
    titled = [(f"`{known.name}`", known) for known in BENCHMARKS.values()]
    for title, known in [*titled, *((family.title, family.example) for family in FAMILIES)]:
        regime = known.default_regime
        cells = [
            title,
            ", ".join(f"`{split}`" for split in known.splits),
            ", ".join(f"`{name}`" for name in known.regimes) or "none",
            f"`{json.dumps(regime)}`" if regime is not None else "none",
            "no" if known.few_shot is None else "yes",
            "no" if known.steps is None else "yes",
            f"`{known.gold}`",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    splits = ", ".join(f"`{split}`" for split in SHARES)
    lines.append(
        f"| `{MIXED}` (with `parts`) | those that all parts have | of each part | none | no | no | the parts' |"
    )
    lines.append(f"| `{FILE}` (with `path`) | {splits} | none | none | no | where one check reads all | `sympy` |")
    return "\n".join(lines) + "\n"


def _built_in_suites() -> str:
    """The suites by name, each with the comment at the top of its file."""
    lines = ["| `restem run NAME` | `--quick` | What it is |", "|---|---|---|"]
    for name, path in built_in_suites().items():
        text = path.read_text("utf-8")
        comment = itertools.takewhile(lambda line: line.startswith("#"), text.splitlines())
        meaning = " ".join(line.removeprefix("#").strip() for line in comment)
        quick = "yes" if "[quick]" in text.splitlines() else "no"
        lines.append(f"| `{name}` | {quick} | {meaning} |")
    return "\n".join(lines) + "\n"


def _keys(settings: pydantic.BaseModel, *, comments: bool = True) -> list[str]:
    """A line for each plain key with its value, below a comment; a key without a value is commented out."""
    import tomlkit

    lines: list[str] = []
    for name, field in _plain_fields(type(settings)).items():
        value = getattr(settings, name)
        lines += _described(type(settings), name, field) if comments else []
        text = (
            None
            if value in (None, {})
            else tomlkit.item(list(value) if isinstance(value, tuple) else value).as_string()
        )
        lines += [f"# {name} =" if text is None else f"{name} = {text}"] if comments or text is not None else []
    return lines


def _unset_keys(model: type[pydantic.BaseModel]) -> list[str]:
    """The same of a table that is not there."""
    fields = _plain_fields(model).items()
    return [line for name, field in fields for line in (*_described(model, name, field), f"# {name} =")]


def _described(model: type[pydantic.BaseModel], name: str, field: FieldInfo) -> list[str]:
    bounds = ", ".join(part for part in (_type(field.annotation), _bounds(field)) if part).replace("`", "")
    return _comment(f"{_meaning(model, name, field)} ({bounds})")


def _comment(text: str) -> list[str]:
    return [f"# {line}" for line in textwrap.wrap(text, WIDTH)]
