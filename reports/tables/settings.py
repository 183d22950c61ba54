"""The settings of an arm in words.

Takes a key of a suite's arm and its value; gives texts. A key that is not known here stands as the suite has it.
"""

from __future__ import annotations

from typing import Any

from restem.reports.tables.format import setting

HEADINGS = {
    "verifier": "Trained on",
    "algorithm": "Algorithm",
    "iterations": "Iterations",
    "samples": "Samples of a training problem",
    "problems": "Training problems",
    "temperature": "Temperature",
    "restart": "Each iteration trains",
    "steps": "Steps",
    "learning_rate": "Learning rate",
    "source": "First samples from",
    "selection.rule": "Selection rule",
    "selection.weight": "Weight",
    "selection.cap": "Cap",
    "selection.dedupe": "Equal responses",
}
WORDS = {
    ("restart", True): "the base",
    ("restart", False): "the last policy",
    ("source", "policy"): "the base",
    ("selection.cap", 0): "none",
    ("selection.dedupe", True): "kept once",
    ("selection.dedupe", False): "all kept",
}


def heading(key: str) -> str:
    """What a setting is called."""
    return HEADINGS.get(key, key)


def words(key: str, value: Any) -> str:
    """The value of a setting as a reader says it."""
    return WORDS.get((key, value), setting(value)) if isinstance(value, (bool, int, str)) else setting(value)
