"""Finding the final answer: golden rows, rules and reasons, and the worked solutions that small policies write."""

from __future__ import annotations

import json
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restem.benchmarks.linear_equations import Equation, render_question, worked_solution
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
    answer = find(row["response"], asked_variable(row["question"]))
    return answer.text is not None and answer.reason is None and fraction(answer.text) == fraction(row["reference"])


def test_golden_rows_are_many_and_of_all_kinds() -> None:
    kinds = Counter(row["kind"] for row in ROWS)
    origins = Counter(row["origin"] for row in ROWS)
    assert origins["label policy sample"] == 120
    assert sum(origins.values()) - 120 >= 120
    assert len(kinds) >= 26


@pytest.mark.parametrize("rows", [ROWS, HELD_OUT], ids=["rows that the rules were written for", "held out"])
def test_few_right_answers_are_missed_and_almost_no_wrong_answer_is_accepted(rows: list[dict[str, Any]]) -> None:
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
        for _ in range(3):  # the least of three, because other processes use the core too
            began = time.perf_counter()
            find(row["response"], variable)
            times.append(time.perf_counter() - began)
        return min(times)

    slow = [row["response"][:60] for row in ROWS if best(row) > 0.05]
    assert slow == []


def test_the_span_is_the_position_of_the_answer() -> None:
    for row in ROWS:
        answer = find(row["response"], asked_variable(row["question"]))
        if answer.text is not None:
            assert answer.span is not None
            assert row["response"][slice(*answer.span)] == answer.text


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
def test_an_answer_names_its_rule(response: str, rule: str) -> None:
    answer = find(response, "x")
    assert (answer.text, answer.rule) == ("14/2 = 7"[-1] if "14/2" in response else "7", rule)


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
def test_a_missing_answer_has_a_reason(response: str, reason: str) -> None:
    answer = find(response, "x")
    assert (answer.text, answer.reason) == (None, reason)


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
        answer = find(WORKED[:length], "w")
        value = fraction(answer.text) if answer.text and answer.reason is None else None
        assert value in (None, 1, 15, 3), WORKED[:length]  # 1 and 15: cut inside the quotient, `w = 1`


@given(equations())
def test_every_worked_solution_ends_in_its_answer(equation: Equation) -> None:
    lines = worked_solution(equation)
    answer = find("\n".join(lines), asked_variable(render_question(equation)))
    assert answer.rule == "assignment"
    assert answer.text == lines[-1].split("=")[1].strip()


WRAPPINGS = ("{}", " {} \n", "${}$", "\\boxed{{{}}}", "**{}**", "The answer is {}.", "<answer>{}</answer>", "`{}`")


@given(st.integers(-(10**6), 10**6), st.sampled_from(WRAPPINGS), st.booleans())
def test_wrapping_changes_no_answer(number: int, wrapping: str, named: bool) -> None:
    response = wrapping.format(f"x = {number}" if named else number)
    answer = find(response, "x")
    assert answer.text is not None
    assert fraction(answer.text) == number


def test_a_long_response_is_read_from_its_end() -> None:
    filler = "We think about it for a while.\n" * 5000
    assert find(filler + "x = 7", "x").text == "7"
    assert find("\n" * 100_000 + "7", "x").text == "7"


MARKERS = st.sampled_from(
    ["{}", "{}.", "The answer is {}", "Answer: {}.", "the final answer is {}", "\\boxed{{{}}}", "#### {}"]
)


@given(MARKERS, st.integers(-(10**17), 10**17))
def test_a_short_answer_is_read_alone_and_among_other_lines(form: str, number: int) -> None:
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
def test_text_before_or_behind_a_value_can_refuse_it(response: str) -> None:
    assert not accepted({"question": "Solve 3*x + 2 = 23 for x.", "reference": "7", "response": response})


@pytest.mark.parametrize("response", THE_ANSWER)
def test_text_before_the_asked_value_does_not_refuse_it(response: str) -> None:
    assert accepted({"question": "Solve 3*x + 2 = 23 for x.", "reference": "7", "response": response})


def test_a_number_longer_than_the_reach_is_not_read() -> None:
    response = "So 7. " * 50 + "x = 7." + "0" * 400 + "1"
    assert not accepted({"question": "Solve 3*x + 2 = 23 for x.", "reference": "7", "response": response})
