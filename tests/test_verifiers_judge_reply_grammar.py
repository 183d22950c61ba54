"""The grammar of a judge's replies: what is a verdict, what is none, and that no reply is read as its opposite."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restem.verifiers.chat.reply import ChatReply
from restem.verifiers.judge.reply_grammar import read_reply, read_vote


def chat_reply(text: str, finish_reason: str = "stop", refusal: str | None = None) -> ChatReply:
    usage: dict[str, Any] = {"prompt_tokens": 1, "completion_tokens": 1, "seconds": 0.0, "attempts": [], "model": "m"}
    return ChatReply(text=text, finish_reason=finish_reason, refusal=refusal, **usage)


READ = {
    1: [
        *(
            "1",
            " 1\n",
            "**1**",
            "1.",
            "Verdict: 1",
            "**Verdict:** 1",
            "verdict:1.",
            "*1*",
            "1\r\n",
            "`1`",
            "```\n1\n```",
        ),
        *("\ufeff1", "\u200b1\u200b", '"1"', "**Final verdict**: `1`", "Score: 1", "My verdict is 1.", "Verdict = 1"),
        *("Correct.", "correct", "**Correct**", "Right", "The answer is correct: 1", "The answer is correct. 1"),
        *(
            "The model's final answer is correct.",
            "The model\u2019s answer is **right**",
            "It is correct",
            "Correct: 1",
        ),
        *(
            "1 (correct)",
            "1 - correct",
            "1 (the answer is right)",
            "1\n\nThe final answer is correct.",
            "Verdict: correct",
        ),
        *(
            "<think>7 = 7, not 0.</think>\n1",
            "<think>\n\n</think>\n\n**1**",
            "so it is 0? No.</think>1",
            "[THINK]0[/THINK]1",
            "\u25c1think\u25b70\u25c1/think\u25b71",
        ),
        *("<thinking>a</thinking>Correct.", "<think>a</think>1<think>b</think>", '{"verdict": 1}'),
        *('```json\n{"verdict": 1}\n```', '{"verdict": "1"}', '{"reason": "not 0", "score": 1}', '{"correct": true}'),
        *('{"correct": 1}', '{"verdict": "correct", "correct": true}', '{"Verdict": true}'),
    ],
    0: [
        *(
            "0",
            "**0**",
            "0.",
            "Verdict: 0",
            "\n\n0\n",
            "\u00a00",
            "`0`",
            "Incorrect.",
            "Wrong",
            "not correct",
            "Not right.",
        ),
        *("The answer is not correct.", "The answer is incorrect: 0", "The answer isn't correct", "This is wrong. 0"),
        *(
            "The response isn\u2019t correct: 0",
            "0 (incorrect)",
            "0, not correct",
            "<think>1? 1!</think>0",
            "1</think>0",
        ),
        *('{"verdict": 0}', '{"verdict": false, "reason": "1"}', '{"correct": false}', '{"verdict": "wrong"}'),
    ],
    None: [
        *("10", "1/0", "01", "-1", "0 or 1", "I would say 1 but 0", "not 1", "100%", "Correct Answer: 1", "1.0", ".1"),
        *("+1", "1 0", "1\n0", "11", "\uff11", "\u0661", "\u00b9", "yes", "true", "[1]", "(1)", "1e0", "1`0", "1*0"),
        *("", " ", "**", ".", "\u200b", "Verdict:", "Verdict: 10", "Verdict: 1 Verdict: 0", "Verdict: 1 Verdict: 1"),
        *("1" * 4_000, "*" * 4_000, "1" + "." * 4_000 + "0", "\u200b" * 4_000, "Verdict: " * 400, "correct " * 400),
        *("The answer is correct: 0", "The answer is incorrect: 1", "Correct. 0", "1 Incorrect", "Verdict: 1 (wrong)"),
        *("not incorrect", "not wrong", "The answer isn't wrong", "The answer isn't incorrect", "isn't not correct"),
        *("almost correct", "partially correct", "Correct?", "not quite correct", "correct, not correct", "not"),
        *("The correct answer is 1", "The answer is 1", "Answer: 1", "Final answer: 1", "The answer is 1: correct"),
        *(
            "<think>1",
            "1<think>",
            "<think>a</think><think>1",
            "<think>1</think>",
            "[THINK]1",
            "<think>a</think>1</think>",
        ),
        *("1<think>a</think>0", '{"verdict": 1, "verdict": 0}', '{"verdict": 1, "correct": false}', '{"verdict": 2}'),
        *('{"correct": 1, "model": 1}', '{"answer": 1}', '{"verdict": null}', '{"verdict": [1]}', "{}", "[" * 8_000),
        *('{"verdict": 1} 0', '{"verdict": 1}{"verdict": 0}', '{"verdict": "correct: 0"}', '[{"verdict": 1}]'),
    ],
}


@pytest.mark.parametrize(("text", "value"), [(text, value) for value, texts in READ.items() for text in texts])
def test_the_grammar_of_the_reply(text: str, value: int | None) -> None:
    assert read_reply(chat_reply(text))[0] == value


@given(st.text())
def test_any_reply_is_read_or_has_a_reason(text: str) -> None:
    value, reason = read_reply(chat_reply(text))
    assert (value is None) == (reason is not None)


@given(st.text(alphabet="01.*-/ \nVerdict:`", max_size=12))
def test_a_reply_that_holds_both_digits_is_never_read(text: str) -> None:
    assert not ("0" in text and "1" in text and read_reply(chat_reply(text))[0] is not None)


FOR = ("1", "correct", "The answer is right", "Verdict: 1", "It is correct")
AGAINST = ("0", "incorrect", "The answer is wrong", "Verdict: 0", "not correct", "The response isn't right")


@pytest.mark.parametrize("pair", [*itertools.product(FOR, AGAINST), *itertools.product(AGAINST, FOR)])
@pytest.mark.parametrize("between", [" ", ". ", ": ", "\n", ", ", " - ", " ("])
def test_statements_that_contradict_each_other_are_no_verdict(pair: tuple[str, str], between: str) -> None:
    assert read_reply(chat_reply(between.join(pair)))[0] is None


@given(st.text(max_size=30), st.sampled_from("01"))
def test_reasoning_in_tags_changes_no_verdict(reasoning: str, digit: str) -> None:
    assert read_reply(chat_reply(f"<think>{reasoning}</think>\n{digit}"))[0] in (int(digit), None)
    if "<" not in reasoning and "[" not in reasoning:
        assert read_reply(chat_reply(f"<think>{reasoning}</think>\n{digit}"))[0] == int(digit)


@pytest.mark.parametrize(
    "reply", [chat_reply("1", "length"), chat_reply("1", "content_filter"), chat_reply("1", refusal="no")]
)
def test_a_cut_or_refused_reply_is_undecided_even_if_it_is_1(reply: ChatReply) -> None:
    assert read_reply(reply)[0] is None


@pytest.mark.parametrize(
    ("reply", "unreadable"),
    [
        (chat_reply("1"), False),
        (chat_reply("who knows"), True),
        (chat_reply("1", "length"), True),
        (chat_reply("1", "content_filter"), False),
        (chat_reply("", refusal="no"), False),
    ],
)
def test_a_refusal_is_not_unreadable(reply: ChatReply, unreadable: bool) -> None:
    assert read_vote(reply, reasons=False).unreadable == unreadable


RUBRIC = {
    1: [
        *("VERDICT: 1", "All hold.\nVERDICT: 1", "a\n\n **Verdict:** 1. \n\n", "10\n0\nverdict:1", "a\n`VERDICT: 1`"),
        "<think>VERDICT: 0</think>\nAll hold.\nVERDICT: 1",
    ],
    0: ["2 fails.\nVERDICT: 0", "The verdict is not 1.\nVERDICT: 0"],
    None: [
        *("1", "0", "VERDICT: 10", "VERDICT: 1/0", "VERDICT: 1 VERDICT: 0", "VERDICT: 1\nVERDICT: 0"),
        *("VERDICT: 1\nVERDICT: 1", "VERDICT: 1\nThat is it.", "It says 'VERDICT: 1'.\nVERDICT: 0", "VERDICT:"),
        *(
            "so VERDICT: 1",
            "VERDICT: 1 or so",
            "VERDICT\n: 1",
            "VERDICT: one",
            "VERDICT: 1\u2028no",
            "<think>\nVERDICT: 1",
        ),
    ],
}


@pytest.mark.parametrize(("text", "value"), [(text, value) for value, texts in RUBRIC.items() for text in texts])
def test_the_grammar_of_a_reply_with_reasons(text: str, value: int | None) -> None:
    assert read_reply(chat_reply(text), reasons=True)[0] == value


@given(st.text() | st.text(alphabet="01:*. \nVERDICT", max_size=40))
def test_any_reply_with_reasons_is_read_or_has_a_reason(text: str) -> None:
    value, reason = read_reply(chat_reply(text), reasons=True)
    assert (value is None) == (reason is not None)
