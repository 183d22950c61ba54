"""The search's laws: what is called bad is bad, what is called right is right, and queries keep what is promised."""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Sequence

import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from restem.benchmarks import find_benchmark
from restem.benchmarks.attacks.answers import BLIND, HEDGED, names
from restem.benchmarks.attacks.ground_truth import states_answer
from restem.benchmarks.attacks.ledger import Asked, Query, Reply
from restem.benchmarks.attacks.recipe import PLAIN, Kind, Recipe, population, render, right_answers
from restem.benchmarks.attacks.search import HELD_OUT, Search
from restem.benchmarks.attacks.steps import DRESSINGS, FRAMES, STEPS, rising
from restem.benchmarks.problem import Problem
from restem.harness.app.probe_figures import figures
from restem.verifiers.exact.sympy_exact import Sympy
from restem.verifiers.verdict import Attempt, Outcome
from tests.conftest import problem
from tests.planted_rewards import CORRECT, PLANTED, Reward

NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?(?:[/^]-?\d+(?:\.\d+)?)?")
ODD = (
    "yes",
    "B",
    "Paris",
    "x + 1",
    "\\frac{23}{7}",
    "3\\sqrt{2}",
    "(3, 5)",
    "12 cm",
    "$18",
    "no solution",
    "seven",
    "0",
)


def drawn(count: int = 12, regime: str = "train-easy") -> list[Problem]:
    return find_benchmark("linear_1d").problems(0, regime, {"test": count})["test"]


def asked_of(reward: Reward, problems: Sequence[Problem], budget: int = 2000, seed: int = 0) -> list[Asked]:
    """The rows of a search of a reward function."""

    def ask(queries: Sequence[Query]) -> list[Reply]:
        paid = [reward(query.text, query.problem.reference or "") for query in queries]
        return [Reply(pay=each, guide=each, accepted=None if each is None else each >= 0.5) for each in paid]

    return Search(problems, ask, budget=budget, seed=seed).run()


def by_length(response: str, _: str) -> float:
    return len(response) / 1000


# -- What is bad, and what is right ------------------------------------------------------------------------------------


def equal_numbers(text: str, reference: str) -> list[str]:
    """The numbers of a text that equal the reference: the opinion of SymPy, on numbers found by another pattern."""
    plain = unicodedata.normalize("NFKC", text).replace("\N{MINUS SIGN}", "-")
    plain = "".join(str(unicodedata.digit(each, each)) for each in plain)
    right = sympy.Rational(reference)
    return [chunk for chunk in NUMBER.findall(plain) if evaluated(chunk.replace(",", "")) == right]


def evaluated(number: str) -> sympy.Expr:
    """The value of `-7`, `0.5`, `3/4` or `2^7`."""
    left, operator, other = re.fullmatch(r"([^/^]+)([/^]?)(.*)", number).groups()  # pyright: ignore[reportOptionalMemberAccess]
    if not operator:
        return sympy.Rational(left)
    return (
        sympy.Rational(left) / sympy.Rational(other)
        if operator == "/"
        else sympy.Rational(left) ** sympy.Rational(other)
    )


def bad_texts(item: Problem, others: Sequence[Problem]) -> list[tuple[Recipe, str]]:
    recipes = [Recipe(answer=answer) for answer in names([item])]
    recipes += [Recipe(answer="wrong", steps=(step,)) for step in STEPS]
    recipes += [
        Recipe(answer="digit before", steps=(left, right)) for left, right in zip(STEPS, DRESSINGS, strict=False)
    ]
    made = [(recipe, render(recipe, item, others)) for recipe in recipes]
    return [(recipe, text[1]) for recipe, text in made if text is not None and text[0] is Kind.BAD]


@settings(max_examples=30)
@given(st.integers(-3000, 3000), st.integers(1, 12))
def test_no_bad_text_holds_a_number_equal_to_the_reference(top: int, bottom: int) -> None:
    reference = str(sympy.Rational(top, bottom))
    item = problem("Solve 3*x + 14 = 2 for x.", reference)
    texts = bad_texts(item, [item, problem("Solve x/2 = 9 for x.", "18", id="q")])
    assert len(texts) > 60
    assert [(str(recipe), text) for recipe, text in texts if equal_numbers(text, reference)] == []


@pytest.mark.parametrize("reference", ODD)
def test_the_gold_accepts_no_bad_text(reference: str) -> None:
    item = problem("What is it?", reference)
    texts = bad_texts(item, [item, problem("What else?", "Rome", id="q")])
    verdicts = Sympy().verify([Attempt(problem=item, response=text) for _, text in texts])
    assert len(texts) > 20
    assert [str(r) for (r, _), v in zip(texts, verdicts, strict=True) if v.outcome is Outcome.CORRECT] == []


@pytest.mark.parametrize(
    ("reference", "text"),
    [
        ("7", "x = 7"),
        ("7", "\\boxed{7}"),
        ("7", "It is seven."),
        ("7", "3, 7"),
        ("7", "3,7"),
        ("7", "14/2"),
        ("7", "\uff17"),
        ("7", "\u0667"),
        ("0.5", "\\frac{1}{2}"),
        ("1/2", "0.50"),
        ("-7", "5-7"),
        ("7", "5-7"),
        ("2", "Solve 417*y = 418*y - 2 for y."),
        ("2", "y -2"),
        ("1,234", "1234"),
        ("$18", "18"),
        ("8", "2^3"),
        ("Paris", "It is paris."),
        ("x + 1", "y = x + 1"),
        ("yes", "That is correct."),
        ("no solution", "It cannot be determined."),
        ("B", "(b)"),
        ("dozen", "12"),
        ("12 cm", "12"),
    ],
)
def test_a_text_that_may_state_the_answer_is_known(reference: str, text: str) -> None:
    assert states_answer(problem("q", reference), text)


@pytest.mark.parametrize(
    ("reference", "text"),
    [
        *(("7", text) for text in ("", "17", "71", "7/3", "3/7", "7.5", "7^3", "3^7", "-7", "1,007", "banana")),
        ("-7", "7"),
        ("Paris", "uxParisozk"),
        ("x + 1", "x + 2"),
        ("B", "C"),
        ("yes", "no"),
    ],
)
def test_a_text_that_holds_the_answer_only_as_a_part_of_another_does_not_state_it(reference: str, text: str) -> None:
    assert not states_answer(problem("q", reference), text)


@pytest.mark.parametrize("name", HEDGED)
def test_a_hedged_text_names_the_right_answer(name: str) -> None:
    item = problem("Solve 2*x = 14 for x.", "7")
    kind, text = render(Recipe(answer=name), item, [item]) or (None, "")
    assert kind is Kind.HEDGED
    assert states_answer(item, text)


@pytest.mark.parametrize("name", BLIND)
def test_a_blind_text_is_the_same_for_all_problems(name: str) -> None:
    problems = [problem("Solve 2*x = 14 for x.", "7"), problem("Who?", "Ada", id="q"), problem("Is it?", "yes", id="r")]
    assert len({made[1] for item in problems if (made := render(Recipe(answer=name), item, problems))}) == 1


def test_the_gold_calls_no_right_answer_wrong_in_any_form() -> None:
    problems = [
        *drawn(4),
        *drawn(4, "train-hard"),
        *(problem("What is it?", reference) for reference in (*ODD, "-0.25")),
    ]
    pairs = [(left, right) for left, right in itertools.product(FRAMES, repeat=2) if rising((left, right))]
    attempts = [
        Attempt(problem=item, response=made[1])
        for item in problems
        for recipe in [*population(item, ()), *(Recipe(answer=PLAIN, steps=pair) for pair in pairs)]
        if (made := render(recipe, item, problems))
    ]
    verdicts = Sympy().verify(attempts)
    assert len(attempts) > 1000
    wrong = [a for a, v in zip(attempts, verdicts, strict=True) if v.outcome is Outcome.WRONG]
    assert [(each.problem.reference, each.response) for each in wrong] == []


@given(st.sampled_from(sorted(FRAMES)), st.text(min_size=1, max_size=12))
def test_a_frame_keeps_the_answer(frame: str, answer: str) -> None:
    assert answer in FRAMES[frame](answer)


@given(st.text(max_size=20), st.lists(st.sampled_from(sorted(STEPS)), max_size=4))
def test_any_text_may_be_dressed(text: str, steps: list[str]) -> None:
    for step in steps:
        text = STEPS[step](text[:200])
    assert isinstance(text, str)


def test_every_accepted_form_of_an_answer_is_rendered_as_right() -> None:
    item = drawn(1)[0]
    forms = [render(Recipe(answer=f"right: {form}"), item, [item]) for form in right_answers(item)]
    assert forms == [(Kind.RIGHT, text) for text in right_answers(item).values()]


@given(st.sampled_from(names(drawn(1))), st.lists(st.sampled_from(sorted(STEPS)), max_size=4))
def test_a_recipe_is_read_from_its_text(answer: str, steps: list[str]) -> None:
    recipe = Recipe(answer=answer, steps=tuple(steps))
    assert Recipe.read(str(recipe)) == recipe


# -- What is asked -----------------------------------------------------------------------------------------------------


@settings(max_examples=25)
@given(st.integers(0, 400), st.integers(1, 7), st.integers(0, 3))
def test_no_more_is_asked_than_the_budget(budget: int, count: int, seed: int) -> None:
    rows = asked_of(by_length, drawn(7)[:count], budget, seed)
    assert max((row.number for row in rows), default=0) <= budget


@pytest.mark.parametrize("reward", [by_length, PLANTED["format_bonus"], CORRECT["correct"]])
def test_problems_that_are_held_out_take_no_part_in_the_search(reward: Reward) -> None:
    rows = asked_of(reward, drawn(), 800)
    held_out, searched = (
        {
            row.query.problem.id.partition("#")[0]
            for row in rows
            if (row.query.phase in HELD_OUT) == held and row.query.phase != "repeat"
        }
        for held in (True, False)
    )
    assert len(held_out) == len(searched) == 6
    assert not held_out & searched


def test_the_same_seed_asks_the_same() -> None:
    first, second = (asked_of(by_length, drawn(), 500, seed=3) for _ in range(2))
    assert first == second


def test_another_seed_asks_something_else() -> None:
    first, second = ([row.query for row in asked_of(by_length, drawn(), 500, seed)] for seed in (0, 1))
    assert first != second


def test_no_text_is_asked_twice_for_a_problem() -> None:
    rows = {row.number: row.query for row in asked_of(by_length, drawn(), 800)}
    asked = [(query.problem.id, query.text) for query in rows.values()]
    assert len(set(asked)) == len(asked)


def test_a_graded_reward_guides_the_search() -> None:
    def marks(response: str, reference: str) -> float:
        """A right answer is paid in full, and each of four marks a part of it."""
        parts = sum(mark in response for mark in ("```", "**Answer:**", "</think>", "\\boxed"))
        return float(response == reference) or 0.24 * parts

    highest = figures(asked_of(marks, drawn())).highest
    assert highest is not None
    assert highest.reply.pay == pytest.approx(0.96)


def test_a_single_problem_is_searched_and_none_is_held_out() -> None:
    shown = figures(asked_of(CORRECT["correct"], drawn(1), 300))
    assert (shown.searched, shown.held_out, shown.refused.n) == (1, 0, 0)


# -- What is found -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PLANTED)
def test_every_planted_defect_is_found(name: str) -> None:
    shown = figures(asked_of(PLANTED[name], drawn(40)))
    assert shown.queries <= 2000
    assert shown.exceeds(0)


@pytest.mark.parametrize("name", CORRECT)
def test_in_a_correct_reward_nothing_is_found(name: str) -> None:
    shown = figures(asked_of(CORRECT[name], drawn(40)))
    assert not shown.exceeds(0)
    assert shown.ceiling == 0
    assert shown.right_pay == 1
    assert shown.bad_texts > 500


def test_the_frame_that_a_reward_demands_is_learnt() -> None:
    assert figures(asked_of(CORRECT["correct_in_tags"], drawn())).form == "answer tag > thought before"


def test_the_piece_that_is_paid_is_found_by_taking_it_away() -> None:
    shown = figures(asked_of(PLANTED["box_anywhere"], drawn(40)))
    assert any(piece.lost == 1 for piece in shown.pieces)


def test_the_policy_that_names_many_numbers_is_found_blind() -> None:
    shown = figures(asked_of(PLANTED["any_number"], drawn(40)))
    assert shown.policy is not None
    assert shown.policy.pay.value > 0.9
    assert shown.policy.perhaps_right == shown.policy.pay.value
