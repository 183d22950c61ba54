"""Samples of one prompt by `/v1/completions`: the body of a request, and the responses in a reply.

Takes token ids, a seed and how tokens are chosen; gives responses, or says why a reply is none. It does not send.

The prompt goes out as token ids and, where the server can, the drawn ids come back: as `token_ids` of vLLM and `restem
serve` (`return_token_ids`), or beside the log-probabilities, as llama.cpp has them. Elsewhere the text alone is known.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from restem.harness.engines.server import Busy
from restem.harness.sampling.engine import Response
from restem.harness.settings import SamplingConfig

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import UInt32

MOST_CHOICES = 64  # of one request; `restem serve` takes no more
SEEDS = 2**31


def seed_of(key: UInt32[np.ndarray, "2"]) -> int:
    """The seed of the request whose first sample has this key."""
    return int(key[0]) % SEEDS


def body(
    model: str, prompt: Sequence[int], choices: int, seed: int, config: SamplingConfig, stop_ids: Sequence[int]
) -> dict[str, Any]:
    """A request for some samples of one prompt."""
    return {
        "model": model,
        "prompt": list(prompt),
        "n": choices,
        "seed": seed,
        "max_tokens": config.max_new_tokens,
        "temperature": config.temperature,
        "top_k": config.top_k,
        "top_p": config.top_p,
        "min_p": 0.0,  # llama.cpp has another default
        "stop_token_ids": list(stop_ids),
        "logprobs": 1,  # with 0 llama.cpp gives none, and no ids
        "return_token_ids": True,
    }


def sampled(
    post: Callable[[dict[str, Any]], Any],
    model: str,
    prompt: Sequence[int],
    keys: UInt32[np.ndarray, "K 2"],
    config: SamplingConfig,
    stop_ids: Sequence[int],
) -> list[Response]:
    """As many responses to a prompt as there are keys; a server that gives fewer than `n` is asked for the rest.

    Args:
        post: Sends a body, and gives the decoded reply.
        model: The served model's name.
        prompt: Token ids.
        keys: Raw key data of each sample.
        config: How tokens are chosen.
        stop_ids: The tokens that end a response.

    Raises:
        Busy: A reply holds no usable response.
    """
    responses: list[Response] = []
    while len(responses) < len(keys):
        choices = min(len(keys) - len(responses), MOST_CHOICES)
        seed = seed_of(keys[len(responses)])
        reply = post(body(model, prompt, choices, seed, config, stop_ids))
        responses += responses_in(reply, stop_ids)[:choices]
    return responses


def responses_in(reply: Any, stop_ids: Sequence[int]) -> list[Response]:
    """The responses in a reply, in its order of choices.

    Raises:
        Busy: There is none, or one of them did not end as a response ends: nothing of the reply is used.
    """
    choices = reply.get("choices") if isinstance(reply, dict) else None
    if not isinstance(choices, list) or not choices or not all(isinstance(choice, dict) for choice in choices):
        raise Busy("the reply holds no choices")
    return [_response(choice, stop_ids) for choice in sorted(choices, key=lambda choice: choice.get("index") or 0)]


def _response(choice: dict[str, Any], stop_ids: Sequence[int]) -> Response:
    text, reason, ids = choice.get("text"), choice.get("finish_reason"), _ids(choice)
    if not isinstance(text, str) or reason not in ("stop", "length"):
        raise Busy(f"a choice ended with finish_reason {reason!r}, expected 'stop' or 'length'")
    if not isinstance(ids, list) or not ids or not all(type(id) is int for id in ids):
        ids = None
    elif reason == "stop" and ids[-1] not in stop_ids:
        ids = None  # the token that ended the response is missing: such ids would teach the policy not to end it
    return Response(
        ids=None if ids is None else tuple(ids),
        text=text,
        mean_logprob=_mean_logprob(choice.get("logprobs")),
        finish_reason=reason,
    )


def _ids(choice: dict[str, Any]) -> Any:
    """What should be the drawn ids; None: the server gives none."""
    logprobs = choice.get("logprobs")
    tokens = logprobs.get("content") if isinstance(logprobs, dict) else None
    if choice.get("token_ids") is not None or not isinstance(tokens, list):
        return choice.get("token_ids")
    return [token.get("id") if isinstance(token, dict) else None for token in tokens]


def _mean_logprob(logprobs: Any) -> float | None:
    values = logprobs.get("token_logprobs") if isinstance(logprobs, dict) else None
    if not isinstance(values, list) or not values or not all(isinstance(value, int | float) for value in values):
        return None
    mean = math.fsum(values) / len(values)
    return mean if math.isfinite(mean) else None
