"""The reference in a text of an answer: behind `####`, in the last box, or the whole text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restem.benchmarks.reference_texts import BOX, MARK, WHOLE, boxed, reference_in

PLAIN = st.text(st.characters(codec="utf-8", exclude_characters="{}\\#\n,")).map(str.strip).filter(bool)
BRACED = st.recursive(PLAIN, lambda inner: st.lists(inner | inner.map(lambda t: f"{{{t}}}"), max_size=4).map("".join))


@given(BRACED.map(str.strip).filter(bool), st.text(), PLAIN)
def test_what_is_put_into_the_last_box_comes_out(content: str, before: str, after: str) -> None:
    assert boxed(f"{before} \\boxed{{{content}}} {after}") == content


@given(st.text(st.characters(codec="utf-8")), PLAIN.filter(lambda text: "box" not in text))
def test_what_is_put_behind_the_mark_comes_out(solution: str, answer: str) -> None:
    assert reference_in(f"{solution}\n#### {answer}") == (answer, MARK)


@given(st.integers(-(10**12), 10**12))
def test_a_number_behind_the_mark_loses_its_commas(number: int) -> None:
    assert reference_in(f"So it is.\n#### {number:,}") == (str(number), MARK)


@given(PLAIN.filter(lambda text: "box" not in text))
def test_a_text_without_mark_and_box_is_whole(text: str) -> None:
    assert reference_in(text) == (text, WHOLE)


@pytest.mark.parametrize(
    ("text", "reference", "place"),
    [
        ("48 / 2 = <<48/2=24>>24\n48 + 24 = 72\n#### 72", "72", MARK),
        ("#### $70,000", "$70000", MARK),
        ("#### 1,5", "1,5", MARK),
        ("#### 1,2,3", "1,2,3", MARK),
        ("#### 12,34,567", "12,34,567", MARK),
        ("#### (1,234)", "(1,234)", MARK),
        ("First #### 3, then\n#### 4", "4", MARK),
        ("#### \\boxed{5}", "5", MARK),
        ("1,234", "1,234", WHOLE),
        ("#### Step\nAdd them.", "#### Step\nAdd them.", WHOLE),
        (r"so $\boxed{\frac{1}{2}}$.", r"\frac{1}{2}", BOX),
        (r"\boxed{1}, no, \boxed{\dfrac{\sqrt{2}}{3}}", r"\dfrac{\sqrt{2}}{3}", BOX),
        (r"$\boxed{\{1, 2\}}$", r"\{1, 2\}", BOX),
        (r"$\boxed{\left\{ x}$", r"\left\{ x", BOX),
        (r"$\boxed{a \\}$", r"a \\", BOX),
        (r"$\boxed 9$ apples", "9", BOX),
        (r"\fbox{7}", "7", BOX),
        (r"\boxed {7}", "7", BOX),
        (r"\boxedness{7}", r"\boxedness{7}", WHOLE),
    ],
)
def test_the_reference_of_a_solution(text: str, reference: str, place: str) -> None:
    assert reference_in(text) == (reference, place)


@pytest.mark.parametrize(
    "text", ["It is\n####", "#### ", r"\boxed{1", r"\boxed{}", r"\boxed{\}", "\\boxed", r"#### \boxed{"]
)
def test_a_broken_mark_or_box_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"boxed|####"):
        reference_in(text)


@pytest.mark.parametrize("text", [r"\boxed{" * 50_000, r"\boxed{" + "{" * 100_000, "#" * 100_000, r"\boxed" * 50_000])
def test_long_hostile_texts_end(text: str) -> None:
    with pytest.raises(ValueError, match=r"boxed|####"):
        reference_in(text)
