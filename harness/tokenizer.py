"""Text <-> token ids over a SentencePiece model, and Gemma's chat turns.

Takes a SentencePiece model file; gives lists of ids. Knows nothing of problems, policies or JAX.

The turn format is Gemma's: `<start_of_turn>user\\n ... <end_of_turn>\\n<start_of_turn>model\\n`
(google-deepmind/gemma:gemma/gm/text/_template.py).
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path

import sentencepiece

START_OF_TURN = "<start_of_turn>"
END_OF_TURN = "<end_of_turn>"


def _reversed_numbers(text: str) -> str:
    return re.sub(r"[0-9]+", lambda match: match.group()[::-1], text)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tokenizer:
    """A SentencePiece vocabulary with Gemma's turn markers.

    Attributes:
        path: The SentencePiece `.model` file.
        little_endian: Whether numbers are read and written lowest digit first, as the tiny policy does, because
            carries then travel in reading order (arXiv:2307.03381). Text always holds ordinary numbers.
    """

    path: Path
    little_endian: bool = False

    @cached_property
    def _model(self) -> sentencepiece.SentencePieceProcessor:
        return sentencepiece.SentencePieceProcessor(model_file=str(self.path))

    @property
    def vocab_size(self) -> int:
        return self._model.vocab_size()

    @property
    def pad_id(self) -> int:
        """0: `gm.nn` masks id 0 as padding whatever the vocabulary says."""
        return 0

    @property
    def bos_id(self) -> int:
        return self._model.bos_id()

    @property
    def eos_id(self) -> int:
        return self._model.eos_id()

    @cached_property
    def stop_ids(self) -> tuple[int, ...]:
        """End of sequence and end of turn: a response is over at either."""
        return self.eos_id, self._model.piece_to_id(END_OF_TURN)

    def encode(self, text: str) -> list[int]:
        """Ids of a text that is data: turn markers inside it stay ordinary characters."""
        parts = re.split(f"({START_OF_TURN}|{END_OF_TURN})", _reversed_numbers(text) if self.little_endian else text)
        pieces = (piece for part in parts for piece in (("<", part[1:]) if part in _MARKERS else (part,)))
        return [token for piece in pieces if piece for token in self._model.encode(piece)]

    def decode(self, ids: Iterable[int]) -> str:
        """The text of ids; padding, stop and other control ids vanish, broken UTF-8 becomes U+FFFD."""
        text = self._model.decode([i for i in map(int, ids) if i != self.pad_id and i not in self.stop_ids])
        return _reversed_numbers(text) if self.little_endian else text

    def encode_chat(self, turns: Sequence[tuple[str, str]]) -> list[int]:
        """Ids of a conversation that the model is to continue.

        Args:
            turns: (role, content) pairs; role is `user` or `model`.
        """
        start, end = self._model.piece_to_id(START_OF_TURN), self._model.piece_to_id(END_OF_TURN)
        newline = self._model.encode("\n")
        ids = [self.bos_id]
        for role, content in turns:
            ids += [start, *self._model.encode(f"{role}\n"), *self.encode(content), end, *newline]
        return [*ids, start, *self._model.encode("model\n")]

    def encode_prompt(self, question: str) -> list[int]:
        """Ids of one user turn, ready for the model's answer."""
        return self.encode_chat([("user", question)])

    def encode_response(self, response: str) -> list[int]:
        """Ids of an answer with the end-of-turn mark that closes it."""
        return [*self.encode(response), self.stop_ids[1]]


_MARKERS = (START_OF_TURN, END_OF_TURN)
