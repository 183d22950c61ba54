"""What the report of an imported run rests on, and what cannot be said, as sentences.

Takes what analysis/imported.py gives; gives sentences, and how many labels would give what is missing.
"""

from __future__ import annotations

import contextlib

from restem.harness.errors import ConfigError
from restem.reports.analysis.imported import Imported
from restem.reports.analysis.labels import labels_for, population
from restem.reports.analysis.not_known import not_known
from restem.reports.pages.imported_sentences import label_sentence, limit_sentence
from restem.reports.tables.provenance import judge_line

WIDTHS = (0.1, 0.05)  # of rates, for which labels are counted


def basis(found: Imported) -> list[str]:
    """What the report rests on, and what cannot be said."""
    judged = [judge_line(found.run)] if found.run.facts.get("judge") else []
    labels = [] if found.gold else label_sentence(*labels_needed(found))
    return [*judged, *map(limit_sentence, not_known(found)), *labels]


def labels_needed(found: Imported) -> tuple[list[tuple[float, int]], int]:
    """(half width, labels) of the last step's responses, and how many of these there are; none without verdicts."""
    with contextlib.suppress(ConfigError):
        responses = population(found.run)
        size = len(responses.order)
        return [(width, count) for width in WIDTHS if (count := labels_for(responses, width)) < size], size
    return [], 0
