"""The mistakes in a suite in plain words: place, value found, value expected.

Takes pydantic's validation error and the model that was validated; gives one line for each mistake. Does not depend on
the settings themselves.
"""

from __future__ import annotations

import re
import typing
from collections.abc import Mapping, Sequence
from typing import Any

import pydantic

from restem.benchmarks.hints import did_you_mean
from restem.verifiers.keys import without_keys

_EXPECTED = {
    "string_pattern_mismatch": "1 to 64 letters, digits, `.`, `_` or `-`, the first a letter or a digit",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
    "string_type": "a text",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "greater_than": "a number greater than {gt}",
    "greater_than_equal": "a number greater than or equal to {ge}",
    "less_than": "a number less than {lt}",
    "less_than_equal": "a number less than or equal to {le}",
    "too_short": "at least {min_length}",
}


def explain(error: pydantic.ValidationError, model: type[pydantic.BaseModel]) -> list[str]:
    """One line for each mistake, without errors that are only consequences of others.

    Args:
        error: What the validation raised.
        model: The model that was validated.
    """
    items = error.errors(include_url=False)
    return list(dict.fromkeys(_line(item, model) for item in items if not _follows_from_another(item, items)))


def _follows_from_another(item: Any, items: Sequence[Any]) -> bool:
    """Whether an error disappears with another one: a default that needs a wrong field, a list without a wrong item."""
    if item["type"] == "default_factory_not_called":
        return True
    return item["type"] == "too_short" and any(
        len(other["loc"]) > len(item["loc"]) and other["loc"][: len(item["loc"])] == item["loc"] for other in items
    )


def _line(item: Any, model: type[pydantic.BaseModel]) -> str:
    """One of pydantic's errors in our words: place, value found, value expected."""
    path, type_, context = item["loc"], item["type"], item.get("ctx", {})
    where, inner = path[:1], path[1:]
    if where == ("tests",):
        where, inner = path[:2], path[2:]
    if where and where[0] in ("benchmark", "tests") and type_ != "value_error":  # an error a type
        if inner[:1] == ("regime",):
            return f"{'.'.join(where)}.regime: expected the name of a regime, or a pair of numbers"
        if inner[:1] == ("parts",) and inner[2:]:
            place = ".".join((*where, *inner[:2]))
            return f"{place}: expected the name of a regime, `default`, or a pair of numbers"
    place, (*parents, last) = ".".join(map(str, path)), path or ("",)
    value = f"{without_keys(repr(item['input'])):.80}"
    if type_ == "extra_forbidden":
        return f"{place}: unknown key{hint(str(last), list(_fields(model, parents)))}"
    if type_ == "missing":
        field = _fields(model, parents).get(last)
        return f"{place}: missing" + (f": {field.description}" if field is not None and field.description else "")
    if type_ == "value_error":
        message = str(context["error"])
        shown = isinstance(item["input"], str | int | float | bool) and value not in message
        return (f"{place}: " if place else "") + message + (f", found {value}" if shown else "")
    if type_ in ("literal_error", "enum"):
        known = re.findall(r"'([^']*)'", context["expected"])
        return f"{place}: found {value}, expected {context['expected']}{did_you_mean(str(item['input']), known)}"
    if type_ in _EXPECTED:
        return f"{place or 'suite'}: found {value}, expected {_EXPECTED[type_].format(**context)}"
    return f"{place or 'suite'}: {item['msg']} (found {value})"


def hint(word: str, known: Sequence[str]) -> str:
    """The closest known name, or all of them where none is close."""
    return did_you_mean(word, known) or (f": known are {', '.join(known)}" if known else "")


def _fields(model: Any, path: Sequence[Any]) -> Mapping[str, Any]:
    """The fields of the table at a place; empty where the table's keys are free."""
    named = False  # whether the next part is a name that the suite gives a table
    for part in path:
        if isinstance(part, str) and hasattr(model, "model_fields") and not named:
            annotation = model.model_fields[part].annotation
            inner = [a for a in getattr(annotation, "__args__", ()) if hasattr(a, "model_fields")]
            model = inner[0] if inner else annotation
            named = bool(inner) and typing.get_origin(annotation) is dict
        else:
            named = False
    return getattr(model, "model_fields", {})
