"""Finding the final answer in any text: no exception, linear time, and only answers that the text holds."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restem.verifiers.algebra.grammar import fraction
from restem.verifiers.answers.final_answer import find

PIECES = st.sampled_from(
    [
        *(
            "x",
            "y",
            " = ",
            "7",
            "8",
            "-7",
            "14/2",
            ".",
            ", ",
            "\n",
            " or ",
            " not ",
            "maybe ",
            "the answer is ",
            "wait, ",
        ),
        *("\\boxed{", "}", "<answer>", "</answer>", "<think>", "</think>", "#### ", '{"answer": ', "$", "**", "(", ")"),
        *(
            "about ",
            "if ",
            "so ",
            " is wrong",
            "?",
            "!",
            "\u2212",
            "\u0667",
            "\\frac{14}{2}",
            " because ",
            "\x00",
            "Answer:",
        ),
    ]
)


@given(st.one_of(st.text(max_size=300), st.lists(PIECES, max_size=25).map("".join)))
def test_no_text_raises_or_hangs_and_every_answer_is_part_of_it(response: str) -> None:
    began = time.perf_counter()
    answer = find(response, "x")
    assert time.perf_counter() - began < 1
    if answer.text is None:
        assert answer.reason
    else:
        assert answer.span is not None
        assert response[slice(*answer.span)] == answer.text


@given(st.lists(PIECES, max_size=25).map("".join))
def test_without_the_value_in_the_text_nothing_is_accepted(response: str) -> None:
    answer = find(response, "x")
    assert answer.text is None or answer.reason or fraction(answer.text) != 23


FLOODS = (
    *(
        "\n",
        " ",
        "(",
        "{",
        "[",
        "\\boxed{",
        "<answer>",
        "<think>",
        "**",
        "_",
        "`",
        "$",
        "\\",
        "=",
        "x = ",
        "= x ",
        "1 ",
    ),
    *(
        "1,",
        "-",
        "9^",
        "wait ",
        "no, ",
        "x is not ",
        "or ",
        "the answer is ",
        "Answer:",
        "#### ",
        "x = 1\n",
        "7\n",
        "a b ",
    ),
    *(
        "not 8 ",
        "answer to ",
        '"answer": ',
        "\u2212",
        "\u0667",
        "x",
        "\\frac",
        "\\text{",
        "so 7 ",
        "7, ",
        "seven ",
        "* a",
    ),
)


@pytest.mark.parametrize("flood", FLOODS, ids=repr)
@pytest.mark.parametrize("size", [7_900, 200_000])
def test_a_long_repetition_takes_less_than_a_second(flood: str, size: int) -> None:
    response = flood * (size // len(flood))
    find("x", "x")
    began = time.perf_counter()
    find(response, "x")
    assert time.perf_counter() - began < 1


@pytest.mark.parametrize(
    "piece", ['"', "'", "\" '", "no, seven ", "7no, ", "x=7 or ", "x = ", "answer: ", "\\boxed{", "a "]
)
def test_a_repeated_marker_takes_little_processor_time(piece: str) -> None:
    flood = piece * (8000 // len(piece))
    find("x = 8 y", "x")
    began = time.process_time()
    find(flood, "x")
    assert time.process_time() - began < 0.3
