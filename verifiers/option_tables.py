"""The options of a verifier as a Markdown table, and pages of the docs with such tables.

Takes a verifier's name, or a page with markers; gives Markdown. `python -m restem.verifiers.option_tables docs/*.md`
writes the tables anew between their markers:

    <!-- options of noisy: tpr fpr -->
    <!-- end of options -->

Without names after the colon, a table holds all options.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from restem.verifiers.option_types import expected, may_differ
from restem.verifiers.options import OPTIONS, PLACED, Options

_MARKED = re.compile(r"(<!-- options of (\w+): ?([\w ]*?) ?-->\n).*?(<!-- end of options -->)", re.DOTALL)


def option_table(verifier: str, names: Sequence[str] = ()) -> str:
    """A Markdown table of a built-in verifier's options, or of those named: name, default, value, resuming, meaning."""
    fields = {**OPTIONS, **PLACED}.get(verifier, Options).model_fields
    lines = ["| option | default | value | may differ on resume | meaning |", "|---|---|---|---|---|"]
    for name in names or fields:
        field = fields[name]
        default = _default(field.get_default(call_default_factory=True, validated_data={}))
        lines.append(
            f"| `{name}` | {default} | {expected(field)} | {may_differ(field) or 'no'} | {field.description} |"
        )
    return "\n".join(lines) + "\n"


def _default(value: Any) -> str:
    """A default as it would stand in a TOML file."""
    match value:
        case None | {} | ():
            return "none"
        case bool():
            return str(value).lower()
        case tuple():
            return ", ".join(f"`{item}`" for item in value)
        case str():
            return f"`{value}`"
    return f"{value:g}"


def with_tables(page: str) -> str:
    """The page with the tables between its markers written anew."""
    return _MARKED.sub(lambda match: match[1] + option_table(match[2], match[3].split()) + match[4], page)


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        Path(argument).write_text(with_tables(Path(argument).read_text("utf-8")), "utf-8")
