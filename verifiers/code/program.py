"""The program of a response, by fixed rules; it is not parsed here.

Takes a response and what the problem says about its program; gives the text that is read as the program with its
position, and the sources to be tried: the first that is valid Python is the program. Nothing is executed or compiled,
because compiling hostile text can crash an interpreter.

1. The end of a turn (such as `<|im_end|>`) ends the response, and `</think>` begins it. A thought that is not closed
   holds no program.
2. Of the fenced code blocks, the last that defines the entry point is the program; where none is named, the last that
   defines anything. Blocks that are marked as another language than Python are left out.
3. Another block, the last one, continues the problem's prompt: as it is, or with four blanks more before its first line
   or before all lines.
4. Without a block, a response that defines the entry point is the program, from its first line of code on, with or
   without what follows the code.
5. Any other response continues the prompt, whole or up to its first line that is not indented.

What stands before the entry point in the prompt, imports and helper functions, is put before a program.
"""

from __future__ import annotations

import dataclasses
import re

INDENT = "    "
_FENCE = re.compile(
    r"^[ \t]*+(`{3,}+|~{3,}+)[ \t]*+([\w+#.-]*+)[^\n]*+\n(.*?)(?:^[ \t]*+\1[`~]*+[ \t]*+$|\Z)", re.DOTALL | re.MULTILINE
)
_PYTHON = frozenset({"", "python", "python3", "py", "py3"})
_END = re.compile(r"<end_of_turn>|<\|im_end\|>|<\|eot_id\|>|<\|endoftext\|>|<\|end\|>|<eos>|</s>")
_THOUGHT, _AFTER_THOUGHT = "<think>", "</think>"
_CODE_LINE = re.compile(
    r"^(?:import |from \w[\w.]* import |(?:async )?def |class |@\w|[A-Za-z_]\w*[ \t]*(?::[^\n=]+)?=[^=])", re.MULTILINE
)
# A line that is not indented and begins no statement.
_PROSE_LINE = re.compile(
    r"^(?![ \t\n#)\]}@'\"]"
    r"|(?:import|from|def|async|class|if|elif|else|for|while|with|try|except|finally|return|assert|print)\b"
    r"|[A-Za-z_][\w.\[\]'\", ]*(?:[-+*/%&|^]|//|\*\*)?=|[A-Za-z_][\w.]*\()",
    re.MULTILINE,
)
_NOT_INDENTED = re.compile(r"^\S", re.MULTILINE)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Program:
    """A response read as a program.

    Attributes:
        text: What was read as the program.
        span: Its position in the response.
        sources: The sources to be tried in turn.
    """

    text: str
    span: tuple[int, int]
    sources: tuple[str, ...]


def program_of(response: str, prompt: str = "", entry_point: str | None = None) -> Program:
    """The program of a response.

    Args:
        response: The response.
        prompt: The code that the response may continue: imports, helper functions, the signature with its docstring.
        entry_point: The name of the function that is tested; None where the tests name the functions themselves.
    """
    start, end = _bounds(response)
    body = response[start:end]
    preamble = _preamble(prompt, entry_point)
    blocks = [match for match in _FENCE.finditer(body) if match[2].casefold() in _PYTHON]
    if defining := [block for block in blocks if _defines(block[3], entry_point)]:
        begins, ends = (start + offset for offset in defining[-1].span(3))
        return _program(response, begins, ends, [_joined(preamble, response[begins:ends])])
    if blocks:
        begins, ends = (start + offset for offset in blocks[-1].span(3))
        return _program(response, begins, ends, _continuing(prompt, response[begins:ends]))
    if _defines(body, entry_point):
        first = _CODE_LINE.search(body)
        begins = start + (first.start() if first else 0)
        prose = _PROSE_LINE.search(response, begins, end)
        texts = [response[begins:end], *([response[begins : prose.start()]] if prose else [])]
        return _program(response, begins, end, [_joined(preamble, text) for text in texts])
    second_line = body.find("\n") + 1
    stop = _NOT_INDENTED.search(body, second_line) if second_line else None
    cut = [_joined(prompt, body[: stop.start()])] if stop else []
    return _program(response, start, end, [*_continuing(prompt, body), *cut])


def _continuing(prompt: str, text: str) -> list[str]:
    """The sources in which a text continues the prompt: as it is, with its first line or with all lines indented.

    A first line alone is often without its blanks, because a chat model's reply is stripped.
    """
    lines = "".join(f"{INDENT}{line}" if line.strip() else line for line in text.splitlines(keepends=True))
    return [_joined(prompt, continuation) for continuation in (text, f"{INDENT}{text}", lines)]


def _bounds(response: str) -> tuple[int, int]:
    """Where the response proper begins and ends."""
    start = response.rfind(_AFTER_THOUGHT)
    start = 0 if start < 0 else start + len(_AFTER_THOUGHT)
    match, thought = _END.search(response, start), response.find(_THOUGHT, start)
    end = len(response) if match is None else match.start()
    return start, end if thought < 0 else min(end, thought)


def _defines(code: str, entry_point: str | None) -> bool:
    """Whether a text defines the entry point at the beginning of a line; without one, whether it defines anything."""
    name = r"[A-Za-z_]\w*" if entry_point is None else re.escape(entry_point)
    return bool(re.search(rf"^(?:(?:async[ \t]+)?def|class)[ \t]+{name}\b|^{name}[ \t]*=[^=]", code, re.MULTILINE))


def _preamble(prompt: str, entry_point: str | None) -> str:
    """What stands before the entry point in the prompt."""
    if entry_point is None:
        return prompt
    definition = re.search(rf"^(?:async[ \t]+)?def[ \t]+{re.escape(entry_point)}\b", prompt, re.MULTILINE)
    return prompt[: definition.start()] if definition else ""


def _program(response: str, start: int, end: int, sources: list[str]) -> Program:
    return Program(text=response[start:end], span=(start, end), sources=tuple(dict.fromkeys(sources)))


def _joined(prefix: str, text: str) -> str:
    return f"{prefix}{text}" if not prefix or prefix.endswith("\n") else f"{prefix}\n{text}"
