"""The report of an imported run: what stands on its pages, and in which order.

Takes what analysis/imported.py gives, and the open Store for texts; gives a Report for `restem.reports.pages.render`.
"""

from __future__ import annotations

from restem.harness.store.store import Store
from restem.reports.analysis.imported import Imported, imported
from restem.reports.analysis.unfinished import missing
from restem.reports.data.run import Run
from restem.reports.figures.picture import Picture
from restem.reports.pages import explorer
from restem.reports.pages.finding_sentences import missing_sentence
from restem.reports.pages.imported_basis import basis
from restem.reports.pages.imported_sentences import import_sentence, sentences
from restem.reports.pages.render import Report
from restem.reports.tables import agreement
from restem.reports.tables import imported as tables
from restem.reports.tables.cases import imported_cases
from restem.reports.tables.provenance import provenance

METHOD = "imported_method.txt"


def compose(store: Store, run: Run, *, figures: bool = True) -> Report:
    """The report's content, in order."""
    found = imported(run)
    quoted = imported_cases(store, found)
    drawn = _pictures(found) if figures else ()
    others = tables.shown_first(
        [
            tables.over_steps(found),
            tables.kept(found),
            agreement.agreement(found.whole, found.pairs),
            agreement.together(found.whole),
            agreement.second_opinion(found.whole),
            tables.undecided(found),
            tables.imported_sources(found),
        ]
    )
    first = tables.rewards_table(found)
    said = sentences(found)
    return Report(
        title=title(found),
        answer=tuple(said),
        verdict=first if first.rows else None,
        judge=import_sentence(found),
        basis=tuple(basis(found)),
        unfinished=tuple(missing_sentence(item) for item in missing(run)),
        first=(),
        chief=drawn,
        pictures=(),
        others=others,
        cases=tuple(quoted),
        provenance=provenance(run),
        explorer=explorer.explorer(store, run, [case.row for case in quoted], pair=found.opened),
        method=METHOD,
    )


def title(found: Imported) -> str:
    """What the report is of."""
    name = found.run.suite.get("name")
    return f"Rewards of imported rollouts{f': {name}' if name else ''}"


def _pictures(found: Imported) -> tuple[Picture, ...]:
    from restem.reports.figures.gallery import drawn  # here, as Matplotlib takes a second to import
    from restem.reports.figures.imported import drawings

    return tuple(drawn(drawing) for drawing in drawings(found))
