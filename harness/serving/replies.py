"""The JSON of replies of /v1/chat/completions and /v1/completions, whole or in parts.

Takes a request, the sequences drawn for it and the scores of its prompts; gives the JSON. Does not depend on HTTP.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from collections.abc import Sequence as Many
from typing import Any, NamedTuple

from restem.harness.model.tokenizer import Tokenizer
from restem.harness.serving.engine import Answer, Sequence
from restem.harness.serving.requests import Request
from restem.harness.serving.slots import Scores
from restem.harness.serving.tokens import token_bytes

# A token, its log-probability, and the likeliest tokens in its place with theirs; None: nothing stands before it.
Token = tuple[int, float | None, list[tuple[int, float]]]


class _Sent(NamedTuple):
    """What of a choice has been sent: the role, how many characters and tokens, and the reason why it ended."""

    role: bool = False
    characters: int = 0
    tokens: int = 0
    end: bool = False


class Replies:
    """The replies to one request.

    Args:
        model: The name that they carry.
        tokenizer: Gives tokens their texts.
        answer: What is drawn for the request.
    """

    def __init__(self, model: str, tokenizer: Tokenizer, answer: Answer) -> None:
        self._tokenizer, self._answer, self._request = tokenizer, answer, answer.request
        kind = "chat.completion" if self._request.chat else "text_completion"
        self._head = {
            "id": f"{'chatcmpl' if self._request.chat else 'cmpl'}-{os.urandom(12).hex()}",
            "object": kind,
            "created": int(time.time()),
            "model": model,
        }
        self._sent = [_Sent()] * len(answer.sequences)

    def whole(self, scores: Many[Scores | None]) -> dict[str, Any]:
        """The reply when all sequences have ended; scores are those of the prompts where they are echoed."""
        choices = [
            self._choice(index, sequence, scores[index // self._request.choices])
            for index, sequence in enumerate(self._answer.sequences)
        ]
        return self._head | {"choices": choices, "usage": self._usage()}

    def _choice(self, index: int, sequence: Sequence, scores: Scores | None) -> dict[str, Any]:
        request, text = self._request, sequence.text.text
        tokens = _drawn(sequence, 0)
        if request.echo:
            prompt, before = sequence.prompt, request.before[index // request.choices]
            text = self._tokenizer.decode(prompt[before:]) + text
            tokens = [*_of_prompt(prompt, before, scores, request.alternatives), *tokens] if scores else tokens
        item = {"index": index, "finish_reason": sequence.reason, "logprobs": self._logprobs(tokens, 0)}
        if not request.chat:
            return item | {"text": text} | ({"token_ids": sequence.ids} if request.token_ids else {})
        return item | {"message": {"role": "assistant", "content": text, "refusal": None}}

    def parts(self) -> list[dict[str, Any]]:
        """The parts of a stream that can be sent now and were not sent before."""
        return [
            part
            for index, sequence in enumerate(self._answer.sequences)
            if sequence.ids and not self._sent[index].end
            for part in self._parts_of(index, sequence)
        ]

    def _parts_of(self, index: int, sequence: Sequence) -> Iterator[dict[str, Any]]:
        sent, chat = self._sent[index], self._request.chat
        now = _Sent(True, sequence.text.sendable(), len(sequence.ids), sequence.reason is not None)
        self._sent[index] = now
        if chat and not sent.role:
            yield self._part(index, {"role": "assistant", "content": ""}, None, None)
        if now.characters == sent.characters and not now.end:
            self._sent[index] = now._replace(tokens=sent.tokens)  # they go with the text that they give
            return
        text, tokens = sequence.text.text[sent.characters : now.characters], _drawn(sequence, sent.tokens)
        logprobs = self._logprobs(tokens, sent.characters)
        if not chat:
            yield self._part(index, text, logprobs, sequence.reason)
            return
        if text or tokens:
            yield self._part(index, {"content": text}, logprobs, None)
        if now.end:
            yield self._part(index, {}, None, sequence.reason)

    def _part(
        self, index: int, content: dict[str, str] | str, logprobs: dict[str, Any] | None, reason: str | None
    ) -> dict[str, Any]:
        name = "delta" if self._request.chat else "text"
        choice = {"index": index, name: content, "logprobs": logprobs, "finish_reason": reason}
        kind = "chat.completion.chunk" if self._request.chat else "text_completion"
        more = {"usage": None} if self._request.stream_usage else {}
        return self._head | {"object": kind, "choices": [choice]} | more

    def last_part(self) -> dict[str, Any]:
        """The part of a stream that holds the usage."""
        kind = "chat.completion.chunk" if self._request.chat else "text_completion"
        return self._head | {"object": kind, "choices": [], "usage": self._usage()}

    def _usage(self) -> dict[str, int]:
        prompts = sum(map(len, self._request.prompts))
        drawn = sum(len(sequence.ids) for sequence in self._answer.sequences)
        return {"prompt_tokens": prompts, "completion_tokens": drawn, "total_tokens": prompts + drawn}

    def _logprobs(self, tokens: Many[Token], offset: int) -> dict[str, Any] | None:
        if self._request.alternatives is None:
            return None
        if self._request.chat:
            return {"content": [self._chat_entry(*token) for token in tokens], "refusal": None}
        texts = [self._text(id) for id, _, _ in tokens]
        offsets = [offset + sum(map(len, texts[:index])) for index in range(len(texts))]
        tops = [None if logprob is None else self._tops(token) for token in tokens for logprob in token[1:2]]
        values = [logprob for _, logprob, _ in tokens]
        return {"tokens": texts, "token_logprobs": values, "top_logprobs": tops, "text_offset": offsets}

    def _chat_entry(self, id: int, logprob: float | None, tops: list[tuple[int, float]]) -> dict[str, Any]:
        entry = self._entry(id, logprob)
        return entry | {"top_logprobs": [self._entry(*top) for top in tops]}

    def _entry(self, id: int, logprob: float | None) -> dict[str, Any]:
        raw = token_bytes(self._tokenizer, id)
        return {"token": raw.decode(errors="replace"), "logprob": logprob, "bytes": list(raw)}

    def _tops(self, token: Token) -> dict[str, float]:
        """The likeliest tokens by their texts, and the token itself; of equal texts the likelier one."""
        id, logprob, tops = token
        result: dict[str, float] = {}
        for other, value in [*tops, (id, logprob or 0.0)]:
            result.setdefault(self._text(other), value)
        return result

    def _text(self, id: int) -> str:
        return token_bytes(self._tokenizer, id).decode(errors="replace")


def _drawn(sequence: Sequence, start: int) -> list[Token]:
    """The tokens of a sequence from this one on, where their log-probabilities were asked for."""
    pairs = zip(sequence.ids[start:], sequence.logprobs[start:], strict=False)
    return [(id, logprob, tops) for id, (logprob, tops) in pairs]


def _of_prompt(prompt: Many[int], before: int, scores: Scores, alternatives: int | None) -> list[Token]:
    """The tokens of a prompt without those that the server put before it."""
    rows = zip(scores.logprobs.tolist(), scores.top_tokens.tolist(), scores.top_logprobs.tolist(), strict=True)
    scored = [(logprob, [*zip(ids[:alternatives], tops[:alternatives], strict=True)]) for logprob, ids, tops in rows]
    tokens: list[Token] = [(prompt[0], None, []), *((id, *rest) for id, rest in zip(prompt[1:], scored, strict=True))]
    return tokens[before:]


def wants_scores(request: Request) -> bool:
    """Whether the prompts' own log-probabilities belong to the reply."""
    return request.echo and request.alternatives is not None
