"""The options of the built-in verifiers: names, defaults, bounds and help, each written once.

Takes a verifier's table of a suite or command; gives a frozen model, or one error that names verifier, option, value
found and value expected. Error messages, the settings in a fingerprint, and the tables in the docs are all made from
these models. It does not depend on the verifiers, and importing it loads nothing but pydantic.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Literal, TypeVar

import pydantic
from pydantic import ConfigDict, Field
from pydantic_core import ErrorDetails, PydanticCustomError

from restem.benchmarks.hints import did_you_mean
from restem.verifiers.option_types import (
    LOOKS_LIKE_A_KEY,
    SECRET,
    VERDICTS_DEPEND_ON_IT,
    Address,
    Amount,
    Count,
    Limit,
    ModelName,
    Number,
    Part,
    Parts,
    Prices,
    Seconds,
    Seed,
    Share,
    Variable,
    expected,
)
from restem.verifiers.verdict import UnknownVerifier


class Options(pydantic.BaseModel):
    """The base class of all options; also the model of a verifier without options."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False, hide_input_in_errors=True)

    def settings(self) -> dict[str, Any]:
        """The options that stand in the fingerprint: those that verdicts depend on."""
        fields = type(self).model_fields.items()
        return {name: getattr(self, name) for name, field in fields if VERDICTS_DEPEND_ON_IT in field.metadata}


class RandomOptions(Options):
    """Options of `random`."""

    rate: Share = Field(default=0.5, description="Share of the responses that are accepted")
    seed: Seed = Field(default=0, description="Another seed accepts other responses")


class InvertedOptions(Options):
    """Options of `inverted`."""

    base: Part = Field(default="sympy", description="The verifier whose verdicts are inverted")


class NoisyOptions(Options):
    """Options of `noisy`."""

    base: Part = Field(default="sympy", description="The verifier whose verdicts are taken as the truth")
    tpr: Share = Field(default=0.9, description="Share of the correct responses that are called correct")
    fpr: Share = Field(default=0.1, description="Share of the wrong responses that are called correct")
    seed: Seed = Field(default=0, description="Another seed makes errors on other responses")
    tied_to: Annotated[Literal["sample", "problem", "answer"], VERDICTS_DEPEND_ON_IT] = Field(
        default="sample",
        description="The unit of an error. `sample`: each response, equal ones separately. `problem`: all correct"
        " responses to a problem together, and all wrong ones. `answer`: all responses with the same final answer to a"
        " problem, in any notation, as with a verifier that misreads a form; without an answer, those with equal texts",
    )


class AllOfOptions(Options):
    """Options of `all_of` and `any_of`."""

    members: Parts = Field(default=("sympy", "substitution"), description="The verifiers that are combined")


class VoteOptions(Options):
    """Options of `vote`."""

    members: Parts = Field(default=("sympy", "exact", "substitution"), description="The verifiers that vote")


class CascadeOptions(Options):
    """Options of `cascade`."""

    members: Parts = Field(
        default=("sympy", "judge"), description="The verifiers, in the order in which they are applied"
    )


class ChatOptions(Options):
    """Options of a model behind an OpenAI-like server."""

    model: ModelName = Field(default="gpt-4", description="The model's name at the server")
    base_url: Address | None = Field(
        default=None,
        description="The server's address. Without it, `OPENAI_BASE_URL` of the environment, else OpenAI's. With"
        " neither key nor address, the embedded tiny judge is started",
    )
    api_key_env: Variable = Field(
        default="OPENAI_API_KEY",
        description="The environment variable that holds the key. The key is stored nowhere; a named server may need"
        " none",
    )
    prices: Prices = Field(
        default_factory=dict,
        description="Prices of tokens, by the model's name. There are no built-in prices, because they change",
    )
    max_calls: Limit | None = Field(
        default=None, description="Most answered requests, including this judge's stored ones"
    )
    max_cost_usd: Amount | None = Field(
        default=None, description="The most that they may cost, in US dollars; needs the model's price"
    )
    concurrency: Count = Field(
        default=16,
        description="Most requests in flight at once. Halved when the server refuses more than one in eight, increased"
        " by one with each round of answers",
    )
    timeout_seconds: Seconds = Field(default=60.0, description="Deadline of a whole request, its body included")
    max_attempts: Count = Field(default=6, description="Tries of a request that failed; a 429 is not counted")
    backoff_seconds: Amount = Field(default=0.5, description="First wait between two tries; it doubles")
    max_wait_seconds: Amount = Field(
        default=600.0, description="Longest time, in all, that one request waits after 429s"
    )
    batch: bool = Field(
        default=False, description="OpenAI's Batch API: half the price, within a day; `--batch` sets it"
    )
    poll_seconds: Seconds = Field(default=15.0, description="Wait between two checks of a batch")
    offline: Annotated[bool, VERDICTS_DEPEND_ON_IT] = Field(
        default=False,
        description="Sends nothing and needs no key: verdicts from stored replies, undecided where there is none;"
        " `--offline` sets it",
    )

    @pydantic.model_validator(mode="after")
    def _priced(self) -> ChatOptions:
        if self.max_cost_usd is not None and self.model not in self.prices:
            raise PydanticCustomError("unpriced", "option 'max_cost_usd' needs the model's price in option 'prices'")
        return self


class JudgeOptions(ChatOptions):
    """Options of `judge` and `judge_blind`."""

    prompt: str = Field(
        default="judge",
        description="`judge`: three labelled lines, a bare `1` or `0` back. `rubric`: criteria and short reasons first,"
        " then a last line `VERDICT: 1` or `VERDICT: 0`. `tiny`: the prompt that the embedded judge was trained on."
        " Or the path of your own file",
    )
    votes: Annotated[Count, VERDICTS_DEPEND_ON_IT] = Field(
        default=1,
        description="Requests per response. The majority of the decided votes counts, a tie is undecided"
        " (`tie 2:2`), and the score is the share of 1",
    )
    soft: Annotated[bool, VERDICTS_DEPEND_ON_IT] = Field(
        default=False, description="Asks for log-probabilities: the score is p(1) / (p(1) + p(0))"
    )
    temperature: Annotated[Number | None, VERDICTS_DEPEND_ON_IT] = Field(
        default=None,
        description="Without it, 0 for one vote and 1 for several: several votes at 0 would be the same vote",
    )
    max_tokens: Annotated[Count | None, VERDICTS_DEPEND_ON_IT] = Field(
        default=None, description="The longest reply. Without it, 16, or 512 where the prompt asks for reasons"
    )


# The verifiers that have options; the other built-in ones take none.
OPTIONS: Mapping[str, type[Options]] = MappingProxyType(
    {
        "judge": JudgeOptions,
        "judge_blind": JudgeOptions,
        "random": RandomOptions,
        "inverted": InvertedOptions,
        "noisy": NoisyOptions,
        "all_of": AllOfOptions,
        "any_of": AllOfOptions,
        "vote": VoteOptions,
        "cascade": CascadeOptions,
    }
)

# -- Errors ------------------------------------------------------------------------------------------------------------

M = TypeVar("M", bound=Options)


def read_options(model: type[M], verifier: str, table: Mapping[str, Any]) -> M:
    """The options in a table.

    Raises:
        UnknownVerifier: An option is not known or not what it has to be.
    """
    try:
        return model.model_validate(dict(table))
    except pydantic.ValidationError as error:
        message = _message(model, table, error.errors(include_url=False)[0])
    # Raised outside of `except`, so that it has no cause: that would hold the input, perhaps a key.
    raise UnknownVerifier(f"verifier {verifier!r}: {message}")


def _message(model: type[Options], table: Mapping[str, Any], error: ErrorDetails) -> str:
    if not error["loc"]:
        return error["msg"]
    option = str(error["loc"][0])
    if error["type"] == "extra_forbidden":
        return unknown_option(option, list(model.model_fields))
    if error["type"] == SECRET:
        return f"option {option!r}: {error['msg']}"
    return f"option {option!r}: found {shown(table[option])}, expected {expected(model.model_fields[option])}"


def unknown_option(option: str, known: list[str]) -> str:
    """The part of an error message that names an unknown option and the known ones."""
    listed = f"known are {', '.join(known)}" if known else "it takes none"
    return f"unknown option {option!r}{did_you_mean(option, known)}: {listed}"


def shown(value: Any) -> str:
    """A value as an error message may repeat it: short, and without a key."""
    return re.sub(LOOKS_LIKE_A_KEY, "[key]", repr(value))[:80]
