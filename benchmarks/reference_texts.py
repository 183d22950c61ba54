"""The reference in a data set's text of an answer: behind `####`, in the last box, or the whole text.

Takes a text; gives the reference and where it stood. GSM8K writes a solution and `#### 72` as its last line
(openai/grade-school-math:grade_school_math/dataset.py), MATH a solution with a last `\\boxed{...}`
(hendrycks/math:modeling/dataset/util.py). Does not depend on problems or files.
"""

from __future__ import annotations

import re

MARK, BOX, WHOLE = "mark", "box", "whole"
_BOX = re.compile(r"\\(?:boxed|fbox)(?![A-Za-z])\s*")
_GROUPED = re.compile(r"[-+]?\$?\d{1,3}(?:,\d{3})+(?:\.\d+)?%?")


def reference_in(text: str) -> tuple[str, str]:
    """The reference that a text holds, and where: MARK, BOX or WHOLE.

    Raises:
        ValueError: Nothing stands behind the mark, or the last box does not close.
    """
    _, mark, rest = text.rpartition("####")
    rest = rest.strip()
    if mark and not rest:
        raise ValueError("nothing stands behind the last ####")
    if mark and "\n" not in rest:  # else it is a heading of Markdown
        rest = boxed(rest) or rest
        return (rest.replace(",", "") if _GROUPED.fullmatch(rest) else rest), MARK
    box = boxed(text)
    return (text.strip(), WHOLE) if box is None else (box, BOX)


def has_steps(text: str) -> bool:
    """Whether words or numbers stand before the reference, as in a worked solution.

    Raises:
        ValueError: As of `reference_in`.
    """
    place = reference_in(text)[1]
    if place == WHOLE:
        return False
    start = text.rindex("####") if place == MARK else [*_BOX.finditer(text)][-1].start()
    return re.search(r"\w", text[:start]) is not None


def boxed(text: str) -> str | None:
    """The content of the last `\\boxed{...}` or `\\boxed 7`; None where there is no box.

    Raises:
        ValueError: The last box does not close, or is empty.
    """
    boxes = list(_BOX.finditer(text))
    if not boxes:
        return None
    start = boxes[-1].end()
    content = _braced(text, start) if text[start : start + 1] == "{" else re.split(r"[$\n]", text[start:])[0]
    if content is None or not content.strip():
        raise ValueError(r"the last \boxed is empty or does not close")
    return content.strip()


def _braced(text: str, start: int) -> str | None:
    """What stands between the brace at `start` and the one that closes it; `\\{` and `\\}` are no braces."""
    depth = 0
    for match in re.finditer(r"\\.|[{}]", text[start:], re.DOTALL):
        depth += {"{": 1, "}": -1}.get(match.group(), 0)
        if depth == 0:
            return text[start + 1 : start + match.start()]
    return None
