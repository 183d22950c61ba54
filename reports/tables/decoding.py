"""With which decoding test accuracy was measured, where that is not the one that training samples are drawn with.

Takes a Run; gives a sentence.
"""

from __future__ import annotations

from restem.harness.sampling_settings import GREEDY, decoding_of_tests, measuring_settings, other_test_decoding
from restem.reports.data.run import Run
from restem.reports.tables.format import setting


def decoding_sentence(run: Run) -> str:
    """How test samples are drawn, and how training samples are; empty where both are drawn alike."""
    sampling = run.suite.get("sampling") or {}
    differing = other_test_decoding(sampling)
    if not differing:
        return ""
    tested, usual = decoding_of_tests(sampling), measuring_settings(sampling)
    if GREEDY.items() <= tested.items():
        drawn = "greedy: the likeliest token at each step"
    else:
        drawn = "drawn with " + ", ".join(f"{name} {setting(value)}" for name, (value, _) in differing.items())
    training = ", ".join(f"{name} {setting(usual[name])}" for name in differing)
    return f"Test samples are {drawn}; training samples are drawn with {training}, where an arm sets no other value."


def decoding_note(run: Run) -> str:
    """The same behind other sentences."""
    sentence = decoding_sentence(run)
    return f" {sentence}" if sentence else ""
