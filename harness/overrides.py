"""Changes to the plain data of a suite before it is checked: `--set a.b=value`, and `[quick]`.

Takes dicts and lists as a TOML file gives them, and changes them in place. Does not depend on which keys a suite has.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from restem.harness.errors import ConfigError
from restem.harness.toml import parse_toml, parse_value

QUICK = "quick"  # the table of a suite, and what is added to the suite's name

_FOREIGN = re.compile(
    r"verifiers\.(\w+:(?!//)[^'\"]+:\w+|(?:\w+\.)*\w+:\w+|inspect:[\w-]+/[\w-]+|https?://[^/'\"]+(?:/[^.'\"]*)?)\.(.+)"
)


def set_value(data: dict[str, Any], override: str) -> None:
    """Applies one `a.b=value`; the value is read as TOML, or as a text where it is not TOML.

    A number as part of the path indexes a list: `arms.0.verifier=judge`.
    """
    path, equals, text = override.partition("=")
    if not equals or not path:
        raise ConfigError(f"--set {override}: expected a.b=value")
    value = parse_value(text, f"--set {path}")
    try:
        put(data, _keys(path), value)
    except (IndexError, ValueError, TypeError, AttributeError, ConfigError):
        raise ConfigError(f"--set {override}: {path} does not lead anywhere") from None


def make_quick(data: dict[str, Any], origin: str) -> None:
    """Sets what `[quick]` says, and adds `-quick` to the suite's name.

    Raises:
        ConfigError: The suite has no `[quick]`, or one of its keys leads nowhere.
    """
    quick = data.get(QUICK)
    if not quick or not isinstance(quick, Mapping):
        raise ConfigError(f"{origin}: --quick: the suite has no table [quick]; add one, or run it without --quick")
    for keys, value in list(_leaves(quick)):
        try:
            put(data, keys, value)
        except (IndexError, ValueError, TypeError, AttributeError):
            raise ConfigError(f"{origin}: quick: {'.'.join(keys)} does not lead anywhere") from None
    if isinstance(data.get("name"), str):
        data["name"] += f"-{QUICK}"


def _leaves(table: Mapping[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """The keys that lead to each value that is no table, and the value."""
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, (*above, key))
        else:
            yield (*above, key), value


def put(data: dict[str, Any], keys: Sequence[str], value: Any) -> None:
    """Sets what a path of keys leads to; tables that are missing are made."""
    node: Any = data
    *parents, last = keys
    for part in parents:
        node = node[int(part)] if isinstance(node, list) else node.setdefault(part, {})
    node[int(last) if isinstance(node, list) else last] = value


def _keys(path: str) -> list[str]:
    """The keys of a dotted path: quoted as TOML has it, or bare, or with the name of a foreign verifier in it.

    Such a name is `package.module:factory`, `trl:FILE_OR_MODULE:FUNCTION` or the like, `inspect:package/scorer`, or the
    address of a server.
    """
    if match := _FOREIGN.fullmatch(path):
        return ["verifiers", match[1], *_keys(match[2])]
    if not {"'", '"'} & set(path):
        return path.split(".")
    node, keys = parse_toml(f"{path} = 0", path), []
    while isinstance(node, dict):
        keys += node
        node = node[keys[-1]]
    return keys
