"""Whether a server holds the weights that it should: its greedy ids on a few prompts beside those of our own network.

Takes a server and the expected ids; gives what the server's replies hold, or one error that names prompt and position.
Does not compute the expected ids.

The request asks for the likeliest token by `top_k = 1` at temperature 1, so that it shows three things at once: the
weights, whether the server honours `top_k` at all, and whether its log-probabilities are those of the distribution
that is drawn from. Under the latter the only token that may be drawn has probability 1.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence

from restem.harness.engines.completions import body, responses_in
from restem.harness.engines.server import Server
from restem.harness.errors import EngineFailed
from restem.harness.sampling.engine import Response
from restem.harness.settings import SamplingConfig

PROMPTS = 4
TOKENS = 24
GREEDY = SamplingConfig(temperature=1.0, top_k=1, top_p=1.0, max_new_tokens=TOKENS)
SURE = -1e-6  # the log-probability of a token that alone may be drawn, but for rounding


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fixture:
    """Prompts with the greedy responses of our own network.

    Attributes:
        prompts: Token ids.
        responses: The ids that follow each, the stop token included; at most TOKENS.
        texts: What they say.
        stop_ids: The tokens that end a response.
    """

    prompts: Sequence[Sequence[int]]
    responses: Sequence[Sequence[int]]
    texts: Sequence[str]
    stop_ids: Sequence[int]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Parity:
    """What the replies to a fixture hold.

    Attributes:
        tokens: Tokens that were compared; 0: the server gives no ids, and texts were compared.
        token_ids: Whether the server gives the drawn ids.
        logprobs: Whether its log-probabilities are those of the distribution that is drawn from.
    """

    tokens: int
    token_ids: bool
    logprobs: bool


def check(server: Server, model: str, fixture: Fixture) -> Parity:
    """Compares a server with our own network.

    Raises:
        EngineFailed: It writes something else.
        Gone: The server cannot be reached.
        Busy: It does not answer.
    """
    replies: list[Response] = []
    for number, (prompt, expected) in enumerate(zip(fixture.prompts, fixture.responses, strict=True)):
        reply = server.post("completions", body(model, prompt, 1, 0, GREEDY, fixture.stop_ids))
        (response, *_) = responses_in(reply, fixture.stop_ids)
        _compare(server, number, expected, fixture.texts[number], response)
        replies.append(response)
    token_ids = all(reply.ids is not None for reply in replies)
    return Parity(
        tokens=sum(map(len, fixture.responses)) if token_ids else 0,
        token_ids=token_ids,
        logprobs=all(reply.mean_logprob is not None and reply.mean_logprob > SURE for reply in replies),
    )


def _compare(server: Server, number: int, expected: Sequence[int], text: str, response: Response) -> None:
    if response.ids is None:
        if response.text != text:
            raise EngineFailed(f"{_place(server, number)}: found the text {response.text!r}, expected {text!r}. {WHY}")
        return
    for position, (ours, theirs) in enumerate(itertools.zip_longest(expected, response.ids)):
        if ours != theirs:
            raise EngineFailed(
                f"{_place(server, number)}, position {position}: found token {theirs}, expected {ours} of our own "
                f"network. {WHY}"
            )


def _place(server: Server, number: int) -> str:
    return f"engine at {server}: greedy decoding differs on prompt {number}"


WHY = (
    "It holds other weights, computes in too coarse a type (start it with float32), or ignores top_k; nothing that it "
    "drew was stored"
)
