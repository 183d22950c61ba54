"""run.db: records, schema, reading and writing, selection rules, provenance. No JAX."""

from typing import TYPE_CHECKING

from restem.benchmarks.lazy import exports

if TYPE_CHECKING:
    from restem.harness.store.records import Checkpoint, Sample, Selected, Selection
    from restem.harness.store.selection_rules import RULES, Candidate, Fate, Rule, SelectionSettings, fates
    from restem.harness.store.store import Store

__all__ = [
    "RULES",
    "Candidate",
    "Checkpoint",
    "Fate",
    "Rule",
    "Sample",
    "Selected",
    "Selection",
    "SelectionSettings",
    "Store",
    "fates",
]
__getattr__, __dir__ = exports(
    __name__,
    {
        "records": ("Checkpoint", "Sample", "Selected", "Selection"),
        "selection_rules": ("RULES", "Candidate", "Fate", "Rule", "SelectionSettings", "fates"),
        "store": ("Store",),
    },
)
