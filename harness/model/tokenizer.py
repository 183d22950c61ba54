"""Text <-> token ids over a SentencePiece model, and Gemma's chat turns or a base model's examples.

Takes a SentencePiece model file; gives lists of ids. Does not depend on problems, policies or JAX.

The turn format is Gemma's: `<start_of_turn>user\\n ... <end_of_turn>\\n<start_of_turn>model\\n`
(google-deepmind/gemma:gemma/gm/text/_template.py); Gemma 4 writes `<|turn>` and `<turn|>`. A base model was not trained
on turns: it continues a text of examples (few-shot), and a blank line ends its answer.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Sequence
from functools import cached_property
from itertools import takewhile
from pathlib import Path

import sentencepiece

from restem.harness.errors import ConfigError
from restem.harness.model.prompt_text import QUESTION, prompt_text

START_OF_TURN = "<start_of_turn>"
END_OF_TURN = "<end_of_turn>"
_MARKERS = ((START_OF_TURN, END_OF_TURN), ("<|turn>", "<turn|>"))
_MAX_NEWLINES = 31  # the longest run of newlines that is a single piece of Gemma's vocabularies


def common_prefix_length(left: Sequence[int], right: Sequence[int]) -> int:
    """The number of tokens with which both sequences begin."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(left, right, strict=False)))


def _reverse_numbers(text: str) -> str:
    return re.sub(r"[0-9]+", lambda match: match.group()[::-1], text)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tokenizer:
    """A SentencePiece vocabulary with Gemma's turn markers.

    Attributes:
        path: The SentencePiece `.model` file.
        little_endian: Whether numbers are encoded lowest digit first, as in checkpoints of the first embedded
            policy: carries then propagate in reading order (arXiv:2307.03381). Text holds ordinary numbers.
        few_shot: The prompt of a base model, used instead of turns; `{question}` stands where the question goes.
        instruction: A line that follows every question of a prompt. It is no part of a conversation that is served.
    """

    path: Path
    little_endian: bool = False
    few_shot: str | None = None
    instruction: str | None = None

    @cached_property
    def model_bytes(self) -> bytes:
        """The content of the file, read once: a file that changes later changes neither texts nor hashes.

        Raises:
            ConfigError: It cannot be read.
        """
        try:
            return self.path.read_bytes()
        except OSError as error:
            raise ConfigError(f"{self.path}: the SentencePiece model cannot be read: {error.strerror}") from None

    @cached_property
    def _model(self) -> sentencepiece.SentencePieceProcessor:
        model = sentencepiece.SentencePieceProcessor()
        try:
            model.LoadFromSerializedProto(self.model_bytes)
            model.id_to_piece([*range(model.vocab_size())])  # pieces of a damaged file may be no UTF-8
        except (RuntimeError, ValueError) as error:
            reason = str(error).partition("\n")[0]
            raise ConfigError(f"{self.path}: not a SentencePiece model: {reason}") from None
        return model

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

    @property
    def unk_id(self) -> int:
        return self._model.unk_id()

    def piece(self, id: int) -> str:
        """The vocabulary's entry of an id."""
        return self._model.id_to_piece(id)

    def id(self, piece: str) -> int:
        """The id of an entry of the vocabulary."""
        return self._model.piece_to_id(piece)

    @cached_property
    def stop_ids(self) -> tuple[int, ...]:
        """The tokens that end a response: end of sequence, end of turn, and with few-shot prompts a blank line."""
        ends = self.eos_id, self._model.piece_to_id(self.turn_markers[1])
        if self.few_shot is None:
            return ends
        blank = [self._model.piece_to_id("\n" * count) for count in range(2, _MAX_NEWLINES + 1)]
        return *ends, *(token for token in blank if token != self.unk_id)

    @cached_property
    def turn_markers(self) -> tuple[str, str]:
        """Start and end of a turn as this vocabulary writes them."""
        for start, end in _MARKERS:
            if self.unk_id not in (self._model.piece_to_id(start), self._model.piece_to_id(end)):
                return start, end
        raise ConfigError(f"{self.path}: not a vocabulary of Gemma's: it lacks {START_OF_TURN} and {END_OF_TURN}")

    def same_ids(self, other: object) -> bool:
        """Whether equal ids are equal texts in both, and the same ones end a response."""
        if not isinstance(other, Tokenizer):
            return False
        ours, theirs = ((t.model_bytes, t.little_endian, t.stop_ids) for t in (self, other))
        return ours == theirs

    def encode(self, text: str) -> list[int]:
        """Ids of a text that is data: turn markers inside it are encoded as ordinary characters."""
        markers = self.turn_markers
        pattern = f"({'|'.join(map(re.escape, markers))})"
        parts = re.split(pattern, _reverse_numbers(text) if self.little_endian else text)
        pieces = (piece for part in parts for piece in (("<", part[1:]) if part in markers else (part,)))
        return [token for piece in pieces if piece for token in self._model.encode(piece)]

    def decode(self, ids: Iterable[int]) -> str:
        """The text of ids, without padding, stop and other control ids; invalid UTF-8 becomes U+FFFD.

        Ids without a piece are left out too: official embeddings have more rows than their vocabularies have pieces.
        """
        size, skipped = self.vocab_size, (self.pad_id, *self.stop_ids)
        text = self._model.decode([i for i in map(int, ids) if i < size and i not in skipped])
        return _reverse_numbers(text) if self.little_endian else text

    def encode_chat(self, turns: Sequence[tuple[str, str]]) -> list[int]:
        """Ids of a conversation that the model is to continue.

        Args:
            turns: (role, content) pairs; role is `user` or `model`. With `few_shot`, all contents together are the
                question.
        """
        if self.few_shot is not None:
            question = "\n".join(content for _, content in turns)
            return [self.bos_id, *self.encode(self.few_shot.replace(QUESTION, question))]
        start, end = (self._model.piece_to_id(marker) for marker in self.turn_markers)
        newline = self._model.encode("\n")
        ids = [self.bos_id]
        for role, content in turns:
            ids += [start, *self._model.encode(f"{role}\n"), *self.encode(content), end, *newline]
        return [*ids, start, *self._model.encode("model\n")]

    def encode_prompt(self, question: str) -> list[int]:
        """Ids of one user turn, question and instruction, ready for the model's answer."""
        return self.encode_chat([("user", prompt_text(question, self.instruction))])

    def encode_response(self, response: str) -> list[int]:
        """Ids of a response with its stop token: end of turn, or with `few_shot` end of sequence."""
        return [*self.encode(response), self.stop_ids[0 if self.few_shot is not None else 1]]
