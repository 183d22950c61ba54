"""Plain values as JSON and back, with their exact types: what a program and its tests exchange.

Takes and gives None, booleans, numbers, texts, bytes, lists, tuples, sets, dictionaries, ranges and iterators over
these. A value of a subclass is written as its plain base, so that no method of the program is called in the process
of the tests: a list whose `__eq__` is always true arrives as a plain list, and an object that is no plain value arrives
as an `Opaque`. Depends on nothing of ours.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from typing import Any

MAX_BYTES = 1 << 20  # of one encoded value
MAX_DEPTH = 100
MAX_ITEMS = 100_000  # taken from an iterator
_PLAIN_INT = 1 << 53  # larger whole numbers are written in base 16, which takes linear time


class Malformed(ValueError):
    """An encoded value is not what `encoded` writes."""


class Unplain(ValueError):
    """A value is not plain; the message is the name of its type."""


class UndecidableUse(BaseException):
    """A test used an `Opaque` in a way whose result is not known. No `except Exception` of a test catches it."""


class Opaque:
    """A value that is no plain data. It is equal to itself alone; any other use raises `UndecidableUse`."""

    def __init__(self, type_name: str) -> None:
        object.__setattr__(self, "_type_name", type_name)

    def _refuse(self, *_: object) -> Any:
        raise UndecidableUse(object.__getattribute__(self, "_type_name"))

    __getattr__ = __bool__ = __iter__ = __len__ = __call__ = __getitem__ = __contains__ = _refuse
    __lt__ = __le__ = __gt__ = __ge__ = __add__ = __radd__ = __sub__ = __rsub__ = __int__ = __float__ = __index__ = (
        _refuse
    )


def encoded(value: Any) -> bytes:
    """The value as JSON on one line, without a newline.

    Raises:
        Unplain: It is no plain value, or too large or too deep.
    """
    try:
        data = json.dumps(_encode(value, 0)).encode()
    except (RecursionError, TypeError, ValueError) as problem:
        raise Unplain(str(problem) if isinstance(problem, Unplain) else type(value).__name__) from None
    if len(data) > MAX_BYTES:
        raise Unplain(f"{type(value).__name__} of {len(data)} bytes")
    return data


def _encode(value: Any, depth: int) -> Any:
    if depth > MAX_DEPTH:
        raise Unplain("deeply nested value")
    if value is None or value is True or value is False:
        return value
    kind = type(value)
    for base, encode in _ENCODERS.items():
        if issubclass(kind, base):
            return encode(value, depth + 1)
    if issubclass(kind, Iterator):
        items = list(itertools.islice(value, MAX_ITEMS + 1))
        if len(items) > MAX_ITEMS:
            raise Unplain(f"endless {kind.__name__}")
        return {"iterator": _all(items, depth + 1)}
    raise Unplain(kind.__name__)


def _encode_int(value: int, _: int) -> Any:
    number = int.__add__(value, 0)
    return number if -_PLAIN_INT < number < _PLAIN_INT else {"int": hex(number)}


def _all(items: Any, depth: int) -> list[Any]:
    return [_encode(item, depth) for item in items]


def _encode_dict(value: dict[Any, Any], depth: int) -> Any:
    return {"dict": [[_encode(key, depth), _encode(item, depth)] for key, item in dict.items(value)]}


def _encode_complex(value: complex, _: int) -> Any:
    return {"complex": [float(value.real), float(value.imag)]}


# The methods are those of the plain types, which a subclass cannot replace.
_ENCODERS: dict[type, Callable[[Any, int], Any]] = {
    int: _encode_int,
    float: lambda value, _: float.__pos__(value),
    str: lambda value, _: str.__str__(value),
    list: lambda value, depth: _all(list.__iter__(value), depth),
    tuple: lambda value, depth: {"tuple": _all(tuple.__iter__(value), depth)},
    dict: _encode_dict,
    set: lambda value, depth: {"set": _all(set.__iter__(value), depth)},
    frozenset: lambda value, depth: {"frozenset": _all(frozenset.__iter__(value), depth)},
    bytes: lambda value, _: {"bytes": bytes.hex(value)},
    complex: _encode_complex,
    range: lambda value, _: {"range": [value.start, value.stop, value.step]},
}


def decoded(value: Any) -> Any:
    """The value that was encoded, from what `json.loads` reads.

    Raises:
        Malformed: `encoded` writes no such JSON.
    """
    try:
        return _decode(value)
    except (ValueError, TypeError, KeyError, RecursionError, OverflowError, MemoryError) as problem:
        raise Malformed(f"{type(problem).__name__}: {problem}"[:200]) from None


def opaque(type_name: str) -> bytes:
    """The JSON that stands for a value which is not plain."""
    return json.dumps({"opaque": type_name[:80]}).encode()


def opaque_type(value: Any) -> str | None:
    """The type's name of the first value that is not plain, in what `json.loads` reads; None where all are."""
    if isinstance(value, dict) and "opaque" in value:
        return str(value["opaque"])[:80]
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return next((name for name in map(opaque_type, items) if name is not None), None)


def _decode(value: Any) -> Any:
    if isinstance(value, list):
        return [_decode(item) for item in value]
    if not isinstance(value, dict):
        return value
    ((kind, inner),) = value.items()
    return _DECODERS[kind](inner)


def _decode_dict(items: Any) -> dict[Any, Any]:
    return {_decode(key): _decode(item) for key, item in items}


_DECODERS: dict[str, Callable[[Any], Any]] = {
    "int": lambda text: int(text, 16),
    "tuple": lambda items: tuple(map(_decode, items)),
    "dict": _decode_dict,
    "set": lambda items: set(map(_decode, items)),
    "frozenset": lambda items: frozenset(map(_decode, items)),
    "bytes": bytes.fromhex,
    "complex": lambda parts: complex(*map(float, parts)),
    "range": lambda parts: range(*map(int, parts)),
    "iterator": lambda items: iter(list(map(_decode, items))),
    "opaque": lambda name: Opaque(str(name)),
}
