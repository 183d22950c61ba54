"""Whether a server holds the weights that it should: what it writes and computes, beside our own network.

Takes a server, and what our own network gives; gives what the server's replies hold, or one error that says what is
different. Does not compute what is expected.

Two things are compared, on a few prompts.

Greedy ids. The request asks for the likeliest token by `top_k = 1` at temperature 1, so that it shows three things at
once: the weights, whether the server honours `top_k` at all, and whether its log-probabilities are those of the
distribution that is drawn from. Under the latter the only token that may be drawn has probability 1. A server that
computes in bfloat16 may take another token where two are almost equally likely: such a near tie is counted, and the
server goes on from our own token.

Log-probabilities of the prompts, where the server gives them (`echo`). Most next tokens stay the likeliest over a
whole M-step, so equal ids alone do not tell a checkpoint from the next one. The log-probabilities do.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable, Mapping, Sequence

from restem.harness.engines.completions import body, responses_in
from restem.harness.engines.server import Server
from restem.harness.errors import EngineFailed
from restem.harness.sampling.engine import Response
from restem.harness.settings import EngineConfig, SamplingConfig

PROMPTS = 4
TOKENS = 24
GREEDY = SamplingConfig(temperature=1.0, top_k=1, top_p=1.0, max_new_tokens=TOKENS)
SURE = -1e-6  # the log-probability of a token that alone may be drawn, but for rounding


Logprobs = Sequence[Sequence[float]]  # of a few prompts: of every token after the first


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fixture:
    """Prompts with the greedy responses of our own network.

    Attributes:
        prompts: Token ids.
        responses: The ids that follow each, the stop token included; at most TOKENS.
        texts: What they say.
        stop_ids: The tokens that end a response.
        logprobs: Gives the log-probability of every id after the first, under our own network.
    """

    prompts: Sequence[Sequence[int]]
    responses: Sequence[Sequence[int]]
    texts: Sequence[str]
    stop_ids: Sequence[int]
    logprobs: Callable[[tuple[int, ...]], Sequence[float]]

    def of_prompts(self) -> Logprobs:
        """Those of the prompts."""
        return [self.logprobs(tuple(prompt)) for prompt in self.prompts]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Parity:
    """What the replies to a fixture hold.

    Attributes:
        tokens: Tokens that were compared; 0: the server gives no ids.
        texts: Texts that were compared, where it gives none.
        near_ties: Tokens that differ, where our own network gives the two almost the same probability.
        difference: Between its log-probabilities of the prompts and ours, in nats a token: the root of the mean square;
            None: it gives none.
        token_ids: Whether the server gives the drawn ids.
        logprobs: Whether its log-probabilities are those of the distribution that is drawn from.
    """

    tokens: int = 0
    texts: int = 0
    near_ties: int = 0
    difference: float | None = None
    token_ids: bool
    logprobs: bool


def check(
    server: Server, model: str, fixture: Fixture, config: EngineConfig, others: Mapping[str, Logprobs] | None = None
) -> Parity:
    """Compares a server with our own network.

    Args:
        server: The server.
        model: The served model's name.
        fixture: What our own network gives.
        config: What differences are taken as rounding.
        others: Of other weights, by their hash, the log-probabilities of the same prompts.

    Raises:
        EngineFailed: It computes something else.
        Gone: The server cannot be reached.
        Busy: It does not answer.
    """
    greedy = [_greedy(server, model, fixture, number, config.near_tie) for number in range(len(fixture.prompts))]
    replies = [reply for replies in greedy for reply in replies]
    whole = [replies[-1] for replies in greedy]  # from the last near tie on; they have ours to the end
    token_ids = all(reply.ids is not None for reply in replies)
    return Parity(
        tokens=sum(map(len, fixture.responses)) if token_ids else 0,
        texts=0 if token_ids else len(greedy),
        near_ties=len(replies) - len(greedy),
        difference=_difference(server, model, fixture, config.logprob_difference, others or {}),
        token_ids=token_ids,
        logprobs=all(reply.mean_logprob is not None and reply.mean_logprob > SURE for reply in whole),
    )


def _greedy(server: Server, model: str, fixture: Fixture, number: int, near_tie: float) -> list[Response]:
    """The replies to a prompt: one, and one more after each near tie, which goes on behind our own token."""
    prompt, expected = fixture.prompts[number], fixture.responses[number]
    replies: list[Response] = []
    start = 0
    while start < len(expected) or not replies:
        asked = body(model, [*prompt, *expected[:start]], 1, 0, GREEDY, fixture.stop_ids)
        reply = server.post("completions", asked | {"max_tokens": TOKENS - start})
        (response, *_) = responses_in(reply, fixture.stop_ids)
        replies.append(response)
        start = _next_start(server, fixture, number, start, response, near_tie)
    return replies


def _next_start(server: Server, fixture: Fixture, number: int, start: int, response: Response, near_tie: float) -> int:
    """The position behind the first near tie; behind the last one where the reply has our tokens to the end."""
    expected, place = fixture.responses[number], f"engine at {server}: greedy decoding differs on prompt {number}"
    if response.ids is None:
        if response.text != fixture.texts[number]:
            raise EngineFailed(
                f"{place}: found the text {response.text!r}, expected {fixture.texts[number]!r}. {REASONS}"
            )
        return len(expected)
    for position, (ours, theirs) in enumerate(itertools.zip_longest(expected[start:], response.ids), start):
        if ours == theirs:
            continue
        known = (*fixture.prompts[number], *expected[:position])
        gap = math.inf
        if ours is not None and theirs is not None:
            gap = fixture.logprobs((*known, ours))[-1] - fixture.logprobs((*known, theirs))[-1]
        if not abs(gap) <= near_tie:
            raise EngineFailed(
                f"{place}, position {position}: found token {theirs}, expected {ours} of our own network, which is "
                f"likelier by {gap:.2g} nats; up to {near_tie:g} is taken as rounding (engine.near_tie). {REASONS}"
            )
        return position + 1
    return len(expected)


def _difference(
    server: Server, model: str, fixture: Fixture, most: float, others: Mapping[str, Logprobs]
) -> float | None:
    """How far the server's log-probabilities of the prompts are from ours; None where it gives none."""
    given = [_of_prompt(server, model, prompt, fixture.stop_ids) for prompt in fixture.prompts]
    if any(logprobs is None for logprobs in given):
        return None
    theirs, ours = [logprobs or () for logprobs in given], fixture.of_prompts()
    difference = _distance(theirs, ours)
    if not difference <= most:
        raise EngineFailed(
            f"engine at {server}: its log-probabilities of the prompts differ from those of our own network by "
            f"{difference:.2g} nats a token, expected at most {most:g} (engine.logprob_difference). {REASONS}"
        )
    for sha256, logprobs in others.items():
        # Weights that differ by less than the server's rounding cannot be told apart.
        if _distance(theirs, logprobs) < difference < 2 * _distance(logprobs, ours):
            raise EngineFailed(
                f"engine at {server}: its log-probabilities of the prompts are nearer to those of the weights "
                f"{sha256[:12]}, an earlier checkpoint's: it did not load this one; nothing that it drew was stored"
            )
    return difference


def _of_prompt(server: Server, model: str, prompt: Sequence[int], stop_ids: Sequence[int]) -> list[float] | None:
    """The server's log-probability of every token of a prompt after the first."""
    asked = body(model, prompt, 1, 0, GREEDY, stop_ids) | {"echo": True, "max_tokens": 1}
    try:
        reply = server.post("completions", asked)
        logprobs = reply["choices"][0]["logprobs"]["token_logprobs"]
    except (EngineFailed, LookupError, TypeError):  # a server without `echo` refuses it, or replies without the prompt
        return None
    if not isinstance(logprobs, list) or len(logprobs) < len(prompt) or logprobs[0] is not None:
        return None
    values = logprobs[1 : len(prompt)]
    return values if all(isinstance(value, int | float) for value in values) else None


def _distance(left: Logprobs, right: Logprobs) -> float:
    """The root of the mean square of the differences."""
    squares = [(a - b) ** 2 for x, y in zip(left, right, strict=True) for a, b in zip(x, y, strict=True)]
    return math.sqrt(math.fsum(squares) / len(squares)) if squares else 0.0


REASONS = (
    "It holds other weights, computes in too coarse a type (start it with float32), or ignores top_k; nothing that it "
    "drew was stored"
)
