"""A text without typesetting: mathematics between `$`, LaTeX's spaces, styles and sizes, Markdown.

Takes the text of a value, in LaTeX or plain; gives a text in which every group of words is enclosed in `BEGIN` and
`END`, money is a currency sign before its number, and LaTeX commands that have no meaning are gone. Does not depend on
the grammar.
"""

from __future__ import annotations

import re
import unicodedata

from restem.verifiers.algebra.characters import THIN, canonical
from restem.verifiers.algebra.nodes import Unreadable
from restem.verifiers.algebra.number_words import word_set

BEGIN, END = "\x01", "\x02"
MAX_GROUPS = 64

_WORDS = r"(?:text(?:bf|it|rm|sf|tt|normal|sc)?|mbox|hbox|mathrm|operatorname\*?|mathsf|mathtt|emph|textup)"
_TEXT = re.compile(rf"\\{_WORDS}\s*\{{([^{{}}]*)\}}")
_STYLE = re.compile(
    r"\\(?:boxed|fbox|mathbf|boldsymbol|bm|mathit|mathcal|underline|vec|hat|bar|tilde|widehat|ensuremath|phantom"
    r"|overrightarrow|displaystyle\s*)(?=\s*\{)|\\(?:color|textcolor)\s*\{[a-z]{1,12}\}"
)
_LOWERED = re.compile("[\u2080-\u2089]+")
_ORDINAL = re.compile(
    r"(?<=[0-9])\s*\^\s*\{?\s*(?:\\text(?:rm)?\s*\{|\\mathrm\s*\{)?\s*(?:st|nd|rd|th)\}{0,2}(?![a-z])"
)
_CASES = re.compile(r"\\begin\{cases\}([^&]{1,400}?)\\end\{cases\}")
_QUAD = re.compile(r"\\q?quad")
_DOUBLED = re.compile(r"\\\\(?=[A-Za-z]{2})")  # LaTeX that was escaped twice
_NOTHING = re.compile(
    r"\\(?:left|right|[bB]igg?[lrm]?|displaystyle|textstyle|scriptstyle|limits|nolimits|rm|bf|it|hfill"
    r"|enspace|thinspace|medspace|newline|noindent|centering|par|strut|cal)(?![A-Za-z])(?:(?<=left)\.|(?<=right)\.)?"
)
_SPACE = re.compile(r"(?<!\\)\\[,;: >]|~|\\hspace\*?\{[^{}]{0,12}\}|\\phantom\{[^{}]{0,12}\}")
_THOUSANDS = re.compile(
    rf"(?<![0-9.,])([0-9]{{1,3}})((?:(?:\{{,\}}|,\s*\\!|\s*\{{\s*,\s*\}}|\\,|{THIN}|\\ |~)\s*[0-9]{{3}})+)(?![0-9])"
)
_GLUED = re.compile(r"\\!")
_SHORT = re.compile(r"\\(?:[dtc]|s)?frac\s*([0-9A-Za-z]|\\pi(?![A-Za-z]))\s*(?=[0-9A-Za-z{\\])")
_SHORTEST = re.compile(r"\\[dtcs]?frac\s*([0-9])\s*([0-9])")
_HALF_SHORT = re.compile(r"(\\frac\s*\{[^{}]{1,40}\})\s*([0-9])")
_FRACTION = re.compile(r"\\[dtcs]frac(?![A-Za-z])")
_DELIMITER = re.compile(r"(?<!\\)\\[()\[\]](?!\s*[0-9]*\s*(?:mm|pt|cm|em|ex)\])")
_MONEY = re.compile(r"\$(?=\s*-?\s*\.?[0-9])")
_VULGAR = re.compile("[\u00bc-\u00be\u2150-\u215e]")
_LETTERS = {"e", "i", "d", "P", "E"}  # upright letters that stay mathematics
_NAMES = word_set(
    "sin cos tan cot sec csc log ln exp arcsin arccos arctan sinh cosh tanh gcd lcm min max det floor ceil sgn pi"
)


def cleaned(text: str) -> str:
    """The text without typesetting."""
    text = canonical(text).strip().strip("`").strip()
    if text.startswith("**") and text.endswith("**") and len(text) > 4:
        text = text[2:-2].strip()
    text = _LOWERED.sub(_subscript, _VULGAR.sub(_spelled_out, text))
    text = _ORDINAL.sub("", text) if "^" in text else text
    text = _THOUSANDS.sub(_joined, text)
    text = _GLUED.sub("", text)
    text = _without_delimiters(text)
    if "\\" in text or "~" in text:
        text = _commands(text)
    text = text.replace(THIN, " ").replace("{,}", ",").strip()
    return _trimmed(text)


def _trimmed(text: str) -> str:
    """The text without a full stop behind it, and without an equals sign or a colon before it."""
    while text and text[-1] in ".:;," and not text.endswith("..."):
        text = text[:-1].rstrip()
    return text.lstrip(":= ") if text[:1] in ":=" and text[:2] != "==" else text


def _spelled_out(match: re.Match[str]) -> str:
    """`\u00bd` as a LaTeX fraction."""
    over, _, under = unicodedata.normalize("NFKC", match[0]).partition("\u2044")
    return f"\\frac{{{over}}}{{{under}}}"


def _subscript(match: re.Match[str]) -> str:
    """Lowered digits as LaTeX's subscript."""
    return "_{" + "".join(chr(ord(digit) - 0x2080 + ord("0")) for digit in match[0]) + "}"


def _joined(match: re.Match[str]) -> str:
    return match[1] + re.sub(r"[^0-9]", "", match[2])


def _without_delimiters(text: str) -> str:
    """The text without `$`, `\\(` and `\\[` around mathematics; `$` before or behind a number stays as money."""
    text = _DELIMITER.sub(" ", text) if "\\(" in text or "\\[" in text else text
    text = text.replace("\\$", "\x03").replace("US$", "\x03")
    count = text.count("$")
    if count % 2 and "${" in text:
        raise Unreadable("syntax")  # a template of another language
    if count % 2 == 0 and (text.endswith("$") or len(_MONEY.findall(text)) < count):
        text = text.replace("$", " ")
    elif count == 1 and not _MONEY.search(text) and re.search(r"[0-9]\s*\$", text):
        pass
    else:
        text = _MONEY.sub("\x03", text).replace("$", " ")
    return text.replace("\x03", "$").strip()


def _commands(text: str) -> str:
    """The text with its words marked, and without commands that have no meaning."""
    text = _QUAD.sub(" ", text)
    text = _CASES.sub(lambda match: match[1].replace("\\\\", ", "), text)
    if "\\begin" not in text:
        text = _DOUBLED.sub(r"\\", text)
    text = text.replace("\\dollar", "$").replace("\\%", "%").replace("\\#", "#").replace("\\&", "&")
    for _ in range(MAX_GROUPS):
        replaced, count = _TEXT.subn(_marked, text)
        if not count:
            break
        text = replaced
    else:
        raise Unreadable("too_long")
    text = _NOTHING.sub(" ", _STYLE.sub("", text))
    text = _SPACE.sub(" ", text)
    text = _SHORTEST.sub(r"\\frac{\1}{\2}", text)
    text = _SHORT.sub(lambda match: f"\\frac{{{match[1]}}}", text)
    return _HALF_SHORT.sub(r"\1{\2}", _FRACTION.sub(lambda _: "\\frac", text))


def _marked(match: re.Match[str]) -> str:
    """The words of `\\text{...}` in marks; upright letters and names of functions stay mathematics."""
    words = match[1].strip()
    if words in _LETTERS:
        return f" {words} " if not match[0].startswith("\\text") else f"{BEGIN}{match[1]}{END}"
    if words in _NAMES:
        return f"\\{words} "
    return f"{BEGIN}{match[1]}{END}"


_JOINED = re.compile(r"\\(q?quad)(?=[A-Za-z])")
_IMAGINARY = re.compile(r"(?<=\*)I(?![A-Za-z])")
_RAISED = re.compile(r"(?<=[A-Za-z])[\u00b2\u00b3]")
_ROW_SPACE = re.compile(r"\\\\\[[0-9.]{1,4}(?:pt|em|ex|mm)\]")
_HOURS = re.compile(r"(?<=[0-9])\s?h(?:rs?)?\.?,?\s(?:and\s)?(?=[0-9]{1,2}\s?min)")
_MINUTES = re.compile(r"(?<=[0-9])\s?mins?\b\.?")


def unescaped(text: str) -> str:
    """A text in the notation that the grammar reads: `4 h 53 min` in full, `*I` and a raised 2 as `*i` and `^2`."""
    if "*I" in text:
        text = _IMAGINARY.sub("i", text)  # as SymPy writes it
    if "\u00b2" in text or "\u00b3" in text:
        text = _RAISED.sub(lambda match: "^2" if match[0] == "\u00b2" else "^3", text)
    if ".\\bar{" in text:
        text = text.replace(".\\bar{", ".\\overline{")
    if "\\\\[" in text:
        text = _ROW_SPACE.sub(r"\\\\", text)
    if "min" in text:
        text = _MINUTES.sub(" minutes", _HOURS.sub(" hours ", text))
    return _JOINED.sub(r"\\\1 ", text) if "\\" in text else text
