"""Whether a response only opens an answer and never gives one: "Solution", ":", "Let's solve this step by step."

Takes a text; gives whether it consists of known openers alone: the master keys of arXiv:2507.08794, which judges accept
as correct answers. A text that holds anything else, such as a number, a letter or an unknown word, may be an answer and
is left to the judge. It does not depend on references.
"""

from __future__ import annotations

import re
import string
import unicodedata

LONGEST = 200  # characters of a text that is examined: openers are short

# The first line is from arXiv:2507.08794, without its punctuation; the others are variants and translations of it.
# No word of agreement is listed alone, because "Sure" may be an answer.
_OPENERS = """
    Thought process; Let's solve this problem step by step; Solution; 解; かいせつ; Respuesta;
    Answer; The answer; The answer is; Final answer; The final answer; The final answer is; Final; The correct answer;
    The correct answer is; Correct answer; Model answer; Verdict; Answer is; Result; The solution; The solution is;
    The solution to the equation is; The result; The result is; So; Thinking process; Thinking; Thoughts; Reasoning;
    Explanation; Analysis; Step by step; Proof; Let's think; Let's think step by step; Let me think;
    Let me think step by step; Let us think; Let me think about this carefully; Let me work through this carefully;
    Let me solve this step by step; Let's solve; Let's solve this; Let's solve it; Let's solve the equation;
    Let's solve this equation; Let's solve this step by step; Let's solve it step by step; Let's solve the problem;
    Let us solve this; Let's solve this equation step by step; Let's solve the equation step by step; Let's begin;
    Let's start; Let's break it down; Let's break this down; Let's break this down step by step; Let us begin;
    To solve; To solve this; To solve this problem; To solve the problem; To solve this equation;
    To solve the equation; To solve the equation we isolate the variable; We need to isolate the variable;
    We need to solve the equation; We need to solve this equation; We need to; We isolate the variable;
    Here is the solution; Here's the solution; Here is the full solution; Here is the solution to the problem;
    Here is the answer; Here is how to approach this problem; The reasoning is as follows; See above;
    Sure here is the solution; Sure here is the full solution; Sure here is how to approach this problem;
    Sure let's solve this step by step; The correct answer is given above; First let us look at the equation; Step;
    Hint; Solve; We have; We get; Therefore; Thus; Hence;
    解答; 解法; 解析; 解説; 解释; 答案; 答; 答え; 解き方; かいとう; こたえ; 最终答案; 思考过程;
    让我们一步一步地解决这个问题; 让我们一步一步思考; 풀이; 정답; 해설; 답;
    Solución; La respuesta es; Respuesta final; Explicación; Resposta; A resposta é; Solução; Risposta; La risposta è;
    Soluzione; Réponse; La réponse est; Explication; Lösung; Die Lösung ist; Antwort; Die Antwort ist; Erklärung;
    Lösungsweg; Oplossing; Antwoord; Odpowiedź; Rozwiązanie; Cevap; Çözüm;
    Ответ; Решение; Відповідь; Розв'язання; الحل; الجواب; الإجابة; פתרון; תשובה; उत्तर; हल; Lời giải; Đáp án; Jawaban;
    Solusi
"""
# These are followed by the letter of an unknown.
_BEFORE_AN_UNKNOWN = """
    To solve for; Let's solve for; Solve for; We solve for; To find; Let's find; We need to find; Find;
    To solve the equation we isolate; To solve this equation we isolate; We isolate; We need to isolate
"""
# An empty place for an answer: an empty box, formula or tag.
_EMPTY_PLACE = re.compile(
    r"\\boxed(?:\s*\{\s*\})?|\\\[\s*\\\]|\\\(\s*\\\)|</?(?:think|answer|reasoning|solution|final)>", re.IGNORECASE
)
# Brackets may write the empty set or an empty list, and a relation may be the answer.
_MAY_ANSWER = frozenset("(){}[]<>=")
_NO_ANSWER = frozenset(string.punctuation) - _MAY_ANSWER


def _words(text: str) -> str | None:
    """The words in lower case, each followed by a space; None where a character may be an answer."""
    characters: list[str] = []
    for char in unicodedata.normalize("NFKC", text).casefold():
        group = unicodedata.category(char)[0]
        if group in "LM":
            characters.append(char)
        elif char in _MAY_ANSWER or group == "N" or (group == "S" and char not in _NO_ANSWER):
            return None
        elif char.isspace() or (group != "C" and char not in "'\u2019"):
            characters.append(" ")
    return "".join(f"{word} " for word in "".join(characters).split())


def _any_of(openers: str) -> str:
    """A pattern for the normalised openers, the longest first."""
    return "|".join(sorted({_words(opener) or "" for opener in openers.split(";")}, key=len, reverse=True))


# Possessive, so that no text causes backtracking.
_ONLY_OPENERS = re.compile(rf"(?:(?:{_any_of(_BEFORE_AN_UNKNOWN)})\w |{_any_of(_OPENERS)})*+")


def is_opener(text: str) -> bool:
    """Whether the text holds only openers and punctuation; case, spaces and formatting characters are ignored."""
    if len(text) > LONGEST:
        return False
    words = _words(_EMPTY_PLACE.sub(" ", text))
    return words is not None and _ONLY_OPENERS.fullmatch(words) is not None
