"""One model at one address: the requests as they are sent, the budget, and the secrets that must not be stored.

Takes a judge's options and the environment; gives request bodies, redacted texts and counts. It sends nothing, stores
nothing, and does not depend on the transports, which share one endpoint with the client.

A request is stored under the hash of its full form, with all parameters. A model that refuses `max_tokens`,
`temperature` or `seed` is sent later requests without that parameter, and the stored replies are still found.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import ipaddress
import json
import logging
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from restem.verifiers.bodies import MAX_BODY
from restem.verifiers.chat.budget import Budget, Charge, Prices
from restem.verifiers.chat.reply import ChatReply, Fault, reply_in, reported_tokens
from restem.verifiers.keys import LOOKS_LIKE_A_KEY, may_hold_a_key
from restem.verifiers.option_types import web_address
from restem.verifiers.options import ChatOptions
from restem.verifiers.verdict import JudgeUnavailable, UnknownVerifier

Messages: TypeAlias = Sequence[Mapping[str, str]]

OFFICIAL_URL = "https://api.openai.com/v1"
TOP_LOGPROBS = 20  # the most that OpenAI gives
NAME_A_MODEL = "name a chat model of the server, such as one that `restem judge models` lists"
# A model that requires `max_completion_tokens` counts its hidden reasoning tokens too: this many are added for them.
REASONING_TOKENS = 2_048
MOST_TIMES = 8  # times as many at most, for a longer reply
LOGPROB_BYTES = 2_000

_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ChatRequest:
    """One request.

    Attributes:
        messages: The conversation so far.
        max_tokens: The longest reply; None takes the endpoint's.
        seed: Distinguishes equal requests that are to be answered more than once; None sends none.
    """

    messages: Messages
    max_tokens: int | None = None
    seed: int | None = None


class Endpoint:
    """One model at one address.

    Args:
        options: Address, model, key, limits.
        max_tokens: The longest reply.
        logprobs: Whether to ask for log-probabilities.

    Attributes:
        base_url: The server's address, without a trailing slash.
        name: The address, or `loopback` for a server on this machine, whose port changes with every start.
        answered: Requests with a usable reply.
        rejected: Requests that the server will not take.

    Raises:
        JudgeUnavailable: The key is not set, and no server was named, or the options name a variable for the key.
        UnknownVerifier: No model is named, or `OPENAI_BASE_URL` holds no valid address.
    """

    def __init__(
        self, options: ChatOptions, *, temperature: float = 0.0, max_tokens: int = 16, logprobs: bool = False
    ) -> None:
        self.options = options
        if options.model is None and not options.offline:
            raise UnknownVerifier(f"judge: option 'model' is not set: {NAME_A_MODEL}")
        self.model = options.model or ""
        self.base_url = server_address(options.base_url)
        self.local = is_loopback(self.base_url)
        self.name = "loopback" if self.local else self.base_url
        self.temperature, self.max_tokens = temperature, max_tokens
        self.budget = Budget(Prices(options.prices, self.model), options.max_calls, options.max_cost_usd)
        self.answered = self.rejected = 0
        self.key = "" if options.offline else _key(options, named=self.base_url != OFFICIAL_URL)
        self._secrets = _secrets(self.key)
        self._refused: set[str] = set()
        self._estimated = False
        if self.key and not self.local and self.base_url.startswith("http:"):
            _tell_open(options.api_key_env, urlsplit(self.base_url).hostname)
        self._parameters: dict[str, Any] = {"model": self.model, "temperature": temperature, "max_tokens": max_tokens}
        if logprobs:
            self._parameters |= {"logprobs": True, "top_logprobs": TOP_LOGPROBS}
        if options.reasoning_effort is not None:
            self._parameters["reasoning_effort"] = options.reasoning_effort
        self._parameters |= options.extra_body

    def __str__(self) -> str:
        return f"judge {self.model!r} at {self.base_url}"

    def advice(self, fault: Fault) -> str:
        """What the user can do about a fault that ends an exchange, as the end of a sentence; may be empty."""
        variable = self.options.api_key_env
        if fault.html:
            return "; a web page came in place of JSON: check base_url, which often ends in /v1"
        match fault.status:
            case 401 if not self.key:
                return f"; no key was sent, because the environment variable {variable} is not set"
            case 401:
                return f"; check the key in the environment variable {variable}"
            case 403:
                return f"; check that the key in the environment variable {variable} may use this model"
            case 404:
                return "; check model, which `restem judge models` lists, and base_url, which often ends in /v1"
        return ""

    def body(self, request: ChatRequest) -> bytes:
        """The request in its full form, which is hashed; `wire` gives the form that is sent."""
        parameters = dict(self._parameters)
        if request.max_tokens is not None:
            parameters["max_tokens"] = request.max_tokens
        if request.seed is not None:
            parameters["seed"] = request.seed
        return json.dumps({**parameters, "messages": request.messages}).encode()

    def digest(self, body: bytes) -> str:
        """The key of a stored call. The address is part of it: the same model name is another model elsewhere."""
        return hashlib.sha256(f"{self.name}\n".encode() + body).hexdigest()

    def wire(self, body: bytes) -> bytes:
        """The request without the parameters that this server refused."""
        if not self._refused:
            return body
        request = json.loads(body)
        for parameter in self._refused & request.keys():
            value = request.pop(parameter)
            if parameter == "max_tokens":  # a second try, with more tokens, gets more of these too
                times = min(MOST_TIMES, max(1, value // self.max_tokens))
                request["max_completion_tokens"] = value + REASONING_TOKENS * times
        return json.dumps(request).encode()

    def leave_out(self, parameter: str) -> None:
        """Leaves the parameter out of all later requests; `max_tokens` is sent as `max_completion_tokens` instead."""
        if parameter not in self._refused:
            self._refused.add(parameter)
            instead = "sent as max_completion_tokens" if parameter == "max_tokens" else "left out"
            _log.warning("judge %r takes no %s: %s from now on", self.model, parameter, instead)

    @property
    def left_out(self) -> list[str]:
        """The parameters that this server refused."""
        return sorted(self._refused)

    def most(self, body: bytes) -> Charge:
        """The most that a request may cost: a token has at least one byte, and `max_tokens` is obeyed."""
        request = json.loads(self.wire(body))
        completion_tokens = request.get("max_completion_tokens") or request.get("max_tokens") or 0
        return Charge(calls=1, prompt_tokens=len(body), completion_tokens=completion_tokens)

    @property
    def most_bytes(self) -> int:
        """The longest body that is read: log-probabilities of 20 alternatives take some 2,000 bytes a token."""
        tokens = MOST_TIMES * self.max_tokens if "logprobs" in self._parameters else 0
        return MAX_BODY + LOGPROB_BYTES * tokens

    def reply_in(self, data: Mapping[str, Any], attempts: list[dict[str, Any]], most: Charge) -> ChatReply:
        """The reply in a usable body; where the server reports no token counts, it has those of `most`."""
        self.answered += 1
        if self._refused:
            attempts[-1]["left_out"] = self.left_out
        if reported_tokens(data) is None:
            attempts[-1]["tokens"] = "estimated"
            if not self._estimated:
                self._estimated = True
                _log.warning(
                    "judge %r: the server reports no token counts; each reply counts at its highest possible cost",
                    self.model,
                )
        return reply_in(data, attempts, self.redacted, most)

    def redacted(self, text: str) -> str:
        """The text without the key and without anything that looks like a key, safe to encode as UTF-8."""
        if may_hold_a_key(text) or (self.key and self.key in text):
            text = self._secrets.sub("[key]", text)
        return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def server_address(base_url: str | None) -> str:
    """The server's address without a trailing slash: the option, `OPENAI_BASE_URL`, or OpenAI's own.

    Raises:
        UnknownVerifier: It is no web address, or it may hold a secret. No message repeats it.
    """
    return web_address(base_url or os.environ.get("OPENAI_BASE_URL") or OFFICIAL_URL)


def is_loopback(address: str) -> bool:
    """Whether the server runs on this machine."""
    host = urlsplit(address).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _key(options: ChatOptions, *, named: bool) -> str:
    """The key; empty where the user named a server, which may need none."""
    variable = options.api_key_env
    key = os.environ.get(variable, "").strip()
    if not key and not named:
        raise JudgeUnavailable(f"judge: no key: set the environment variable {variable}, or name a server by base_url")
    if not key and "api_key_env" in options.model_fields_set:
        raise JudgeUnavailable(
            f"judge: no key: set the environment variable {variable}, or leave out api_key_env if the server needs none"
        )
    if not (key.isascii() and key.isprintable()):
        raise JudgeUnavailable(f"judge: the environment variable {variable} holds characters that no key has")
    return key


@functools.cache
def _tell_open(variable: str, host: str | None) -> None:
    """Warns that a key is readable on its way; once a process for each variable and host."""
    _log.warning("judge: the key in %s goes to %s over plain http, readable on its way: use https", variable, host)


def _secrets(key: str) -> re.Pattern[str]:
    """A pattern of what is never stored. A short key such as `none` is no secret, and ordinary replies hold it."""
    return re.compile(f"{re.escape(key)}|{LOOKS_LIKE_A_KEY}" if len(key) >= 8 else LOOKS_LIKE_A_KEY)
