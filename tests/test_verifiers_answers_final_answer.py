"""Finding the final answer: the golden rows, the laws, and the worked solutions that small policies write."""

from __future__ import annotations

import json
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restem.benchmarks.linear_1d import Equation, render_question, worked_solution
from restem.verifiers.algebra.grammar import fraction
from restem.verifiers.answers.final_answer import asked_variable, find
from tests.strategies import equations

GOLDEN = Path(__file__).parent / "golden"


def golden(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (GOLDEN / name).read_bytes().split(b"\n") if line]


ROWS = golden("answers.jsonl")
HELD_OUT = golden("held_out.jsonl")
WORKED = "5*w = 22 - 7\n5*w = 15\nw = 15/5\nw = 3"


def accepted(row: dict[str, Any]) -> bool:
    found = find(row["response"], asked_variable(row["question"]))
    return found.text is not None and found.reason is None and fraction(found.text) == fraction(row["reference"])


def test_golden_rows_are_many_and_of_all_kinds() -> None:
    kinds = Counter(row["kind"] for row in ROWS)
    origins = Counter(row["origin"] for row in ROWS)
    assert origins["label policy sample"] == 120
    assert sum(origins.values()) - 120 >= 120
    assert len(kinds) >= 26


@pytest.mark.parametrize("rows", [ROWS, HELD_OUT], ids=["rows that rules were written for", "held out"])
def test_few_right_answers_are_missed_and_almost_no_wrong_one_is_accepted(rows: list[dict[str, Any]]) -> None:
    right = [row for row in rows if row["expected"]]
    wrong = [row for row in rows if not row["expected"]]
    missed = [row["response"][:80] for row in right if not accepted(row)]
    fooled = [row["response"][:80] for row in wrong if accepted(row)]
    print(f"FN {len(missed)}/{len(right)}, FP {len(fooled)}/{len(wrong)}")
    assert len(missed) <= 0.03 * len(right), missed
    assert len(fooled) <= 0.005 * len(wrong), fooled


def test_no_golden_row_takes_long() -> None:
    find(WORKED + ".", "w")  # compiles the patterns of this variable

    def best(row: dict[str, Any]) -> float:
        variable = asked_variable(row["question"])
        find("x", variable)
        times: list[float] = []
        for _ in range(3):  # the least of three: another process may take the core
            began = time.perf_counter()
            find(row["response"], variable)
            times.append(time.perf_counter() - began)
        return min(times)

    slow = [row["response"][:60] for row in ROWS if best(row) > 0.05]
    assert slow == []


def test_the_span_is_where_the_answer_stands() -> None:
    for row in ROWS:
        found = find(row["response"], asked_variable(row["question"]))
        if found.text is not None:
            assert found.span is not None
            assert row["response"][slice(*found.span)] == found.text


@pytest.mark.parametrize(
    ("response", "rule"),
    [
        ("7", "whole"),
        ("x = 14/2 = 7", "assignment"),
        ("7 = x", "assignment"),
        ("So \\boxed{7}.", "box"),
        ("<answer>7</answer>", "tag"),
        ('{"answer": 7}', "json"),
        ("The answer is 7.", "answer"),
        ("#### 7", "hashes"),
        ("Dividing gives 7.", "result"),
        ("3*x = 21\n7", "last_line"),
        ("7 (see equation 12)", "leading"),
    ],
)
def test_the_rule_that_fired_is_named(response: str, rule: str) -> None:
    found = find(response, "x")
    assert (found.text, found.rule) == ("14/2 = 7"[-1] if "14/2" in response else "7", rule)


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        ("", "no_answer"),
        ("<think>x = 7", "unfinished"),
        ("\\boxed{7", "unfinished"),
        ("x = 15/", "unfinished"),
        ("x = 7 or x = 8", "two_answers"),
        ("#### 7\n#### 8", "two_answers"),
        ("It might be 7.", "hedged"),
        ("x is not 7", "negated"),
        ("x = 7. Wait, that is wrong.", "retracted"),
        ("x < 8", "range"),
        ("y = 7", "wrong_variable"),
        ("3*x = 21", "unsolved"),
        ("Thought process", "not_found"),
        ("Solution:", "unfinished"),
        ("1" * 9000, "too_long"),
    ],
)
def test_where_there_is_no_answer_the_reason_is_named(response: str, reason: str) -> None:
    found = find(response, "x")
    assert (found.text, found.reason) == (None, reason)


@pytest.mark.parametrize(
    ("text", "variable"),
    [
        ("Solve 3*x + 2 = 23 for x.", "x"),
        ("Let a = 5. Solve 3*b + a = -1 for b.", "b"),
        ("Suppose 2*k = 8. What is k?", "k"),
        ("Solve 0 = 3*z + 400 + 26 for z.", "z"),
        ("What is 3 + 4?", None),
        ("", None),
    ],
)
def test_the_asked_variable_is_read_from_the_question(text: str, variable: str | None) -> None:
    assert asked_variable(text) == variable


def test_a_worked_solution_cut_short_never_shows_a_wrong_answer() -> None:
    assert find(WORKED[: WORKED.index("15\n")], "w").text is None
    for length in range(2, len(WORKED)):
        found = find(WORKED[:length], "w")
        value = fraction(found.text) if found.text and found.reason is None else None
        assert value in (None, 1, 15, 3), WORKED[:length]  # 1 and 15: cut inside the quotient, `w = 1`


@given(equations())
def test_every_worked_solution_ends_in_its_answer(equation: Equation) -> None:
    lines = worked_solution(equation)
    found = find("\n".join(lines), asked_variable(render_question(equation)))
    assert found.rule == "assignment"
    assert found.text == lines[-1].split("=")[1].strip()


WRAPPINGS = ("{}", " {} \n", "${}$", "\\boxed{{{}}}", "**{}**", "The answer is {}.", "<answer>{}</answer>", "`{}`")


@given(st.integers(-(10**6), 10**6), st.sampled_from(WRAPPINGS), st.booleans())
def test_wrapping_changes_no_answer(number: int, wrapping: str, named: bool) -> None:
    response = wrapping.format(f"x = {number}" if named else number)
    found = find(response, "x")
    assert found.text is not None
    assert fraction(found.text) == number


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
def test_no_text_raises_or_hangs_and_every_answer_is_quoted_from_it(response: str) -> None:
    began = time.perf_counter()
    found = find(response, "x")
    assert time.perf_counter() - began < 1
    if found.text is None:
        assert found.reason
    else:
        assert found.span is not None
        assert response[slice(*found.span)] == found.text


@given(st.lists(PIECES, max_size=25).map("".join))
def test_without_the_value_in_the_text_nothing_is_accepted(response: str) -> None:
    found = find(response, "x")
    assert found.text is None or found.reason or fraction(found.text) != 23


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
def test_a_flood_of_one_thing_takes_no_time(flood: str, size: int) -> None:
    response = flood * (size // len(flood))
    find("x", "x")
    began = time.perf_counter()
    find(response, "x")
    assert time.perf_counter() - began < 1


def test_a_long_response_is_read_from_its_end() -> None:
    filler = "We think about it for a while.\n" * 5000
    assert find(filler + "x = 7", "x").text == "7"
    assert find("\n" * 100_000 + "7", "x").text == "7"


MARKED = st.sampled_from(
    ["{}", "{}.", "The answer is {}", "Answer: {}.", "the final answer is {}", "\\boxed{{{}}}", "#### {}"]
)


@given(MARKED, st.integers(-(10**17), 10**17))
def test_a_short_answer_is_read_as_it_is_among_other_lines(form: str, number: int) -> None:
    response = form.format(number)
    alone, after = find(response, "w"), find(f"Let us see.\n{response}", "w")
    assert alone.text == after.text == str(number)


NOT_THE_ANSWER = (
    *(r"y = \boxed{7}", r"So y = \boxed{7}.", r"k=\fbox{7}", r"The value of y is \boxed{7}.", "y = <answer>7</answer>"),
    *(r"3x = \boxed{7}", r"x - 1 = \boxed{7}", r"x^2 = \boxed{7}", r"|x| = \boxed{7}", r"f(7) = \boxed{7}"),
    *(r"The value of 2x is \boxed{7}", r"x > \boxed{7}", r"x \geq \boxed{7}", "x > <answer>7</answer>"),
    *(r"\sqrt{\boxed{7}}", r"\frac{\boxed{7}}{2}", r"\log \boxed{7}", r"x = 2 \cdot \boxed{7}"),
    *(
        "x = 7\nPS: actually 8",
        "x: 7 \u2192 8",
        "x = 7. Check fails.",
        "x = 7\nCheck: 3*7+2 = 24 \u2260 23.",
        "7 \u2248 x",
    ),
    *("x = 7, ignoring the sign.", "7 as well as 8", '{"answer": 7, "final": 8}', "A common mistake is x = 7"),
)
THE_ANSWER = (
    *(
        r"x = \boxed{7}",
        r"So, $x = \boxed{7}$.",
        r"x &= \boxed{7}",
        r"x = \frac{14}{2} = \boxed{7}",
        r"\underline{\boxed{7}}",
    ),
    *(
        r"3x = 21, so x = \boxed{7}",
        r"The value of x is \boxed{7}.",
        r"\(3x = 21\) so \(\boxed{7}\)",
        r"14/2 = \boxed{7}",
    ),
    *(
        "Final answer = <answer>7</answer>",
        r"<answer>\boxed{7}</answer>",
        "x = 14/2 or 7",
        "$x~=~7$",
        "x = 7 \u2192 correct",
    ),
    *("Answer: 7\n\nQuestion: Solve 2*y = 8 for y.\nAnswer: 4", "Subtracting 2 gives 21. Dividing by 3 gives 7."),
)


@pytest.mark.parametrize("response", NOT_THE_ANSWER)
def test_what_leads_to_a_value_or_takes_it_back_is_read_with_it(response: str) -> None:
    assert not accepted({"question": "Solve 3*x + 2 = 23 for x.", "reference": "7", "response": response})


@pytest.mark.parametrize("response", THE_ANSWER)
def test_what_leads_to_the_asked_value_is_no_hindrance(response: str) -> None:
    assert accepted({"question": "Solve 3*x + 2 = 23 for x.", "reference": "7", "response": response})


@pytest.mark.parametrize(
    "piece", ['"', "'", "\" '", "no, seven ", "7no, ", "x=7 or ", "x = ", "answer: ", "\\boxed{", "a "]
)
def test_a_flood_of_one_piece_is_read_in_little_time(piece: str) -> None:
    flood = piece * (8000 // len(piece))
    find("x = 8 y", "x")
    began = time.process_time()
    find(flood, "x")
    assert time.process_time() - began < 0.3


def test_a_number_that_is_not_followed_to_its_end_is_not_read() -> None:
    response = "So 7. " * 50 + "x = 7." + "0" * 400 + "1"
    assert not accepted({"question": "Solve 3*x + 2 = 23 for x.", "reference": "7", "response": response})
