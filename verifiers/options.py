"""The options of the built-in verifiers: names, defaults, bounds and help, each written once.

Takes a verifier's table of a suite or command; gives a frozen model, or one error that names verifier, option, value
found and value expected. Error messages, the settings in a fingerprint, and the tables in the docs are all made from
these models. It does not depend on the verifiers, and importing it loads nothing but pydantic.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Annotated, Any, Literal, TypeVar

import pydantic
from pydantic import BeforeValidator, ConfigDict, Field
from pydantic_core import ErrorDetails, PydanticCustomError

from restem.benchmarks.hints import did_you_mean
from restem.verifiers.keys import place_of_key, without_keys
from restem.verifiers.option_types import (
    BY_CONTENT,
    MAY_DIFFER,
    SECRET,
    VERDICTS_DEPEND_ON_IT,
    WHERE_SET,
    Address,
    Amount,
    Body,
    Count,
    Effort,
    Expected,
    Fraction,
    Limit,
    MayDiffer,
    ModelName,
    Number,
    Part,
    Parts,
    Prices,
    Seconds,
    Seed,
    Share,
    Variable,
    as_tuple,
    expected,
)
from restem.verifiers.verdict import UnknownVerifier


class Options(pydantic.BaseModel):
    """The base class of all options; also the model of a verifier without options."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False, hide_input_in_errors=True)

    @pydantic.model_validator(mode="before")
    @classmethod
    def _without_keys(cls, table: Any) -> Any:
        """The table, unless it holds a key anywhere: options are stored in the run, and errors show them."""
        if (place := place_of_key(table)) is not None:
            message = "option '{place}': holds a key; put it into an environment variable"
            raise PydanticCustomError(SECRET, message, {"place": ".".join(place)})
        return table

    def settings(self) -> dict[str, Any]:
        """The options that stand in the fingerprint: those that verdicts depend on."""
        settings: dict[str, Any] = {}
        for name, field in type(self).model_fields.items():
            value = getattr(self, name)
            if VERDICTS_DEPEND_ON_IT in field.metadata or (
                WHERE_SET in field.metadata and value != field.get_default(call_default_factory=True, validated_data={})
            ):
                settings[name] = value
        return settings


class SympyOptions(Options):
    """Options of `sympy`."""

    evaluated: Annotated[bool, VERDICTS_DEPEND_ON_IT] = Field(
        default=True,
        description="Whether an answer that only repeats the expression of a question such as `Compute 12*34.`,"
        " `Simplify ...` or `Factor ...` is undecided; otherwise it is correct, because its value is",
    )


class ReasoningGymOptions(Options):
    """Options of `reasoning_gym`."""

    threshold: Annotated[float, Field(ge=0.01, le=1), VERDICTS_DEPEND_ON_IT] = Field(
        default=1.0,
        description="The task's own score from which an answer is correct. Tasks give part of the score to answers"
        " that are partly right, badly formatted, or merely contain the right one, so only 1 means right",
    )


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
    tied_to: Annotated[Literal["sample", "draw", "problem", "answer"], VERDICTS_DEPEND_ON_IT] = Field(
        default="sample",
        description="The unit of an error. `sample`: each response, equal ones separately. `draw`: the same, and anew"
        " for every set of responses to a problem, so that a text which a later iteration draws again can get another"
        " verdict. `problem`: all correct responses to a problem together, and all wrong ones. `answer`: all responses"
        " with the same final answer to a problem, in any notation, as with a verifier that misreads a form; without an"
        " answer, those with equal texts",
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


class UnitTestsOptions(Options):
    """Options of `unit_tests`."""

    tests: Annotated[Literal["all", "subset", "visible"], VERDICTS_DEPEND_ON_IT] = Field(
        default="all",
        description="Which tests count. `all`: the problem's (hidden) tests. `subset`: a share of their assertions."
        " `visible`: those that the question shows",
    )
    share: Share = Field(default=0.2, description="Share of the assertions that `subset` keeps, at least one")
    seed: Seed = Field(default=0, description="Another seed keeps other assertions")
    seconds: Annotated[Seconds, VERDICTS_DEPEND_ON_IT] = Field(
        default=5.0, description="Limit of the program's processor time, in whole seconds; the tests have as much"
    )
    wall_seconds: Annotated[Seconds, VERDICTS_DEPEND_ON_IT] = Field(
        default=30.0, description="Limit of the time until the last answer of the program, its waits included"
    )
    memory_mb: Annotated[Count, VERDICTS_DEPEND_ON_IT] = Field(
        default=512, description="Limit of the program's memory, in MiB; the tests have as much"
    )
    at_once: Annotated[Count | None, MAY_DIFFER] = Field(
        default=None, description="Most programs that run at the same time. Without it, one per processor"
    )


class GradedOptions(Options):
    """Options of every verifier whose verdict is a number of somebody else's."""

    threshold: Annotated[float, VERDICTS_DEPEND_ON_IT] = Field(
        default=0.5, description="The number from which a response is correct; below it is wrong"
    )
    key: Annotated[str | None, VERDICTS_DEPEND_ON_IT] = Field(
        default=None,
        description="Where a dict is given, the key of its number. Without it the first of `score`, `reward`,"
        " `rewards`, `reward_score`, `value`, `acc`, `correct`",
    )
    seconds: Annotated[Seconds, VERDICTS_DEPEND_ON_IT] = Field(default=15.0, description="Limit of one call")


class RewardOptions(GradedOptions):
    """Options of foreign reward functions: `trl:FILE:FUNCTION`, `verl:FILE:FUNCTION` and the like."""

    keywords: Annotated[dict[str, Any], Expected("a table of keyword arguments"), VERDICTS_DEPEND_ON_IT] = Field(
        default_factory=dict,
        description="Further keyword arguments of each call, such as verl's `reward_kwargs`, or the arguments of an"
        " Inspect scorer. They take precedence over columns of the same name",
    )
    completions: Annotated[Literal["auto", "text", "messages"], VERDICTS_DEPEND_ON_IT] = Field(
        default="auto",
        description="How a TRL function is given prompts and completions: as texts or as lists of chat messages."
        " `auto` takes messages where the function reads the field `content`, and the other form where the first call"
        " raises",
    )
    memory_mb: Annotated[Count, VERDICTS_DEPEND_ON_IT] = Field(
        default=4096, description="Limit of the calls' memory, in MiB, beside what the imports use"
    )
    start_seconds: Annotated[Seconds, MAY_DIFFER] = Field(default=120.0, description="Limit of the imports")
    environment: Annotated[tuple[Variable, ...], BeforeValidator(as_tuple), Expected("a list of variables' names")] = (
        Field(
            default=(),
            description="Names of environment variables that the function sees; others, such as keys, it does not see",
        )
    )
    python: Annotated[str | None, Expected("the path of an interpreter")] = Field(
        default=None,
        description="The Python that runs the function, such as `~/trainer/.venv/bin/python`: 3.11 or newer, and"
        " `restem` need not be installed there. Without it, the one that runs this command",
    )


class ServerOptions(GradedOptions):
    """Options of a server of rewards, `http://HOST:PORT/verify`."""

    shape: Annotated[Literal["auto", "nemo_gym", "slime", "openrlhf"], VERDICTS_DEPEND_ON_IT] = Field(
        default="auto",
        description="What is sent. `nemo_gym`: a Responses object and the problem's columns, as NeMo Gym's agents do."
        ' `slime`: `{"prompt", "response", "label"}`. `openrlhf`: `{"query", "prompts", "labels"}`, lists of one.'
        " `auto` is `nemo_gym` for an address that ends with `/verify`, else `slime`",
    )
    at_once: Annotated[Count, MAY_DIFFER] = Field(default=16, description="Most requests in flight at once")


_OFF = ("none", "off", "disabled", "false", "")


def _items(table: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The keys and values of a table and of the tables in it."""
    for key, value in table.items():
        yield key, value
        if isinstance(value, dict):
            yield from _items(value)


def _switches_on(value: Any) -> bool:
    """Whether a value under a key that is named after reasoning switches it on: `{type = "disabled"}` does not."""
    if isinstance(value, dict):
        return not any(inner in _OFF for inner in value.values() if isinstance(inner, str)) and value != {}
    return value not in (None, False, 0, *_OFF)


class ChatOptions(Options):
    """Options of a model behind an OpenAI-like server."""

    model: Annotated[ModelName | None, VERDICTS_DEPEND_ON_IT] = Field(
        default=None,
        description="The model's name at the server. It has to be given, except for the embedded judge: providers"
        " switch models off, so no name is right for long. `restem judge models` lists those of a server",
    )
    check_model: Annotated[bool, MAY_DIFFER] = Field(
        default=True,
        description="Before the first request the server's list (`GET /models`) is read: a model that is not in it, or"
        " that is switched off within seven days, is an error. `false` where the list is known to be incomplete",
    )
    reasoning_effort: Annotated[Effort | None, WHERE_SET] = Field(
        default=None,
        description="How much a reasoning model thinks, as its server names it: `none`, `low`, `medium`, `high`",
    )
    extra_body: Body = Field(
        default_factory=dict,
        description="Further parameters of a request, sent as they are, such as `chat_template_kwargs`",
    )
    base_url: Annotated[Address | None, MayDiffer(only="the port on this machine")] = Field(
        default=None,
        description="The server's address. Without it, `OPENAI_BASE_URL` of the environment, else OpenAI's. With"
        " neither key nor address, the embedded tiny judge is started",
    )
    api_key_env: Annotated[Variable, MAY_DIFFER] = Field(
        default="OPENAI_API_KEY",
        description="The environment variable that holds the key. The key is stored nowhere; a named server may need"
        " none, and then this option is left out",
    )
    prices: Annotated[Prices, MAY_DIFFER] = Field(
        default_factory=dict,
        description="Prices of tokens, by the model's name. There are no built-in prices, because they change",
    )
    max_calls: Annotated[Limit | None, MAY_DIFFER] = Field(
        default=None,
        description="Most requests. Earlier ones count, and those that may have been billed without a reply",
    )
    max_cost_usd: Annotated[Amount | None, MAY_DIFFER] = Field(
        default=None, description="The most that they may cost, in US dollars; needs the model's price"
    )
    concurrency: Annotated[Count, MAY_DIFFER] = Field(
        default=16,
        description="Most requests in flight at once. Halved when the server refuses more than one in eight, increased"
        " by one with each round of answers",
    )
    timeout_seconds: Annotated[Seconds, MAY_DIFFER] = Field(
        default=60.0, description="Deadline of a whole request, its body included"
    )
    max_attempts: Annotated[Count, MAY_DIFFER] = Field(
        default=6, description="Tries of a request that failed; a 429 is not counted"
    )
    backoff_seconds: Annotated[Amount, MAY_DIFFER] = Field(
        default=0.5, description="First wait between two tries; it doubles"
    )
    max_wait_seconds: Annotated[Amount, MAY_DIFFER] = Field(
        default=600.0, description="Longest time, in all, that one request waits after 429s"
    )
    batch: Annotated[bool, MAY_DIFFER] = Field(
        default=False, description="OpenAI's Batch API: half the price, within a day; `--batch` sets it"
    )
    poll_seconds: Annotated[Seconds, MAY_DIFFER] = Field(default=15.0, description="Wait between two checks of a batch")
    offline: Annotated[bool, VERDICTS_DEPEND_ON_IT] = Field(
        default=False,
        description="Sends nothing and needs no key: verdicts from stored replies, undecided where there is none;"
        " `--offline` sets it",
    )

    @property
    def reasons(self) -> bool:
        """Whether the options switch on the model's own reasoning."""
        keyed = (value for key, value in _items(self.extra_body) if re.search("think|reason", key, re.IGNORECASE))
        return self.reasoning_effort not in (None, *_OFF) or any(_switches_on(value) for value in keyed)

    @pydantic.model_validator(mode="after")
    def _priced(self) -> ChatOptions:
        if self.max_cost_usd is not None and self.model not in self.prices:
            raise PydanticCustomError("unpriced", "option 'max_cost_usd' needs the model's price in option 'prices'")
        return self


class JudgeOptions(ChatOptions):
    """Options of `judge` and `judge_blind`."""

    prompt: Annotated[str, BY_CONTENT] = Field(
        default="judge",
        description="`judge`: three labelled lines, a bare `1` or `0` back. `rubric`: criteria and short reasons first,"
        " then a last line `VERDICT: 1` or `VERDICT: 0`. `commit_first`: the judge solves the question before it sees"
        " the response. `tiny`: the prompt that the embedded judge was trained on. Or the path of your own file",
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
        default=None,
        description="The longest reply. Without it, 16; 512 where the prompt asks for reasons; 4,096 where"
        " `reasoning_effort` or `extra_body` switches the model's own reasoning on",
    )
    max_unreadable: Annotated[Fraction, MAY_DIFFER] = Field(
        default=0.2,
        description="The judge stops when more than this share of its replies, of at least 20, are unreadable. 1 never"
        " stops it",
    )


# The verifiers that have options; the other built-in ones take none.
OPTIONS: Mapping[str, type[Options]] = MappingProxyType(
    {
        "judge": JudgeOptions,
        "judge_blind": JudgeOptions,
        "sympy": SympyOptions,
        "reasoning_gym": ReasoningGymOptions,
        "random": RandomOptions,
        "inverted": InvertedOptions,
        "noisy": NoisyOptions,
        "all_of": AllOfOptions,
        "any_of": AllOfOptions,
        "vote": VoteOptions,
        "cascade": CascadeOptions,
        "unit_tests": UnitTestsOptions,
    }
)
# Those of verifiers that are named by a place, such as a file or an address, and not by a name of their own.
PLACED: Mapping[str, type[Options]] = MappingProxyType({"reward": RewardOptions, "server": ServerOptions})

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
    return without_keys(repr(value))[:80]
