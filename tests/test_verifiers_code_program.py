"""Which part of a response is its program, and how it continues a prompt."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restem.verifiers.code.program import Program, program_of

PROMPT = 'from math import pi\n\n\ndef twice(x):\n    return 2 * x\n\n\ndef f(x):\n    """Four times x."""\n'
BODY = "    return 4 * x\n"
WHOLE = "def f(x):\n    return 4 * x\n"
PREAMBLE = PROMPT[: PROMPT.index("def f")]


def value(program: Program) -> object:
    """What `f(3)` gives, of the first source that is valid Python. These sources are the test's, not a model's."""
    for source in program.sources:
        try:
            code = compile(source, "test", "exec")
        except SyntaxError:
            continue
        namespace: dict[str, object] = {}
        exec(code, namespace)
        return namespace["f"](3)  # type: ignore[operator]
    return "no program"


RESPONSES = {
    "completion": BODY,
    "completion without its first blanks": BODY.lstrip(),
    "completion of several lines without its first blanks": "y = twice(x)\n    return twice(y)",
    "completion that is not indented": "y = twice(x)\nreturn twice(y)",
    "completion with more behind it": f"{BODY}\nNow you can call it.",
    "whole program": WHOLE,
    "whole program with prose behind it": f"{WHOLE}\nIt multiplies x by four, as asked.",
    "prose and whole program": f"Here is the function.\n\n{WHOLE}",
    "fence": f"```python\n{WHOLE}```",
    "fence with prose": f"Sure!\n\n```python\n{WHOLE}```\n\nIt multiplies by four.",
    "fence without a language": f"```\n{WHOLE}```",
    "fence with tildes": f"~~~py\n{WHOLE}~~~",
    "fence that is not closed": f"```python\n{WHOLE}",
    "fence with the body": f"```python\n{BODY}```",
    "fence with the body, not indented": "```python\nreturn 4 * x\n```",
    "two versions": f"```python\n{WHOLE.replace('4', '5')}```\nBetter:\n```python\n{WHOLE}```",
    "usage behind it": f"```python\n{WHOLE}```\nUse it:\n```python\nprint(f(2))\n```",
    "output behind it": f"```python\n{WHOLE}```\nIt prints:\n```text\ndef f(x): 8\n```",
    "thought before it": f"<think>\n```python\n{WHOLE.replace('4', '5')}```\n</think>\n```python\n{WHOLE}```",
    "turn behind it": f"{WHOLE}<|im_end|>\n<|im_start|>user\ndef f(x):\n    return 5\n",
    "helper of the prompt": "def f(x):\n    return twice(twice(x))\n",
    "assignment": "f = lambda x: 4 * x\n",
}


@pytest.mark.parametrize("response", RESPONSES.values(), ids=RESPONSES)
def test_the_program_is_found(response: str) -> None:
    assert value(program_of(response, PROMPT, "f")) == 12


@pytest.mark.parametrize(
    "response", ["I cannot do that.", "<think>\n```python\n" + WHOLE + "```", "x = (", "```\n)\n```"]
)
def test_a_response_without_one_is_no_program_or_a_hollow_one(response: str) -> None:
    assert value(program_of(response, PROMPT, "f")) in ("no program", None)


def test_without_a_prompt_the_program_stands_alone() -> None:
    assert program_of(f"```python\n{WHOLE}```").sources == (WHOLE,)


def test_imports_and_helpers_of_the_prompt_come_before_a_program() -> None:
    assert program_of(WHOLE, PROMPT, "f").sources[0] == PREAMBLE + WHOLE


@given(
    st.text(max_size=200)
    | st.lists(st.sampled_from(["```", "~~~\n", "def f(x):\n", "    ", "\n", "x = 1"])).map("".join)
)
def test_the_text_that_was_read_stands_at_its_place(response: str) -> None:
    program = program_of(response, PROMPT, "f")
    assert response[slice(*program.span)] == program.text
    assert program.sources


@pytest.mark.parametrize(
    "piece", ["`", "```\n", "~", " ", "\n", "a", "def f(", "x=", "[", "```python\n    ", "<think>"]
)
def test_no_long_response_takes_long(piece: str) -> None:
    began = time.process_time()
    program_of(piece * (200_000 // len(piece)), PROMPT, "f")
    assert time.process_time() - began < 1
