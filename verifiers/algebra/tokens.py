"""The tokens of a value: numbers, letters, functions, signs, brackets and words.

Takes a text without typesetting (see `typesetting.py`) and the letters that are variables; gives tokens. A run of
letters becomes a product of variables, a function, a constant or a word. Does not depend on the grammar.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

from restem.verifiers.algebra.nodes import Unreadable
from restem.verifiers.algebra.number_words import NUMBER_WORDS, word_set
from restem.verifiers.algebra.typesetting import BEGIN, END
from restem.verifiers.algebra.units import CURRENCIES, UNIT_LETTERS, UNIT_WORDS

MAX_TOKENS = 300
MAX_DIGITS = 4000
MAX_TEN_EXPONENT = 60
MAX_REPEATED = 40


class Token(NamedTuple):
    """A token: its kind, its text, the value of a number, and whether white space stands before it."""

    kind: str
    text: str
    number: Fraction | None = None
    spaced: bool = False


FUNCTIONS = word_set(
    "sin cos tan cot sec csc arcsin arccos arctan sinh cosh tanh log ln lg exp gcd lcm max min det sgn arg Re"
    " Im asin acos atan floor ceil ceiling abs sqrt binom deg"
)
_CALLED_ONLY = word_set("gcd lcm max min det sgn arg Re Im floor ceil ceiling abs sqrt binom deg exp")
_GREEK = sorted(
    word_set(
        "alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi rho sigma"
        " tau upsilon phi varphi chi psi omega Gamma Delta Theta Lambda Xi Sigma Phi Psi Omega ell hbar"
    )
)
_GREEK_LETTERS = {
    letter: unicodedata.name(letter).rpartition(" ")[2].lower().replace("lamda", "lambda")
    for letter in map(chr, range(0x3B1, 0x3CA))
}
_COMMANDS: dict[str, tuple[str, str]] = {
    **{name: ("function", name) for name in FUNCTIONS},
    **{name: ("symbol", name.removeprefix("var")) for name in _GREEK},
    "pi": ("constant", "pi"),
    "infty": ("constant", "inf"),
    "frac": ("frac", ""),
    "over": ("/", "/"),
    "sqrt": ("root", "\\"),
    "binom": ("binom", ""),
    "dbinom": ("binom", ""),
    "tbinom": ("binom", ""),
    "cdot": ("*", "*"),
    "times": ("*", "*"),
    "ast": ("*", "*"),
    "div": ("/", "/"),
    "pm": ("pm", "pm"),
    "mp": ("pm", "mp"),
    "le": ("relation", "<="),
    "leq": ("relation", "<="),
    "leqslant": ("relation", "<="),
    "ge": ("relation", ">="),
    "geq": ("relation", ">="),
    "geqslant": ("relation", ">="),
    "lt": ("relation", "<"),
    "gt": ("relation", ">"),
    "ne": ("relation", "!="),
    "neq": ("relation", "!="),
    "in": ("relation", "in"),
    "approx": ("relation", "~"),
    "cup": ("union", "|"),
    "cap": ("union", "&"),
    "setminus": ("union", "-"),
    "backslash": ("union", "-"),
    "emptyset": ("empty", ""),
    "varnothing": ("empty", ""),
    "langle": ("open", "<"),
    "rangle": ("close", ">"),
    "lfloor": ("open", "floor"),
    "rfloor": ("close", "floor"),
    "lceil": ("open", "ceil"),
    "rceil": ("close", "ceil"),
    "lbrace": ("open", "\\{"),
    "rbrace": ("close", "\\}"),
    "lvert": ("bar", "|"),
    "rvert": ("bar", "|"),
    "vert": ("bar", "|"),
    "mid": ("bar", "|"),
    "circ": ("degree", ""),
    "degree": ("degree", ""),
    "prime": ("prime", "'"),
    "and": ("separator", "and"),
    "land": ("separator", "and"),
    "wedge": ("separator", "and"),
    "lor": ("separator", "or"),
    "vee": ("separator", "or"),
    "overline": ("overline", ""),
    "mathbb": ("numbers", ""),
    "angle": ("name", "angle"),
    "triangle": ("name", "triangle"),
    "cents": ("word", "cents"),
    "euro": ("money", "\u20ac"),
    "pounds": ("money", "\u00a3"),
}
_RAISED = str.maketrans("\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079\u207a\u207b", "0123456789+-")
_SIGNS: dict[str, tuple[str, str]] = {
    "+": ("sign", "+"),
    "-": ("sign", "-"),
    "*": ("*", "*"),
    "/": ("/", "/"),
    "^": ("^", "^"),
    "**": ("^", "^"),
    "!": ("!", "!"),
    "%": ("percent", "%"),
    "\u00b0": ("degree", ""),
    "\u00ba": ("degree", ""),
    "\u00b1": ("pm", "pm"),
    "+/-": ("pm", "pm"),
    "\u2213": ("pm", "mp"),
    "=": ("relation", "="),
    "==": ("relation", "="),
    "<": ("relation", "<"),
    ">": ("relation", ">"),
    "<=": ("relation", "<="),
    "=<": ("relation", "<="),
    "\u2264": ("relation", "<="),
    "\u2a7d": ("relation", "<="),
    ">=": ("relation", ">="),
    "\u2265": ("relation", ">="),
    "\u2a7e": ("relation", ">="),
    "!=": ("relation", "!="),
    "\u2260": ("relation", "!="),
    "\u2208": ("relation", "in"),
    "\u2248": ("relation", "~"),
    "\u222a": ("union", "|"),
    "\u2229": ("union", "&"),
    "\u2205": ("empty", ""),
    "\u221e": ("constant", "inf"),
    "\u03c0": ("constant", "pi"),
    "\u221a": ("root", "\u221a"),
    "\u221b": ("cube root", ""),
    "\u27e8": ("open", "<"),
    "\u27e9": ("close", ">"),
    "\\|": ("bar", "|"),
    "|": ("bar", "|"),
    "\\\\": ("row", ""),
    "&": ("cell", ""),
    "'": ("prime", "'"),
    ":": (":", ":"),
    "_": ("_", "_"),
    ",": ("separator", ","),
    ";": ("separator", ","),
    "\n": ("line", ""),
    "\u211d": ("constant", "R"),
    "\u2124": ("constant", "Z"),
    "\\{": ("open", "\\{"),
    "\\}": ("close", "\\}"),
    **{bracket: ("open", bracket) for bracket in "([{"},
    **{bracket: ("close", bracket) for bracket in ")]}"},
}
_TOKEN = re.compile(
    r"""
      (?P<space> [ ]+ )
    | (?P<repeating> [0-9]{0,20}\.[0-9]{0,20} (?: \\overline\s*\{[0-9]{1,40}\} | \\dot\s*\{?[0-9]\}? ) )
    | (?P<based> (?<![A-Za-z0-9.,]) (?=[A-F]*[0-9]) [0-9A-F]{1,200} _ (?:\{[1-9][0-9]?\} | [1-9][0-9]?) (?![0-9]) )
    | (?P<number>
        (?: [1-9][0-9]{0,2} (?P<comma> , | _ | ' ) [0-9]{3} (?: (?P=comma)[0-9]{3} )* (?![0-9])
          | (?<!_) [1-9][0-9]{0,2} (?: [ ][0-9]{3} )+ (?![0-9/]) | [0-9]+ )
        (?: \.[0-9]+ | \.(?![.0-9]) )? | \.[0-9]+ )
    | (?P<matrix> \\begin\s*\{(?:[pbBvV]?(?:small)?matrix|array|cases)\} (?:\{[lcr|\ ]{0,20}\})? )
    | (?P<unmatrix> \\end\s*\{(?:[pbBvV]?(?:small)?matrix|array|cases)\} )
    | (?P<dots> \.\.\.+ | \\[lcvd]?dots(?:[bcim])?(?![A-Za-z]) | \u2026 )
    | (?P<command> \\[A-Za-z]+ )
    | (?P<raised> [\u207a\u207b]? [\u2070\u00b9\u00b2\u00b3\u2074-\u2079]{1,4} )
    | (?P<run> [A-Za-z]+ )
    | (?P<greek> [\u03b1-\u03c9] )
    | (?P<sign> \+/- | \*\* | <= | =< | >= | != | == | \\\\ | \\[{}|] | \S | \n )
    """,
    re.VERBOSE,
)
_WHOLE = re.compile("[0-9]+")
_TEN = re.compile(r"[eE]([+-]?[0-9]{1,12})(?![0-9A-Za-z.])")
_BEHIND_UNIT = re.compile(r"\s*(?:$|[/,;)\]}^\u00b2\u00b3\x02.]|\band\b|\bper\b)")


def tokens_of(text: str, letters: str) -> list[Token]:
    """The tokens of a text without typesetting.

    Raises:
        Unreadable: The text holds a character or command without meaning here, or is too long.
    """
    tokens: list[Token] = []
    position, spaced, in_words = 0, False, False
    while position < len(text):
        if len(tokens) > MAX_TOKENS:
            raise Unreadable("too_long")
        if text[position] in (BEGIN, END):
            in_words = text[position] == BEGIN
            position, spaced = position + 1, True
            continue
        match = _TOKEN.match(text, position)
        if match is None:
            raise Unreadable("syntax")
        start, position = position, match.end()
        kind = match.lastgroup or ""
        if match["comma"] == "," and _is_list(tokens, match[0], text[position : position + 2], spaced=spaced):
            match = _WHOLE.match(text, start) or match
            position, kind = match.end(), "number"
        if kind == "space":
            spaced = True
            continue
        if match[0] == "." and tokens and tokens[-1].kind == "word":
            continue  # 5 sq. ft.
        if kind == "number":
            ten = _TEN.match(text, position)
            position = ten.end() if ten else position
            tokens.append(Token("number", match[0], _number(match[0], ten), spaced))
        elif kind == "run":
            before = tokens[-1] if tokens else None
            if before is not None and before.text == "}" and len(tokens) > 1 and tokens[-2].kind == "degree":
                before = tokens[-2]  # 45^{\\circ}C
            tokens += _run(match[0], before, text[position:], letters, spaced=spaced, in_words=in_words)
        else:
            tokens += _token(kind, match[0], spaced=spaced, before=text[start - 1 : start])
        spaced = False
    return tokens


def _is_list(tokens: Sequence[Token], text: str, rest: str, *, spaced: bool) -> bool:
    """Whether digits and commas are a list, as in `(1,100)` and `2,100,3`, and not one number with thousands."""
    before = tokens[-1].kind if tokens else ""
    if before == "sign" and len(tokens) > 1:
        before = tokens[-2].kind
    if (before == "separator" and not spaced) or (rest[:1] == "," and rest[1:].isdigit()):
        return True
    depth = sum((token.kind == "open") - (token.kind == "close") for token in tokens)
    return depth > 0 and before != "separator" and rest[:1] in tuple(")]/") and ",0" not in text


def _number(text: str, ten: re.Match[str] | None) -> Fraction:
    whole, _, part = re.sub(r"[,_' ]", "", text).partition(".")
    exponent = int(ten[1]) if ten else 0
    if len(whole) + len(part) > MAX_DIGITS or abs(exponent) > MAX_TEN_EXPONENT:
        raise Unreadable("too_large")
    number = Fraction(int(whole + part or "0"), 10 ** len(part))
    return number * Fraction(10) ** exponent


def _token(kind: str, text: str, *, spaced: bool, before: str) -> list[Token]:
    """The tokens of anything but numbers and runs of letters."""
    if kind == "repeating":
        return [Token("number", text, _repeating(text), spaced)]
    if kind == "raised":
        number = Fraction(int(text.translate(_RAISED)))
        return [Token("^", "^"), Token("number", text, number)]
    if kind == "based":
        return [Token("based", text.replace("{", "").replace("}", ""), None, spaced)]
    if kind in ("matrix", "unmatrix"):
        name = "matrix" if "vmatrix" not in text and "Vmatrix" not in text and "cases" not in text else "other"
        return [Token(kind, name, None, spaced)]
    if kind == "greek":
        name = _GREEK_LETTERS.get(text)
        if text == "\u03c0":
            return [Token("constant", "pi", None, spaced)]
        if name is None:
            raise Unreadable("syntax")
        return [Token("symbol", name, None, spaced)]
    if kind == "command":
        return _command(text[1:], spaced)
    if text in CURRENCIES:
        return [Token("money", text, None, spaced)]
    if text in ("\u2103", "\u2109"):
        return [Token("degree", ""), Token("word", "C" if text == "\u2103" else "F")]
    if text in _SIGNS and kind == "sign":
        return [Token(*_SIGNS[text], None, spaced)]
    raise Unreadable("syntax")


def _command(name: str, spaced: bool) -> list[Token]:
    if name in _COMMANDS:
        return [Token(*_COMMANDS[name], None, spaced)]
    for shorter in ("sqrt", "pi", "cdot", "times", "cup"):  # `\pir`, `\cdotx`: a command glued to letters
        rest = name.removeprefix(shorter)
        if rest != name and len(rest) <= 2:
            return [Token(*_COMMANDS[shorter], None, spaced), *(Token("symbol", letter) for letter in rest)]
    raise Unreadable("syntax")


def _repeating(text: str) -> Fraction:
    """The value of a decimal whose last digits repeat."""
    before, _, repeated = text.replace("\\dot", "\\").replace("\\overline", "\\").partition("\\")
    repeated = repeated.strip("{} ")
    whole, _, part = before.partition(".")
    head = Fraction(int(whole + part or "0"), 10 ** len(part))
    return head + Fraction(int(repeated), (10 ** len(repeated) - 1) * 10 ** len(part))


_STOP_WORDS = word_set("is of to at by if or so no on as we it an the all for are")


def _run(run: str, before: Token | None, rest: str, letters: str, *, spaced: bool, in_words: bool) -> list[Token]:
    """The tokens of a run of letters."""
    lower = run.lower()
    if lower in ("and", "or") and len(run) > 1:
        return [Token("separator", lower, None, spaced)]
    after_number = before is not None and (before.kind in ("number", "degree") or before.text in ("}", ")"))
    if run == "in" and after_number and re.match(r"[\^\u00b2\u00b3]|\s*$", rest):
        return [Token("word", run, None, spaced)]
    is_ordinal = run in ("st", "nd", "rd", "th") and after_number and not spaced
    if is_ordinal and not set(run) <= set(letters):
        return [Token("word", run, None, spaced)]
    if in_words:
        return [Token("word", run, None, spaced)]
    if run in FUNCTIONS and (run not in _CALLED_ONLY or rest.lstrip()[:1] == "("):
        return [Token("root", "sqrt", None, spaced)] if run == "sqrt" else [Token("function", run, None, spaced)]
    if run == "pi" or (run in ("infinity", "inf", "oo", "Infinity") and not set(run) <= set(letters)):
        return [Token("constant", "pi" if run == "pi" else "inf", None, spaced)]
    if len(run) == 1:
        if before is not None and before.kind == "degree" and run in "CF" and run not in letters:
            return [Token("word", run, None, spaced)]
        is_unit = run in UNIT_LETTERS and run not in letters and after_number and _BEHIND_UNIT.match(rest)
        is_unit = is_unit and (spaced or run not in "lL")  # 7L is a number in some programming languages
        return [Token("word" if is_unit else "symbol", run, None, spaced)]
    if set(run) <= set(letters) and len(run) <= 12 and not (spaced and lower in _STOP_WORDS):
        return _symbols(run, spaced)
    if run.isupper() and len(run) < 4 and _stands_for_points(before, rest):
        return _symbols(run, spaced)
    if lower in UNIT_WORDS or lower in NUMBER_WORDS or len(run) > 3 or lower in _STOP_WORDS:
        return [Token("word", run, None, spaced)]
    glued = before is not None and not spaced and before.kind not in ("word", "separator")
    if glued or rest[:1] in ("^", "_", "(") or (before is not None and before.kind in ("*", "frac", "root")):
        return _symbols(run, spaced)
    return [Token("word", run, None, spaced)]


def _stands_for_points(before: Token | None, rest: str) -> bool:
    """Whether capital letters stand where a segment does: `\\frac{AB}{CD}`, `|AB|`, `AB = 5`."""
    if before is None or before.kind == "separator":
        return rest.lstrip()[:1] in tuple("=:")
    return before.kind in ("open", "bar", "sign", "*", "/", "frac", "symbol", "relation")


def _symbols(run: str, spaced: bool) -> list[Token]:
    return [Token("symbol", letter, None, spaced and index == 0) for index, letter in enumerate(run)]
