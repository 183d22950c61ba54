"""The options of the built-in verifiers: names, defaults, bounds and help, each written once.

Takes a verifier's table of a suite or command; gives a frozen model, or one error that names verifier, option, value
found and value expected. The error messages, the settings in a fingerprint, and the tables in the docs all come from
these models. It does not depend on the verifiers, and importing it loads nothing but pydantic.
"""

from __future__ import annotations

import os
import re
import types
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias, TypeVar, Union, get_args, get_origin
from urllib.parse import urlsplit

import pydantic
from pydantic import BeforeValidator, ConfigDict, Field
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, PydanticCustomError

from restem.benchmarks.hints import did_you_mean
from restem.verifiers.verdict import UnknownVerifier

LOOKS_LIKE_A_KEY = r"\bsk-[\w*-]{8,}"
SECRET = "secret"  # the type of errors whose value is never shown


class Expected(str):
    """What a value has to be, where its type and bounds do not say it."""


VERDICTS_DEPEND_ON_IT = object()
"""Marks an option that stands in the fingerprint under its own name."""


# -- Types of options --------------------------------------------------------------------------------------------------


def no_secret(value: str) -> str:
    """The text, which is written into the run and perhaps shown, so it must not be a key."""
    if re.search(LOOKS_LIKE_A_KEY, value):
        raise PydanticCustomError(SECRET, "holds a key; put it into the variable named by api_key_env")
    return value


def variable_name(value: str) -> str:
    """The name of an environment variable: set, or in capitals, as no key is."""
    if not re.fullmatch(r"[A-Z_][A-Z0-9_]{0,63}", value) and value not in os.environ:
        raise PydanticCustomError(
            SECRET,
            "what is found is not shown, it may be a key; expected the NAME of an environment variable that holds one",
        )
    return value


def web_address(address: str) -> str:
    """The address without a trailing slash.

    Raises:
        UnknownVerifier: It is no web address, or it holds credentials, or a query, which may be one: they would be
            written into the run. No message repeats them.
    """
    if fault := _address_fault(address):
        raise UnknownVerifier(f"judge: option 'base_url': {fault}")
    return address.rstrip("/")


def _address_fault(address: str) -> str | None:
    form = "http(s)://host[:port]/path"
    try:
        parts = urlsplit(address)
        whole = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return f"no web address; expected {form}"
    if not whole:
        return f"no web address; expected {form}"
    if "@" in parts.netloc or {"?", "#"} & set(address):
        return f"holds credentials or a query; expected {form}, and the key in the variable named by api_key_env"
    return None


def _address(value: str) -> str:
    if fault := value and _address_fault(value):
        raise PydanticCustomError(SECRET, "{fault}", {"fault": fault})
    return no_secret(value)


def _as_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


Share: TypeAlias = Annotated[float, Field(ge=0, le=1), VERDICTS_DEPEND_ON_IT]
Seed: TypeAlias = Annotated[int, VERDICTS_DEPEND_ON_IT]
Count: TypeAlias = Annotated[int, Field(ge=1)]
Limit: TypeAlias = Annotated[int, Field(ge=0)]
Amount: TypeAlias = Annotated[float, Field(ge=0)]
Number: TypeAlias = Limit | Amount  # a whole number stays one: it is hashed as it is sent
Seconds: TypeAlias = Annotated[float, Field(ge=0.001)]
Part: TypeAlias = Annotated[str, Expected("the name of a verifier")]
Parts: TypeAlias = Annotated[
    tuple[str, ...], BeforeValidator(_as_tuple), Field(min_length=1), Expected("a list of verifiers' names, at least 1")
]
Price: TypeAlias = Annotated[tuple[Amount, Amount], BeforeValidator(_as_tuple)]
Prices: TypeAlias = Annotated[
    dict[str, Price], Expected("{model: [USD per 10^6 prompt tokens, USD per 10^6 completion tokens]}, from 0")
]
Address: TypeAlias = Annotated[str, pydantic.AfterValidator(_address), Expected("http(s)://host[:port]/path")]
Model: TypeAlias = Annotated[str, pydantic.AfterValidator(no_secret)]
Variable: TypeAlias = Annotated[
    str, pydantic.AfterValidator(variable_name), Expected("the name of an environment variable")
]


# -- The models --------------------------------------------------------------------------------------------------------


class Options(pydantic.BaseModel):
    """What every verifier's options have in common; a verifier without options takes this very model."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False, hide_input_in_errors=True)

    def settings(self) -> dict[str, Any]:
        """The options that stand in the fingerprint: those that verdicts depend on."""
        fields = type(self).model_fields.items()
        return {name: getattr(self, name) for name, field in fields if VERDICTS_DEPEND_ON_IT in field.metadata}


class RandomOptions(Options):
    """Options of `random`."""

    rate: Share = Field(default=0.5, description="share of the responses that are accepted")
    seed: Seed = Field(default=0, description="another seed accepts other responses")


class InvertedOptions(Options):
    """Options of `inverted`."""

    base: Part = Field(default="sympy", description="whose verdicts are turned round")


class NoisyOptions(Options):
    """Options of `noisy`."""

    base: Part = Field(default="sympy", description="whose verdicts are taken as the truth")
    tpr: Share = Field(default=0.9, description="share of the correct responses that are called correct")
    fpr: Share = Field(default=0.1, description="share of the wrong responses that are called correct")
    seed: Seed = Field(default=0, description="another seed errs on other responses")
    tied_to: Annotated[Literal["sample", "problem", "answer"], VERDICTS_DEPEND_ON_IT] = Field(
        default="sample",
        description="what errs together: each response by itself; a problem's correct responses and its wrong ones;"
        " or equal final answers to a problem",
    )


class AllOfOptions(Options):
    """Options of `all_of` and `any_of`."""

    members: Parts = Field(default=("sympy", "substitution"), description="the verifiers that it is made of")


class VoteOptions(Options):
    """Options of `vote`."""

    members: Parts = Field(default=("sympy", "exact", "substitution"), description="the verifiers that vote")


class CascadeOptions(Options):
    """Options of `cascade`."""

    members: Parts = Field(default=("sympy", "judge"), description="the verifiers in the order in which they are asked")


class ChatOptions(Options):
    """Options of a model behind an OpenAI-like server."""

    model: Annotated[Model, VERDICTS_DEPEND_ON_IT] = Field(
        default="gpt-4", description="the model's name at the server"
    )
    base_url: Address | None = Field(
        default=None,
        description="the server; left out: `OPENAI_BASE_URL` of the environment, then OpenAI's own address",
    )
    api_key_env: Variable = Field(
        default="OPENAI_API_KEY",
        description="variable that holds the key; a named server may need none",
    )
    concurrency: Count = Field(default=16, description="requests in flight at once; fewer where the server refuses")
    timeout_seconds: Seconds = Field(default=60.0, description="deadline of a whole request, its body included")
    max_attempts: Count = Field(default=6, description="tries per request, 429 not counted")
    max_wait_seconds: Amount = Field(
        default=600.0, description="longest time that 429s may hold one request back, in all"
    )
    backoff_seconds: Amount = Field(default=0.5, description="first wait between two tries; it doubles")
    prices: Prices = Field(
        default_factory=dict, description="model name to USD per 10^6 prompt tokens and per 10^6 completion tokens"
    )
    max_calls: Limit | None = Field(
        default=None, description="answered requests, at most; stored ones of this judge count"
    )
    max_cost_usd: Amount | None = Field(
        default=None, description="the same in US dollars; needs the model's price in `prices`"
    )
    offline: Annotated[bool, VERDICTS_DEPEND_ON_IT] = Field(
        default=False, description="send nothing: stored replies alone, undecided for the rest; needs no key"
    )
    batch: bool = Field(default=False, description="send requests by OpenAI's Batch API: half the price, within a day")
    poll_seconds: Seconds = Field(default=15.0, description="wait between two looks at a batch")

    @pydantic.model_validator(mode="after")
    def _priced(self) -> ChatOptions:
        if self.max_cost_usd is not None and self.model not in self.prices:
            raise PydanticCustomError("unpriced", "option 'max_cost_usd' needs the model's price in option 'prices'")
        return self


class JudgeOptions(ChatOptions):
    """Options of `judge` and `judge_blind`."""

    prompt: str = Field(
        default="judge",
        description="`judge` (a bare 1 or 0), `rubric` (reasons first), `tiny` (what the embedded judge was trained"
        " on), or the path of a file with the places `{question}`, `{response}`, `{reference}` (not for `judge_blind`)"
        " and perhaps `{fence}`",
    )
    votes: Annotated[Count, VERDICTS_DEPEND_ON_IT] = Field(default=1, description="how often each attempt is asked")
    soft: Annotated[bool, VERDICTS_DEPEND_ON_IT] = Field(
        default=False,
        description="the score is p(1) / (p(1) + p(0)), where the server sends log-probabilities",
    )
    temperature: Annotated[Number | None, VERDICTS_DEPEND_ON_IT] = Field(
        default=None, description="left out: 0 for one vote, 1 for several"
    )
    max_tokens: Annotated[Count | None, VERDICTS_DEPEND_ON_IT] = Field(
        default=None, description="longest reply; left out: 16, or 512 where the prompt asks for reasons"
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
        message = _message(model, error.errors(include_url=False)[0])
    raise UnknownVerifier(f"verifier {verifier!r}: {message}")  # out here, so that no input hangs behind it


def _message(model: type[Options], error: ErrorDetails) -> str:
    if not error["loc"]:
        return error["msg"]
    option = str(error["loc"][0])
    if error["type"] == "extra_forbidden":
        return unknown_option(option, list(model.model_fields))
    if error["type"] == SECRET:
        return f"option {option!r}: {error['msg']}"
    return f"option {option!r}: found {shown(error['input'])}, expected {expected(model.model_fields[option])}"


def unknown_option(option: str, known: list[str]) -> str:
    """The end of a message about an option that does not exist."""
    listed = f"known are {', '.join(known)}" if known else "it takes none"
    return f"unknown option {option!r}{did_you_mean(option, known)}: {listed}"


def shown(value: Any) -> str:
    """A value as an error message may repeat it: short, and without a key."""
    return re.sub(LOOKS_LIKE_A_KEY, "[key]", repr(value))[:80]


def expected(field: FieldInfo) -> str:
    """What an option's value has to be: `a number from 0 to 1`."""
    return _expected(field.annotation, field.metadata)


_NAMES = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}


def _expected(annotation: Any, metadata: Any) -> str:
    if words := [item for item in metadata if isinstance(item, Expected)]:
        return words[0]
    if get_origin(annotation) is Annotated:
        inner, *more = get_args(annotation)
        return _expected(inner, [*metadata, *more])
    if get_origin(annotation) in (Union, types.UnionType):
        return _expected([part for part in get_args(annotation) if part is not types.NoneType][-1], metadata)
    if get_origin(annotation) is Literal:
        return f"one of {', '.join(get_args(annotation))}"
    bounds = {
        name: getattr(item, name)
        for outer in metadata
        for item in (outer.metadata if isinstance(outer, FieldInfo) else [outer])
        for name in ("ge", "le")
        if hasattr(item, name)
    }
    text = _NAMES[annotation]
    if "le" in bounds:
        return f"{text} from {bounds['ge']:g} to {bounds['le']:g}"
    return f"{text} of at least {bounds['ge']:g}" if bounds else text
