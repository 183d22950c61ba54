"""Types of options: the expected value, its check, and its description in words.

Takes values from TOML files and command lines; gives checked values, or errors without secrets in them. It does not
depend on which verifier has which option.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
import types
from typing import Annotated, Any, Literal, TypeAlias, Union, get_args, get_origin
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

from restem.verifiers.keys import without_keys
from restem.verifiers.verdict import UnknownVerifier

SECRET = "secret"  # the type of errors whose value is never shown


class Expected(str):
    """The expected value in words, where type and bounds do not describe it."""


VERDICTS_DEPEND_ON_IT = object()
"""Metadata of an option that is part of the fingerprint, under its name."""
WHERE_SET = object()
"""Metadata of an option that is part of the fingerprint where it differs from its default: an option that was added
later, with a default that keeps the verdicts and fingerprints of before."""
BY_CONTENT = object()
"""Metadata of an option that is part of the fingerprint by what it names: verifiers, or a prompt."""


@dataclasses.dataclass(frozen=True)
class MayDiffer:
    """Metadata of a setting that may have another value when a run is resumed.

    It changes no sample, verdict or selection: budgets, prices, waits, addresses. A setting without it may not differ.

    Attributes:
        only: What of it may differ, in words; empty: all of it. The rest is compared by its content.
        grows: Whether it may only become larger.
    """

    only: str = ""
    grows: bool = False

    def __str__(self) -> str:
        return self.only or ("may grow" if self.grows else "yes")


MAY_DIFFER = MayDiffer()


def may_differ(field: FieldInfo) -> MayDiffer | None:
    """The mark of a setting that may differ when a run is resumed; None where it may not."""
    return next((item for item in field.metadata if isinstance(item, MayDiffer)), None)


# What a request holds already; `stream` and `n` would change the form of the reply.
OWN_PARAMETERS = (
    *("model", "messages", "temperature", "max_tokens", "max_completion_tokens", "seed", "logprobs", "top_logprobs"),
    *("reasoning_effort", "stream", "n"),
)


def no_secret(value: str) -> str:
    """The text, unless it looks like a key: options are stored in the run and shown in error messages."""
    if without_keys(value) != value:
        raise PydanticCustomError(SECRET, "holds a key; put it into the variable named by api_key_env")
    return value


def variable_name(value: str) -> str:
    """The name of an environment variable: one that is set, or a word in capitals, which no key is."""
    if not re.fullmatch(r"[A-Z_][A-Z0-9_]{0,63}", value) and value not in os.environ:
        raise PydanticCustomError(
            SECRET,
            "what is found is not shown, it may be a key; expected the NAME of an environment variable that holds one",
        )
    return value


def web_address(address: str) -> str:
    """The address without a trailing slash.

    Raises:
        UnknownVerifier: It is not a web address, or it holds credentials or a query, which may hold some and would
            be stored in the run. The message does not repeat them.
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


def _extra_body(value: dict[str, Any]) -> dict[str, Any]:
    """The table, unless it holds a key, what JSON cannot hold, or a parameter that the request sets itself."""
    if taken := sorted(OWN_PARAMETERS & value.keys()):
        raise PydanticCustomError(
            "taken", "{taken} stands in every request and cannot be set here", {"taken": taken[0]}
        )
    try:
        no_secret(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError) as error:
        if isinstance(error, PydanticCustomError):
            raise
        raise PydanticCustomError("no_json", "a value that JSON cannot hold") from None
    return value


def as_tuple(value: Any) -> Any:
    """A list as a tuple, which a frozen model holds; anything else as it is."""
    return tuple(value) if isinstance(value, list) else value


Fraction: TypeAlias = Annotated[float, Field(ge=0, le=1)]
Share: TypeAlias = Annotated[Fraction, VERDICTS_DEPEND_ON_IT]
Seed: TypeAlias = Annotated[int, VERDICTS_DEPEND_ON_IT]
Count: TypeAlias = Annotated[int, Field(ge=1)]
Limit: TypeAlias = Annotated[int, Field(ge=0)]
Amount: TypeAlias = Annotated[float, Field(ge=0)]
Number: TypeAlias = Limit | Amount  # an integer stays an integer, because the request that holds it is hashed
Seconds: TypeAlias = Annotated[float, Field(ge=0.001)]
Part: TypeAlias = Annotated[str, Expected("the name of a verifier"), BY_CONTENT]
Parts: TypeAlias = Annotated[
    tuple[str, ...],
    BeforeValidator(as_tuple),
    Field(min_length=1),
    Expected("a list of verifiers' names, at least 1"),
    BY_CONTENT,
]
Price: TypeAlias = Annotated[tuple[Amount, Amount], BeforeValidator(as_tuple)]
Prices: TypeAlias = Annotated[
    dict[str, Price], Expected("{model: [USD per 10^6 prompt tokens, USD per 10^6 completion tokens]}, from 0")
]
Address: TypeAlias = Annotated[str, AfterValidator(_address), Expected("http(s)://host[:port]/path")]
ModelName: TypeAlias = Annotated[str, AfterValidator(no_secret), Field(min_length=1), Expected("a text")]
Body: TypeAlias = Annotated[
    dict[str, Any], AfterValidator(_extra_body), Expected("a table of further parameters"), WHERE_SET
]
Effort: TypeAlias = Annotated[str, AfterValidator(no_secret), Field(min_length=1), Expected("a text")]
Variable: TypeAlias = Annotated[str, AfterValidator(variable_name), Expected("the name of an environment variable")]


def expected(field: FieldInfo) -> str:
    """The expected value of an option in words, such as `a number from 0 to 1`."""
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
