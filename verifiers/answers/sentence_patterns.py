"""The words and patterns by which the answer of a sentence is found: tables, without any logic.

Takes nothing; gives compiled patterns and sets of words. Each repetition is bounded, so that every pattern runs in
linear time. Used by `sentences.py` and `statements.py`.
"""

from __future__ import annotations

import re

from restem.verifiers.answers.patterns import word_set


def _any(*alternatives: str) -> str:
    return "|".join(alternatives)


def _compiled(*pieces: str, flags: int = re.IGNORECASE) -> re.Pattern[str]:
    return re.compile("".join(pieces), flags)


# -- Sentences and clauses ---------------------------------------------------------------------------------------------

_ABBREVIATIONS = ("i.e.", "e.g.", " ca.", "approx.", " no.", " vs.", " mr.", " mrs.", " dr.", " st.")
SENTENCE = _compiled(
    r"(?<=[.!?])",
    *(rf"(?<!{re.escape(word)})" for word in _ABBREVIATIONS),
    r"([*_)\"]{0,3})\s+(?=(?-i:[A-Z])|[\\$*(\"0-9])|\n+",
)
FAREWELL = _compiled(
    r"\b(?:let me know|feel free|hope (?:this|that|it)|would you like|do you want me|do you want to|want me to"
    r"|shall (?:i|we)|can i help|is there anything|good luck|happy to help|have a (?:great|nice)"
    r"|any (?:other |more |further )?questions?)\b"
)
# The beginning of a check or of a note behind the answer.
CHECK = _compiled(
    r"(?:\A|(?<=[.!?;,(]\s)|(?<=[\n(-]))[\s*_#>-]{0,8}(?:(?:quick|final|sanity|a)\s)?(?:i\s(?=checked))?(?:",
    _any(
        r"check(?:ing|ed)?|verif\w+|proof|test|note|remark|explanation|reasoning|probe|plugging|substitut\w+|lhs|rhs",
        r"to (?:check|verify|confirm)|(?:the )?left(?:-hand)? side|both sides",
        r"(?:let(?:'s| us| me)|we can|you can) (?:check|verify|confirm|double-check)",
        r"(?:this|that|it|which) (?:makes sense|checks out|works|is (?:correct|consistent|because|since))",
    ),
    r")\b(?!['\w])",
)
CONCLUSION_WITH_NUMBER = _compiled(r"(?:\A|[\s(])(?:so|therefore|thus|hence)\b[^.\n]{0,200}[0-9]")
CONCLUDES_LATER = _compiled(r",\s(?:and\s)?(?:so|therefore|thus|hence)\b")
CONCLUDES = _compiled(r"\b(?:so|therefore|thus|hence|total|altogether|in all|answer|left|conclusion)\b|\*\*")
BEGINS_CONCLUSION = _compiled(
    r"[\s*]*(?:so|therefore|thus|hence|in total|altogether|finally|in conclusion|overall|then|total)\b"
)
UNFINISHED = _compiled(r"[-+/=^(\\{,\u00d7\u00f7]\s*\$?\s*\Z|\b(?:is|are|equals|the|of|and|so|to)\s*\Z")
# Behind these words a new clause begins, which outranks the one before it.
_CONNECTORS = _any(
    r"(?:and\s)?so(?!\s(?:far|many|much|on)\b)(?:\sthat)?|thus|therefore|hence|that\sis|that\smeans|i\.e\.,?",
    r"which\s(?:is|means|gives|makes|leaves|equals)|for\san?\s[a-z]+\sof",
    r"(?<=,\s)(?:giving|making|leaving(?!\s(?:it|them|him|her)\b)|meaning|totall?ing)",
    r"and\s(?:that's|that\sis|it's|it\sis|this\sis|there\sare)",
    r"then(?=\s(?:there|he|she|it|the|they|we|each)\b)",
)
CLAUSE = _compiled(
    rf"(?:[,;:]\s+|\s\(?|\A)(?:{_CONNECTORS})(?:\b|(?<=\.))[,:]?\s*",
    r"|[:;]\s(?=[A-Za-z]{2,}\s)|\s(?:=>|[\u21d2\u2192]|\\(?:Rightarrow|implies|to)(?![a-z]))\s",
)
CONCLUDING = _compiled(r"\b(?:so|thus|therefore|hence|leaving|giving|making)\b[^A-Za-z]*\Z")
RESTATES = _compiled(r"i\.e\.|that is|which is")
OPENING = _compiled(
    r"\s*(?:with|over|in|after|for|since|as|because|when|at|by|given|from|of|out of|on|if|before|during|while)\b"
    r"[^,.]{1,80},\s"
)
# A reason, a detail or a restriction behind the value; the sentence is read up to it.
REASON = _compiled(
    r"(?<!\band)(?<!\bbut),?\s\(?(?:",
    _any(
        r"because|since|where|given\sthat|considering|when|while|namely|including|consisting\sof|and\sindeed",
        r"which\s(?:satisf\w+|matches|checks|agrees|is\scorrect|makes\sboth)",
        r"(?<=,\s)(?!giving|making|leaving|meaning|total|be)[a-z]{2,}ing",
        r"as\s(?:required|expected|[0-9])|(?:and|but)\s(?:that|this|it)\s(?:checks|works)",
    ),
    r")\b|\s\((?=[^()]{0,200}(?:[A-Za-z]{2}|=)[^()]{0,200}\)?[.\s]*\Z)",
    r"|;\s(?=(?:substitut|check|plug|verif))|:\s(?=[-0-9(+ ]{1,20}\*\s?[-0-9(])",
)
ABOUT = _compiled(r"\s?(?:\u2248|\\approx)(?![a-z])")

# -- Refusals ----------------------------------------------------------------------------------------------------------

TENTATIVE = _compiled(r"maybe|perhaps|guess|might|could|sure|possibly|probably|if|candidate")
UNSURE = _compiled(
    r"\b(?:",
    _any(
        r"maybe|perhaps|probably|possibly|might|could be|may be|guess\w*|unsure|depending|likely|candidate",
        r"(?:not|percent) (?:\w+ )?(?:sure|certain)|cannot|can't|couldn't|unable",
        r"don't know|do not know|no idea|not enough",
        r"approximately|approx|roughly|estimate[sd]?|around|nearly|almost|something like|rounded|neighbou?rhood",
        r"somewhere|suppose|assume|if|unless|wrong|incorrect|other than|except|exceeds?|retract|no way",
        r"below (?:zero|freezing)|too (?:small|big|large)|greater|smaller|nicht|pas|no es",
        r"reference|ground truth|grader|grading|verdict|gave up|timed out|took me|i used|total steps|reply with"
        r"|respond with|ignore (?:the|this|that|all|it)|mark (?:it|this)",
        r"(?:in|used?|using|after|by using) [0-9]+ (?:steps?|attempts?|operations)",
    ),
    r")\b|[\u2248\u223c]|(?<![0-9\w}])~|\\approx|\\sim|\?\s*\Z|\A\s*(?:score|grade|confidence|reward)\b\s?[:=]",
)
_NOT = r"not|isn't|wasn't|aren't|doesn't|never|no longer|anything but|opposite of"
# Directly before a number.
NEAR = _compiled(
    r"\b(?:about|either|at least|at most|more than|less than|fewer than|over|under|close to|between|non|no",
    r"|(?<!adds )(?<!comes )(?<!goes )(?<!rounds )up to)\b[\s*$]{1,4}\Z",
    rf"|\b(?:{_NOT})\b(?:\s(?!is\b|are\b|was\b|were\b)[A-Za-z]+){{0,3}}[\s*$]{{1,4}}\Z",
)
# Directly behind a number.
DENIED = _compiled(
    r"[\s*$.]{0,4}(?:(?:is|are|was|were)\s(?:\w+ly\s)?(?:not|wrong|incorrect|too|never)|fails?|does(?:n't| not))\b"
)
RUNS_ON = _compiled(
    r"\b(?:not|never|isn't|perhaps|maybe|probably|possibly|might|could be|may be|guess|suppose|unlikely|about|nothing"
    r"|approximately)\b[^.!?\n]{0,40}(?<![.!?\s])\s{0,4}(?=\n|\Z)"
)
ASIDE_HEDGE = _compiled(r"\s\([^)\n]{0,60}\b(?:or|mod|not|maybe|rounded|approx\w*|about|roughly|guess)\b")
TAKES_BACK = _compiled(
    r"\b(?:wait|hold on|oops|correction|scratch that|actually|on reflection|hmm+|mistake|wrong|incorrect|not right"
    r"|let me (?:re\w+|think|see|correct)|doesn't seem|reconsider|instead(?! of))\b"
)
BOUNDS = word_set("least most minimum maximum smallest largest fewest greatest")

# -- Values ------------------------------------------------------------------------------------------------------------

BOLD = _compiled(
    r"(?<![\w*])\*\*([^*\n]{1,200}?)\*\*(?!\w)|(?<!\w)__([^_\n]{1,200}?)__(?!\w)|\\textbf\{([^{}\n]{1,120})\}"
    r"|<(?:b|strong)>([^<\n]{1,120})</(?:b|strong)>|\\underline\{([^{}\n]{1,120})\}"
)
HEADING = _compiled(r"[A-Za-z]{3,} [0-9]+\b|:\s*\*|\b(?:step|part|day|case)\b")
LABEL = _compiled(r"[A-Za-z][A-Za-z ,'()/-]{0,60}:\s*")
FORMULA = _compiled(r"\$\$(.{1,400}?)\$\$|\$([^$\n]{1,300})\$|\\\((.{1,300}?)\\\)|\\\[(.{1,400}?)\\\]", flags=re.DOTALL)
PROSE = _compiled(r"\s[A-Za-z]{2,}\s")  # "$16 and Ada gets $64" is no formula
IS_FORMULA = _compiled(r"[0-9][^$]*[\\_^A-Za-z]|[\\_^A-Za-z][^$]*[0-9]|\\(?:pi|infty|sqrt)")  # not a name, `$ABC$`
COPULA = _compiled(
    r"\b(?:is|are|was|were|be|equals?|becomes?|gets?|gives?|yields?|obtain|find|have|has|had)\b"
    r"(?:\s(?:exactly|only|just|therefore|thus|then|equal to|given by|simply|called|named|a|an|the))*[:\s]+"
)
LEADS_TO = _compiled(
    r"=|\b(?:is|are|be|gives?|yields?|get|obtain|becomes?|equals?|means|find|as|to|so|thus|therefore|hence|in|at"
    r"|have)\b"
    r"[^=]{0,40}\Z|:\s"
)
LISTS = _compiled(r"\$?,?\s(?:and|or)\s\$?|\$?,\s\$?")
IN_FORMULAS = word_set(
    "and or sqrt pi sin cos tan cot sec csc log ln exp infinity inf union degrees cm mm km kg ft mod xy ab bc ac"
    " abc xyz"
)
SYMBOLIC = _compiled(r"(?<![A-Za-z\\])[A-Za-z](?![A-Za-z])|\\[a-z]|[_'|]|[A-Za-z]{2}\(")
BEHIND_WORDS = _compiled(
    r"\b(?:is|are|was|were|be|has|have|costs?|so|then|to|get|gets|runs?|makes?|of|that|thus)\b|[,;:]\s"
)
MEASURED = _compiled(  # `600 ml`, `4 h 46 min + 7 min`
    r"(?:\A|\s)[$]?[0-9][0-9.,]*\s?[A-Za-z%\u00b0\u00a2/]{1,14}(?:\^?[23]|[\u00b2\u00b3])?\Z"
)
ARITHMETIC = _compiled(r"(?:\A|\s|[$(])[0-9$(][-+*/^()0-9.,%$\s\u00b7]*[0-9)%$]\Z")
POWER_OF_TEN = _compiled(r"\s{0,4}([-+]?[0-9.,]+\s?\*\s?10\^\{?[-+]?[0-9]{1,3}\}?)")
TYPESET = _compiled(r"\s{0,4}(\\?[^\s$.,;][^$\n;,]{0,80}?)(?=\$|\s*\\[\])]|[.,;](?:\s|$)|$)")
RATIO = _compiled(
    r"(?<![\w.])[0-9]{1,6}(?:\s?(?::|\\colon)\s?|\sto\s)[0-9]{1,6}(?:(?:\s?:\s?|\sto\s)[0-9]{1,6})?(?![\w])"
)
YEAR = _compiled(r"(?:1[5-9]|20)[0-9]{2}[.,]?")
TOTALS = word_set("total sum answer result altogether difference product remainder amount number count")
# Digits behind the last side of a chain that are in no adjunct: not "6 + 3 = 9 litres in the 50-litre mixture".
MORE_NUMBERS = _compiled(
    r"(?![^0-9.;]{0,50}\b(?:in|of|from|on|to|up|after|for|per|at|than|out|by|each|with|over|when)\b)[^.;]{0,60}[0-9]"
)
_PREPOSITIONS = (
    r"out of|from|in|over|on|at|after|before|during|than|instead of|with|within|among|between|across|besides|without"
)
_PARTS = (
    r"[0-9]\S*|\b(?:each|half|some|all|one|two|three|four|five|six|seven|eight|nine|ten|rest|any|many|most|part|people"
    r"|none|teams|tiles|packs)"
)
_DETERMINERS = (
    r"the|a|an|all|these|those|each|every|his|her|their|its|only|of|about|another|[a-z]+ing|on|to|first|last|other|next"
    r"|same"
)
# Before a number that is not what the sentence states: "after 3 hours", "36 of the 144 pencils".
ADJUNCT = _compiled(
    rf"(?:\b(?:{_PREPOSITIONS})|(?:{_PARTS})(?:\s[a-z]+)?\sof)(?:\s(?:{_DETERMINERS})){{0,4}}\s[\s*(]{{0,3}}\Z"
)
LAST_VERB = _compiled(
    r"\b(?:gives?|makes?|is|are|leaves?|equals?|totals?|comes\sto|get|gets)\s(?:[a-z]+\s){0,2}[\s*$]*\Z"
)
STATES = _compiled(r"\b(?:is|are|was|were|worth|equals|costs?|totals?|pays?|needs?|takes?)\b")
LISTED = _compiled(r"\band\b|,\s[A-Za-z]")
# "No eggs are left over.", "None is left."
NONE = _compiled(
    r"\b(no)\s(?:[a-z]+\s){1,3}(?:is|are|was|were|remains?|left|fit|will)\b|\b(?=none\b|nothing\b)([a-z]+)\b"
)
CHANCES = word_set("probability chance chances odds likelihood")
CHANCE = _compiled(r"(?<![\w.])[0-9]{1,9}\s(?:in|out of)\s[0-9]{1,9}(?![\w])")
RELATIVE = _compiled(r"\b(?:that|which|who)\s(?:could|might|may)\b(?:\sbe\b)?")  # "the number that could be chosen"
