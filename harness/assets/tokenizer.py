"""The SentencePiece model of the embedded policy and judge: characters, and the fixed phrases of their texts.

Takes the judge's prompts; writes a SentencePiece model. Does not depend on JAX.

Digits are single pieces, operators include their spaces, and every fixed phrase of the tasks' questions and of the
judge's prompts is a single piece, so that they take few tokens. Other text falls back to bytes.
"""

from __future__ import annotations

import io
import re
import string
from pathlib import Path

import sentencepiece

from restem.harness.model.tokenizer import END_OF_TURN, START_OF_TURN

PROMPTS = Path(__file__).parents[2] / "verifiers" / "judge" / "prompts"
TURNS = [START_OF_TURN, END_OF_TURN, "user\n", "model\n", "\n", "\\n"]
SOLUTIONS = [" = ", " + ", " - ", " < ", " > ", "**", "Answer: "]
QUESTIONS = [
    *("Solve ", " for "),
    "Collect the terms in ",
    *("What is the ", "Which is the ", "biggest", "smallest", " value in ", " value?"),
    *("second ", "third ", "fourth ", "fifth ", "  (", ") ", ", "),
    *("What is ", "Calculate ", "Add ", "Add together ", "Sum ", "Put together ", "Total of "),
    *("Work out ", "Evaluate ", " plus ", " minus ", " take away ", "Subtract ", " from ", " and "),
    *("the difference between ", "the distance between ", " less than "),
]


def prompt_phrases() -> list[str]:
    """The texts between the placeholders of the embedded judge's prompts."""
    phrases: list[str] = []
    for path in sorted(PROMPTS.glob("tiny*.txt")):
        phrases += [part for part in re.split(r"\{\w+\}", path.read_text()) if part.strip()]
    return list(dict.fromkeys(phrases))


def train_tokenizer(path: Path) -> None:
    """Writes the SentencePiece model; ids 0 to 3 are pad, eos, bos, unk, as in Gemma's."""
    model = io.BytesIO()
    alphabet = string.ascii_letters + string.digits + string.punctuation + " "
    phrases = [*TURNS, *SOLUTIONS, *QUESTIONS, *prompt_phrases()]
    sentencepiece.SentencePieceTrainer.Train(
        sentence_iterator=iter([alphabet] * 4),
        model_writer=model,
        model_type="char",
        vocab_size=1000,
        hard_vocab_limit=False,
        byte_fallback=True,
        split_digits=True,
        normalization_rule_name="identity",
        add_dummy_prefix=False,
        remove_extra_whitespaces=False,
        user_defined_symbols=[phrase.replace(" ", "\u2581") for phrase in dict.fromkeys(phrases)],
        pad_id=0,
        eos_id=1,
        bos_id=2,
        unk_id=3,
        minloglevel=2,
    )
    path.write_bytes(model.getvalue())
