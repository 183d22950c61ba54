"""A run folder becomes report.md, report.html and figures/: the same rows give the same bytes.

Takes a run folder; gives files. Both pages print one Report value: nothing is computed for one of them alone. Text
that a policy, a judge or a file wrote is escaped where it is printed: fenced or escaped in Markdown, by the template
engine in HTML, whose page runs one script, our own, and loads nothing (content security policy).
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import markupsafe
from tabulate import tabulate

from restem.harness.store.store import Store
from restem.reports.analysis import predictions, raters
from restem.reports.analysis.answer import answer
from restem.reports.analysis.findings import Findings, find
from restem.reports.analysis.probe import accepting_attacks, problems_probed
from restem.reports.analysis.ranking import rank
from restem.reports.analysis.reward_gap import partings
from restem.reports.analysis.unfinished import missing
from restem.reports.analysis.verifier_quality import measured
from restem.reports.data.read import read_run
from restem.reports.figures import gallery
from restem.reports.figures.gallery import Picture
from restem.reports.pages import explorer
from restem.reports.pages import plan as plan_pages
from restem.reports.pages.escape import fence, markdown, visible
from restem.reports.pages.finding_sentences import (
    attacks_accepted,
    gap_sentences,
    law_sentences,
    missing_sentence,
    seed_sentences,
)
from restem.reports.pages.sentences import answer_sentences
from restem.reports.pages.terminal import standings, status, summary
from restem.reports.tables import arms, law, ledger, price, probe, problem_kinds, training_data, verdict, verifiers
from restem.reports.tables import pairs as pairs_table
from restem.reports.tables.ledger import Case
from restem.reports.tables.table import Table

__all__ = ["standings", "status", "summary", "write_report"]

TEMPLATES = Path(__file__).parent / "templates"
STYLES = ("report.css", "explorer.css")
EXPLORER = tuple(f"explorer/{name}.js" for name in ("rows", "filters", "problems", "response", "marks", "keys"))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Report:
    """All that both pages print, in their order; `method` is the template that says how figures were made.

    The first sentence of `answer` and the judge stand above the verdict, the other sentences below it.
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


def write_report(run_folder: Path, output: Path | None = None, against: Path | None = None) -> Path:
    """Writes report.md, report.html and figures/ from run.db; gives the HTML page's path.

    Args:
        run_folder: Where run.db lies; a run that is unfinished, or still being written, will do.
        output: Folder to write to; the run folder where None.
        against: A plan.json to check the run against; the run folder's own, if it has one, where None.

    Raises:
        ConfigError: The folder holds no run, or `against` is no plan, or one of another base, problems or sampling.
    """
    beside = run_folder / plan_pages.FILE
    planned = plan_pages.read_plan(against or beside) if against or beside.is_file() else None
    with Store(run_folder) as store:
        findings = find(read_run(store))
        if against and planned:  # the run's own plan may be of an earlier base: the page then says so
            plan_pages.hold(findings.run, planned, against)
        cases = ledger.cases(store, findings)
        explored = explorer.explorer(store, findings.run, [case.row for case in cases])
        report = compose(findings, cases, explored, planned)
    folder = output or run_folder
    for picture in report.pictures:
        _write(folder / "figures" / f"{picture.name}.svg", picture.light)
        _write(folder / "figures" / f"{picture.name}.png", picture.png)
    return write_pages(report, folder, "report")


def write_pages(report: Report, folder: Path, name: str) -> Path:
    """Writes both pages, whole or not at all; gives the HTML page's path."""
    _write(folder / f"{name}.md", to_markdown(report).encode())
    _write(folder / f"{name}.html", to_html(report).encode())
    return folder / f"{name}.html"


def compose(
    findings: Findings,
    cases: Sequence[Case],
    explored: Mapping[str, Any] | None,
    planned: Mapping[str, Any] | None = None,
) -> Report:
    """The report's content, in order."""
    ranking = rank(findings)
    told = verdict.verdict(findings, ranking)
    eta, steps = predictions.predict(findings)
    law_lines = law_sentences(predictions.tally(steps))
    pairs, judged = raters.pairs(findings.run), measured(findings.run)
    found = [
        *(pairs_table.pairs(ranking), arms.curves(findings), verifiers.choosing(findings)),
        *(
            verifiers.verifier_quality(findings.run, judged),
            verifiers.steady(findings.run, judged),
            verifiers.by_checkpoint(findings.run, judged),
            verifiers.corrected(findings),
        ),
        *(
            verifiers.errors(findings),
            verifiers.agreement(findings.run, pairs),
            verifiers.together(findings),
        ),
        *(verifiers.second_opinion(findings), training_data.training_data(findings, predictions.forecasts(findings))),
        *(
            arms.wrong_steps(findings),
            problem_kinds.strata(findings),
            probe.probe(findings.run),
            probe.forms(findings.run),
            law.law_table(steps, eta),
            law.change_table(steps, " ".join(law_lines)),
        ),
        *([plan_pages.checked(findings, planned, eta)] if planned else []),
        *(law.seeds_table(findings), arms.picks(findings)),
        *(price.price(findings), ledger.cost(findings), ledger.seconds(findings)),
    ]
    return Report(
        title=f"Reward quality and accuracy gains: {findings.run.suite.get('name', 'a run')}",
        answer=(
            *answer_sentences(answer(findings, ranking)),
            *(*gap_sentences(partings(findings)), *law_lines, *seed_sentences(ranking.standings)),
            *attacks_accepted(accepting_attacks(findings.run), problems_probed(findings.run)),
        ),
        verdict=told if told.rows else None,
        judge=ledger.judge_line(findings.run),
        unfinished=tuple(missing_sentence(item) for item in missing(findings.run)),
        first=(arms.arms(findings),),
        pictures=tuple(gallery.pictures(findings, eta, steps, pairs)),
        others=tuple(table for table in found if table.rows),
        cases=tuple(cases),
        provenance=ledger.provenance(findings),
        explorer=explored,
    )


def to_markdown(report: Report) -> str:
    """The report as Markdown."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=False,  # Markdown: the filters below escape
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"md": markdown, "fence": fence, "table": _markdown_table}
    return environment.get_template("report.md.j2").render(report=report)


def _markdown_table(table: Table) -> str:
    rows = [[markdown(cell.line, 400) for cell in row.values()] for row in table.rows]
    headers = [markdown(heading) for heading in table.headings]
    align = ["left" if column.names else "right" for column in table.columns]
    return tabulate(rows, headers=headers, tablefmt="pipe", disable_numparse=True, colalign=align if rows else None)


def to_html(report: Report) -> str:
    """The report as one HTML page that loads nothing and runs nothing but the script that it names by its hash."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"show": visible, "data": _data_address, "script": _script_data}
    style = _joined(STYLES)
    # One function around all of them: they see each other, and nothing sees them.
    script = f"{_joined(['tables.js'])}(() => {{\n{_joined(EXPLORER)}}})();\n"
    return environment.get_template("report.html.j2").render(
        report=report, style=style, style_hash=_digest(style), script=script, script_hash=_digest(script)
    )


def _joined(names: Sequence[str]) -> str:
    return "".join((TEMPLATES / name).read_text("utf-8") for name in names)


def _digest(text: str) -> str:
    """What a content security policy names an inline script or style by."""
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _script_data(value: object) -> markupsafe.Markup:
    return markupsafe.Markup(explorer.as_script(value))  # pure ASCII without <, > and &


def _data_address(svg: bytes) -> str:
    return f"data:image/svg+xml;base64,{base64.b64encode(svg).decode()}"


def _write(path: Path, content: bytes) -> None:
    """Writes a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    part.write_bytes(content)
    os.replace(part, path)
