"""The words and markers by which final answers are found: tables and patterns, without any logic.

Takes nothing; gives sets of words and compiled patterns. Every pattern runs in linear time: each repetition is bounded
or can match in one way only. Does not depend on candidates or verdicts.
"""

from __future__ import annotations

import functools
import re

from restem.verifiers.algebra.number_words import NUMBER_WORDS

# -- Words that refuse or replace a candidate --------------------------------------------------------------------------


def word_set(words: str) -> frozenset[str]:
    """The words of a text that is separated by blanks."""
    return frozenset(words.split())


NEGATIONS = word_set(
    "not never no nope false wrong incorrect incorrectly except neither nor cannot can't isn't doesn't don't won't "
    "aren't wasn't couldn't shouldn't doubt impossible untrue anything fails fail hardly opposite reject rejected "
    "excluded excluding without cant isnt doesnt"
)
HEDGES = word_set(
    "maybe perhaps probably possibly possible might could may guess guessing guessed about approximately approx around "
    "roughly nearly almost somewhere likely unlikely unsure uncertain either or between close near circa ish least "
    "most more less unless otherwise estimate estimated suspect approaches approaching within depends random "
    "ca rounded rounding rounds nearest ignoring neglecting "
    "vielleicht ungef\u00e4hr etwa vermutlich environ peut quiz\u00e1s talvez forse"
)
SUPPOSITIONS = word_set(
    "if suppose supposing assume assuming supposed imagine plug plugging substitute draft mistake misread"
)
TRIALS = word_set(
    "let try trying tried when for with at say test testing setting set consider check checking taking take whether "
    "thought were where substituting putting guess"
)
# Steps of a solution: the result of a step is superseded by the result of the next step.
STEPS = word_set(
    "subtract subtracting subtracted add adding added divide dividing divided multiply multiplying multiplied move "
    "moving collect collecting combine combining cancel cancelling canceling simplify simplifying"
)
_STEP = r"(?:subtract|add|divid|multipl|mov|collect|combin|cancel|simplif)[a-z]{0,4}\b[^:;.!?\n=]{0,60}:"
# Behind a value, these change it or make it no value.
UNITS = word_set(
    "half halves third thirds quarter quarters percent mod modulo remainder dozen times squared degrees base "
    "import print return def exec eval lambda class echo"
)
CORRECTING = word_set(
    "wait correction actually sorry oops hmm scratch strike reflection thought hold edit mistake error slip typo "
    "blunder miscalculation wrong incorrect "
    "no nope fails recheck rechecking reconsider instead revised bad apologies mind disregard ignore forget kidding "
    "retract "
    "false true right correct mean not isn't doesn't can't cannot changed redo recompute rather update updated lie "
    "lied back"
)
CONTRASTS = frozenset({"not", "rather", "instead", "unlike", "no"})
SUSPECT = NEGATIONS | HEDGES | SUPPOSITIONS | TRIALS | UNITS | CORRECTING
_WORDS = re.compile(r"[a-z'\u00e0-\u00ff]+")

CORRECTION = re.compile(
    r"\b(?:wait|hold on|oops|hmm+|correction|scratch that|strike that|on reflection|on second thought|edit|"
    r"i meant?|my bad|apolog\w+|sorry|let(?:'s| me| us) (?:re\w+|check|think|correct)|not quite|never mind|"
    r"updated?|revised|"
    r"i take (?:that|it) back|just kidding|changed my mind"
    r"|(?:disregard|forget|ignore|retract) (?:that|this|it|my|the (?:above|previous))"
    r"|check(?:ing)? fails|(?:does not|doesn't) (?:check|hold|work)"
    r"|(?:made|is|was|by) an? (?:\w+ )?(?:mistake|error|lie|slip|typo|blunder|miscalculation)"
    r"|(?:sign|arithmetic) (?:error|mistake)"
    r"|(?:(?:is|was|are|be|seems|looks|that's|it's|i'm|am|were)(?: \w+ly| all| just| still)? |^|[.,;!] ?)"
    r"(?:wrong|incorrect|false|untrue|impossible|not (?:right|correct|true|it|so|valid|the (?:right|correct|answer)))"
    r"|(?:is not|isn't|not|was not|wasn't) (?:a|the|my) (?:\w+ )?(?:answer|solution|root|value)"
    r"|(?:that|this|it|which|answer) (?:\w+ )?(?:does not|doesn't|can't|cannot|isn't|is not|won't|fails)"
    r"(?! change| matter))\b"
    r"|(?:^|[.,;!?:-] ?|\n)(?:no|nope|not|actually|rather)\b"
    r"(?!\.? ?[0-9]| (?:other|more|doubt|further|solution|need|problem)\b)",
    re.IGNORECASE | re.MULTILINE,
)
DENIES = re.compile(r"wrong|incorrect|false|untrue|impossible|n't|not\b|cannot|fails", re.IGNORECASE)
CLAUSE = re.compile(r"[.;,!?\n](?=\s|$)|\b(?:but|so|instead|hence|therefore|thus)\b", re.IGNORECASE)
PUNCTUATION = re.compile(r"[\s,:;.!?)]{0,60}")
SOFT = re.compile(r"(?:[.,;!?:-] ?|\n)?(?:wait|hold on|hmm+|let(?:'s| me| us) \w+|actually|edit)", re.IGNORECASE)
CONFIRMS = re.compile(
    r"\b(?:yes|correct|right|true|indeed|confirmed|works|holds|ok|okay|good|matches|fine)\b|[\u2713\u2714\u2705]", re.I
)
MAYBE = re.compile(r"\b(?:or|maybe|perhaps|possibly|might|could|either|may)\b[^.!?\n]{0,40}[0-9]", re.IGNORECASE)
UNSURE = re.compile(
    r"\b(?:not (?:\w+ )?(?:sure|certain|confident|know)|unsure|uncertain|no idea|don't know|do not know|can't tell|"
    r"just a guess|a guess|(?:cannot|can't|could not|couldn't) (?:find|determine|solve|be determined)|who knows|"
    r"(?:please|should|you|want to) double.check (?:it|this|that)|i give up)\b",
    re.IGNORECASE,
)
GIVES_UP = re.compile(
    r"\s*(?:n/?a|none|null|unknown|\?+|\.+|-+|skip|pass|nothing|i give up\W*|(?:i )?(?:do not|don't) know\W*|"
    r"(?:no|there is no) (?:solution|answer)s?\W*)\s*",
    re.IGNORECASE,
)
_OTHER = (
    r"(?:and not|not|rather than|instead of|unlike)\s{1,4}(?:the\s)?(?:[A-Za-z]\s{0,4}=\s{0,4})?"
    r"-?[0-9][0-9.,/]{0,20}(?<![.,])"
)
OTHER_NUMBER = re.compile(
    rf"\(\s{{0,4}}{_OTHER}\s{{0,4}}\)|(?:,\s{{0,4}})?\b{_OTHER}(?=[\s.,;!)]|$)(?:,?\s{{0,4}}but\b(?:\srather\b)?)?"
    r"|\bno (?:other|more|further|doubt|need)\b|\bnot only\b",
    re.IGNORECASE,
)
NOT_SIGN = re.compile(
    r"!\(|[\u2260\u00ac\u2209\u2612\u2717\u2718\u274c]|!=|<>|\\ne(?:q|g)?(?![a-z])|\\not(?![a-z])|\\lnot"
)
RANGE_SIGN = re.compile(
    r"<|(?<![=-])>|[\u2264\u2265\u2248\u223c\u2243\u2245\u00b1~]|\\(?:leq?|geq?|approx|sim|pm|infty|lt"
    r"|gt)(?![a-z])|\u221e"
)


def blank(match: re.Match[str]) -> str:
    """As many spaces as the match is long, so that offsets stay valid."""
    return " " * len(match[0])


def words_of(text: str) -> list[str]:
    """The words of a text in order, in lower case."""
    return _WORDS.findall(text.lower())


# -- Markers: where a candidate begins, and where it ends --------------------------------------------------------------

# Languages without spaces between words: no word boundary precedes these.
_EASTERN = "答案|答え|答|解|解答|结果|結果|정답|답|답은|คำตอบ"
_FOREIGN = (
    "ответ|решение|відповідь|отговор|respuesta|soluci[oó]n|r[ée]ponse|antwort|l[öo]sung|"
    "ergebnis|risposta|soluzione|resposta|solu[çc][ãa]o|antwoord|svar|vastaus|odpowied[źz]|odpov[ěe][ďd]|cevap|jawaban|"
    "đáp án|đáp số|उत्तर|जवाब|الجواب|الإجابة|תשובה|απάντηση|răspuns|válasz|resultado|r[ée]sultat|"
    "wynik|valore?|wert|valeur|değer|значение"
).replace(" ", r"\ ")
_IS = r"=|:|(?:is|equals|es|ist|est|é|è|ergibt|vaut|lautet|هو|هي)\b|равно|равен|равна|는|은|は|是|为|為"
_NUMERALS = "|".join(sorted(NUMBER_WORDS))
_FILLER = (
    r"(?:\s{0,4}[:=]|\s{1,4}(?:therefore|thus|then|simply|just|exactly|precisely|indeed|clearly|actually|equal to"
    r"|given by|of course|hence|definitely|certainly|obviously|now|always|also|found to be|to be)\b)*"
).replace(" ", r"\ ")


# "Reference answer: 8" does not announce the answer of the response.
_OTHERS = ("reference", "expected", "truth", "gold", "model", "target", "official")
_DENIED = ("wrong", "incorrect", "random", "partial", "non")
FOREIGN_MARK = rf"(?:(?<!\w)(?:{_FOREIGN})|{_EASTERN})\s{{0,4}}(?:{_IS})\s{{0,4}}:?"
NOT_OTHERS = "".join(rf"(?<!{word}[ _])" for word in _OTHERS)
NOT_DENIED = "".join(rf"(?<!{word}[ -])" for word in _DENIED)


@functools.lru_cache(maxsize=256)
def markers(variable: str | None) -> re.Pattern[str]:
    """All markers in one pattern, a group each; compiled once per variable."""
    name = f"(?-i:{variable})" if variable else "[a-z]"
    return re.compile(
        rf"""
          (?=[\\<"'{{,\#=|\s])(?:  # the first characters of each group: most positions fail here
              \\(?P<box>boxed|fbox|framebox)(?![a-z])\s{{0,4}}
            | <(?P<tag>answer|final_answer|final|ans|solution|result|value)>
            | (?:[{{,]|^|(?<=\n))\s{{0,8}}
                (?P<key>["'](?:answer|final_answer|final\ answer|final|result|solution|{name})["']\s{{0,4}}:\s{{0,4}})
            | (?P<hashes>\#{{4}})(?!\#)
            | (?:^|(?<=\n))\s{{0,4}}\|\s{{0,4}}(?P<cell>{name}\s{{0,4}}\|)(?=\s{{0,40}}[-+0-9(\\])
            | (?<![<>!:=~\u2264\u2265])=\s{{0,4}}(?P<reverse>{name})
                (?=\s{{0,4}}(?:[.,;!)}}]|$|\n|\\\\)|\s{{1,4}}(?:is|so|and|because|since|as)\b)
          )
        | (?:^|(?<=\n)|(?<=[.?]\ ))\s{{0,4}}(?P<final>(?:final|final\ value|value|a|assistant|response|output)\ ?:)
        | (?<![\w\\])(?P<set>\\?(?-i:[SL])\s{{0,4}}=\s{{0,4}})(?=(?:\\left)?\\?\{{)
        | (?<![A-Za-z])(?=[^\W\d_])(?:
              (?<![_-])(?P<answer>(?:final\ |correct\ |right\ |only\ |possible\ |my\ |the\ |unique\ )*
                {NOT_OTHERS}(?:answer|solution|result|ans|root|unknown)(?:\ set)?s?\b(?:\ \(for\ {name}\))?
                (?:\ (?:to|of|for)\b[^.\n:]{{0,80}}?\ (?:is|equals)\b
                 | \s{{0,4}}(?:[:=]|\|(?=[^\n|0-9]{{0,20}}[0-9])|\.(?=\s?-?[0-9])
                   | \ (?:is|equals|must\ be|should\ be|would\ be|will\ be|comes\ out\ to)\b){_FILLER}
                 | \s{{0,3}}\n(?=\s{{0,8}}[-+0-9\\(a-z])))
            | (?P<foreign>{FOREIGN_MARK})
            | (?<![0-9_.'"])(?<!(?<!\\)\\)(?P<assign>{name}\s{{0,4}}
                (?: :?=(?![=<>])(?:\s{{0,4}}(?:exactly|precisely|simply|just)\b)?
                  | \u2208 | \\in(?![a-z]) | \u2190 | :(?=\s?[-+0-9\\(])
                  | \b(?:is|equals|must\ be|should\ be|will\ be|has\ the\ value|has\ value|comes\ out\ to
                      |turns\ out\ to\ (?:be|equal)|(?:that|which)\ (?:makes|satisfies|solves)\b[^.\n:]{{0,60}}?\ is
                      |that\ [a-z\ ]{{3,40}}?\ is
                      |comes\ to|works\ out\ to(?:\ be)?|has\ to\ be|can\ only\ be|equal\ to
                      |es|é|è|ist|est|vaut|vale|beträgt|lautet|wynosi|jest|равно|равен|равна)\b
                      (?:\ (?:igual\ a|égale?\ à|gleich|uguale\ a|równe))?{_FILLER}
                  | (?:的值)?\s?(?:是|等于|等於|为|為) | (?:は|는|은|का\ मान|の値は)
                  | (?<=makes\ .)(?=\ -?[0-9]) | (?<=leaves\ .)\ (?:at|as|with)\b ))
            | (?P<verb>(?:gives|giving|yields|yielding|get|gets|got|obtain|obtained|leaves|equals|find
                |it\ is|it's|so|thus|therefore|hence|be|correction|edit|no|actually|sorry|value\ is|works\ is|that
                |meant?|final\ answer|rather|{_STEP})
                (?:\ (?:us|that|is))?\s{{0,2}}[,:]?
                (?=\s{{1,4}}(?:[-+.(]{{0,3}}[0-9]|\\[dt]?frac|(?:{_NUMERALS})\b)))
          )
        """,
        re.IGNORECASE | re.VERBOSE,
    )


# Not "seven and a half" or "7 and 8": only before these words does "and" begin a new clause.
_AND = r"and(?=\s{1,4}(?:[A-Za-z]\s{0,4}=|(?:the|this|we|so|it|thus|that|indeed|hence|therefore|done)\b|check|verif))"
END = re.compile(
    rf"""
      \n | \\\\ | \\q?quad(?![a-z]) | </ | [\u2713\u2714\u2611\u2705\u220e\u25a0\u25a1] | \?
    | (?:[.;]|!+)(?=[\s"')\]\}}]|$) | :(?=\s|$)
    | ,(?=\s+(?!(?:{_NUMERALS})\b)[^\W\d_]) | ,(?=\s+\\(?:text|quad))
    | \s(?=\(\s{{0,3}}(?:[^\W\d_]{{2}}|[0-9]+[*+]|[0-9]+\s[^\W\d_]{{2}}|[A-Za-z]\s{{0,3}}=))
    | \s(?=-{{1,3}}\s+[^\W\d_]{{2}})
    | \s{{1,3}}(?=\|\s{{0,4}}(?:\n|$)) | \s{{0,3}}(?=\u2248|\\approx(?![a-z]))
    | \s(?=//|\#\s) | \s(?=\[[A-Za-z]{{2}}|\[[0-9]{{1,2}}\]|<[a-z/]) | (?=です|である|입니다|이다|\ है|।)
    | \s(?=(?:because|since|as|so|which|that|but|is|then|thus|hence|therefore|satisf\w+|works|check\w*|verif\w+
        |not|rather|instead|indeed|again|exactly|only|too|it
        |(?:when|where|for)(?=\s{{1,4}}[A-Za-z]\s{{0,4}}(?:[=.,;]|$)|\s{{1,4}}(?:the|both|this|it|all|that)\b)|solves|holds|makes|due|after|or|{_AND})\b)
    | \s(?=[\u2192\u21d2\u2234]|->|=>|\\(?:Rightarrow|implies|therefore|because|text|checkmark)(?![a-z]))
    """,
    re.IGNORECASE | re.VERBOSE,
)
# Text directly before or behind a box that makes it part of a larger expression: `-\\boxed{5}`, `\\boxed{5}/2`.
BEFORE_BOX = re.compile(r"[-+*/^]\s{0,2}$|[0-9)%] {0,2}\Z")
AFTER_BOX = re.compile(r"\s{0,2}(?:[*/^+%=<>]|-(?!\s{1,4}[A-Za-z]{2})|\\(?:%|times|cdot|pm|frac|div))|[0-9A-Za-z_'({]")
TAG = re.compile(r"</?[A-Za-z_]{1,16}>")
ABOUT = re.compile(
    r"^\s{0,3}(?:\u2248|\\approx)\s{0,3}-?[0-9]{1,9}(?:\.[0-9]{1,18})?"
)  # an approximation of an exact value
# Text before a box or a tag that makes its content something other than the answer.
RANGE_END = re.compile(r"(?:[<>\u2264\u2265\u2248~]|\\(?:leq?|geq?|lt|gt|approx|sim)(?![a-z]))\s{0,3}$")
INSIDE = re.compile(
    r"(?:[-+*/^%]|\\(?:cdot|times|div|pm|log|ln|sin|cos|tan|sqrt)"
    r"|\\(?!(?:underline|mathbf|mathrm|textbf|text|boldsymbol|bm|boxed|fbox|large"
    r"|displaystyle)\b)[a-z]{2,9}\{)\s{0,3}$",
    re.IGNORECASE,
)
NAMED = re.compile(r"(?:^|[\s(])([0-9]{1,9}\s?\*?\s?)?(?<![A-Za-z'])([A-Za-z])\s{1,3}(?:is|equals)\s{0,3}:?\s{0,3}$")
LEFT_SIDE = re.compile(r"(?:\\?[^\s=.;:,$\[\]\u21d2]|(?<=[-+*/|)0-9A-Za-z]) (?=[-+*/|(0-9])|(?<=[-+*/|(]) )*$")
ARROW_TO = re.compile(
    r"\s{0,3}(?:\u2192|\u21d2|->|=>|\\(?:to|rightarrow|Rightarrow"
    r"|implies)(?![a-z]))\s{0,3}(-?[0-9]{1,18})\s{0,3}(?:[.;,]|$|\n)"
)
# `log x = 7`, "twice x is 7", "the square of x is 7" are not assignments to x.
BEFORE_VARIABLE = re.compile(
    r"\b(?:log|ln|sin|cos|tan|exp|sqrt|abs|minus|plus|times|twice|double|half|negative|over|than"
    r"|(?<!value )(?<!solution )of)$",
    re.IGNORECASE,
)
SKIP = re.compile(r"\s{0,40}")
SKIP_QUOTE = re.compile(r"\s{0,4}\"?")
SKIP_IN_LINE = re.compile(r"[ \u2009]{0,40}")
LETTERS = re.compile(r"[A-Za-z]{2}")
SENTENCE_END = re.compile(r"[.!?](?=\s|$)|\n")
OPERATOR_END = re.compile(r"(?:[-+*/^=(\\{]|^)$")
