"""Whether a server took other weights, where no network of ours says what these write.

Takes a server and a few prompts; compares what it says of them with what it said under the weights before: the greedy
ids, or at least their log-probabilities, have to be others. Nothing more can be known without a second computation.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from restem.harness.engines.completions import body, responses_in
from restem.harness.engines.parity import GREEDY, SURE, Parity
from restem.harness.engines.server import Server
from restem.harness.errors import EngineFailed
from restem.harness.sampling.engine import Response

_log = logging.getLogger(__name__)
# The likeliest token without a limit on what may be drawn, so that log-probabilities say something of the weights.
_UNLIMITED = {"temperature": 0.0, "top_k": -1, "top_p": 1.0}


class Witnesses:
    """What each server said last, and under which weights."""

    def __init__(self) -> None:
        self._said: dict[str, tuple[str, list[Response]]] = {}

    def check(
        self, server: Server, model: str, prompts: Sequence[Sequence[int]], stop_ids: Sequence[int], told: str | None
    ) -> Parity:
        """What the replies of a server hold.

        Args:
            server: The server.
            model: The model's name in requests.
            prompts: Token ids of each.
            stop_ids: The tokens that end a response.
            told: The hash of the weights that it was told to load; None: it was started with them.

        Raises:
            EngineFailed: It says of all prompts what it said under other weights.
            Gone: The server cannot be reached.
            Busy: It does not answer.
        """
        bodies = [body(model, prompt, 1, 0, GREEDY, stop_ids) for prompt in prompts]
        said = [_only(server, request | _UNLIMITED, stop_ids) for request in bodies]
        before = self._said.get(str(server))
        if told is not None and before is not None and before[0] != told and before[1] == said:
            if any(response.mean_logprob is not None for response in said):
                raise EngineFailed(
                    f"engine at {server}: of {len(prompts)} prompts it says, to the last digit, what it said before it "
                    "was told to load other weights: it holds the old ones, or training changed nothing. Nothing that "
                    "it drew was stored; with engine.reload = 'restart' and engine.start there is no doubt"
                )
            _log.warning(
                "engine at %s: it writes what it wrote under the weights before, and gives no log-probabilities: "
                "whether it holds the new ones is not known",
                server,
            )
        if told is not None:
            self._said[str(server)] = (told, said)
        drawn = _only(server, bodies[0], stop_ids)
        return Parity(
            token_ids=all(response.ids is not None for response in said),
            logprobs=drawn.mean_logprob is not None and drawn.mean_logprob > SURE,
        )


def _only(server: Server, request: dict[str, object], stop_ids: Sequence[int]) -> Response:
    return responses_in(server.post("completions", request), stop_ids)[0]
