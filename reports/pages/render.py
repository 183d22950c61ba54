"""A Report as Markdown and as one HTML page: the same report gives the same bytes.

Takes a Report; gives texts and files. Both pages print one Report: nothing is computed for one of them alone. Text that
a policy, a judge or a file wrote is escaped where it is printed: fenced or escaped in Markdown, by the template engine
in HTML, whose page runs one script, our own, and loads nothing (content security policy).
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import markupsafe

from restem.harness.files import write_whole
from restem.reports.figures.picture import Picture
from restem.reports.pages.columns import piped
from restem.reports.pages.escape import fence, markdown, visible
from restem.reports.tables.cases import Case
from restem.reports.tables.table import Table

TEMPLATES = Path(__file__).parent / "templates"
STYLES = ("report.css", "explorer.css")
EXPLORER = tuple(f"explorer/{name}.js" for name in ("rows", "filters", "problems", "response", "marks", "keys"))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Report:
    """All that both pages print, in their order; `method` is the template that says how figures were made.

    The first sentence of `answer` and the judge stand above the verdict, the other sentences under a heading of their
    own. The `basis` is a list below the judge: what an imported run rests on. The `chief` pictures are on the first
    screen, all others, and the tables, under headings that fold.
    """

    title: str
    answer: tuple[str, ...]
    verdict: Table | None
    judge: str
    unfinished: tuple[str, ...]
    first: tuple[Table, ...]
    pictures: tuple[Picture, ...]
    others: tuple[Table, ...]
    cases: tuple[Case, ...]
    provenance: Table
    explorer: Mapping[str, Any] | None
    method: str = "method.txt"
    chief: tuple[Picture, ...] = ()
    basis: tuple[str, ...] = ()


def write_pages(report: Report, folder: Path, name: str) -> Path:
    """Writes both pages, whole or not at all; gives the HTML page's path."""
    write_file(folder / f"{name}.md", to_markdown(report).encode())
    write_file(folder / f"{name}.html", to_html(report).encode())
    return folder / f"{name}.html"


def to_markdown(report: Report) -> str:
    """The report as Markdown."""
    environment = _environment(autoescape=False)  # Markdown: the filters below escape
    environment.filters |= {"md": markdown, "fence": fence, "table": piped}
    return environment.get_template("report.md.j2").render(report=report)


def to_html(report: Report) -> str:
    """The report as one HTML page that loads nothing and runs nothing but the script that it names by its hash."""
    environment = _environment(autoescape=True)
    environment.filters |= {"show": visible, "data": _data_address, "script": _script_data}
    style = _joined(STYLES)
    # One function around all of them, so that they share names which nothing outside can reach.
    script = f"{_joined(['tables.js'])}(() => {{\n{_joined(EXPLORER)}}})();\n"
    return environment.get_template("report.html.j2").render(
        report=report, style=style, style_hash=_digest(style), script=script, script_hash=_digest(script)
    )


def _environment(**settings: Any) -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        **settings,
    )


def _joined(names: Sequence[str]) -> str:
    return "".join((TEMPLATES / name).read_text("utf-8") for name in names)


def _digest(text: str) -> str:
    """The hash by which a content security policy allows an inline script or style."""
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _script_data(value: object) -> markupsafe.Markup:
    return markupsafe.Markup(as_script(value))  # pure ASCII without <, > and &


def as_script(value: object) -> str:
    """JSON for a script element: pure ASCII, and nothing in it that could end the element or open a comment."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _data_address(svg: bytes) -> str:
    return f"data:image/svg+xml;base64,{base64.b64encode(svg).decode()}"


def write_file(path: Path, content: bytes) -> None:
    """Writes a file whole or not at all, with the folders that it stands in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, content)
