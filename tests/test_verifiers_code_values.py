"""Plain values survive the way between program and tests, and nothing else does."""

from __future__ import annotations

import json
import math
from collections import Counter, OrderedDict, defaultdict, namedtuple
from enum import IntEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restem.verifiers.code.values import (
    Malformed,
    Opaque,
    UndecidableUse,
    Unplain,
    decoded,
    encoded,
    opaque,
    opaque_type,
)

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.complex_numbers(allow_nan=False)
)
hashable = st.recursive(scalars, lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=3), max_leaves=8)
plain = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(hashable, inner, max_size=4)
        | st.sets(hashable, max_size=4)
    ),
    max_leaves=20,
)


def types_of(value: Any) -> Any:
    """The types of a value and of all that it holds."""
    if isinstance(value, dict):
        return dict, [(types_of(key), types_of(item)) for key, item in value.items()]
    if isinstance(value, list | tuple):
        return type(value), [types_of(item) for item in value]
    return type(value)


def passed(value: Any) -> Any:
    return decoded(json.loads(encoded(value)))


@given(plain)
def test_a_plain_value_comes_back_with_its_types(value: Any) -> None:
    result = passed(value)
    assert result == value
    assert types_of(result) == types_of(value)


@pytest.mark.parametrize(
    "value", [math.inf, -math.inf, -0.0, 1 << 4000, -(1 << 60), range(2, 9, 3), "\ud800", True, 1.0]
)
def test_an_unusual_plain_value_comes_back(value: Any) -> None:
    assert repr(passed(value)) == repr(value)


def test_not_a_number_comes_back() -> None:
    assert math.isnan(passed(math.nan))


class Equal(int):
    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = int.__hash__


Point = namedtuple("Point", "x y")
Colour = IntEnum("Colour", "RED GREEN")


@pytest.mark.parametrize(
    ("value", "base"),
    [
        (Counter("aab"), {"a": 2, "b": 1}),
        (defaultdict(list, {1: [2]}), {1: [2]}),
        (OrderedDict(a=1), {"a": 1}),
        (Point(1, 2), (1, 2)),
        (Colour.GREEN, 2),
        (Equal(5), 5),
    ],
)
def test_a_value_of_a_subclass_comes_back_as_its_base(value: Any, base: Any) -> None:
    result = passed(value)
    assert type(result) is type(base)
    assert result == base


def test_an_iterator_comes_back_as_an_iterator() -> None:
    result = passed(n * n for n in range(3))
    assert result != [0, 1, 4]
    assert list(result) == [0, 1, 4]


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


cyclic: list[Any] = []
cyclic.append(cyclic)


@pytest.mark.parametrize("value", [object(), len, nested(1000), cyclic, ["x" * 100] * 100_000, [object()], {1: len}])
def test_anything_else_is_refused(value: Any) -> None:
    with pytest.raises(Unplain):
        encoded(value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["int", "tuple", "dict", "set", "bytes", "complex", "range", "x"]), inner, max_size=2
        )
    ),
)


@given(JSON)
def test_any_json_is_a_value_or_malformed(value: Any) -> None:
    try:
        decoded(value)
    except Malformed:
        return


def test_a_value_that_is_not_plain_is_equal_to_itself_alone() -> None:
    value = decoded(json.loads(opaque("Thing")))
    assert isinstance(value, Opaque)
    assert value == value
    assert value != 5
    assert value not in (None, 0, [], "")


@pytest.mark.parametrize(
    "use", [bool, len, iter, int, list, lambda value: value.x, lambda value: value < 3, lambda v: v()]
)
def test_any_other_use_of_it_cannot_be_decided(use: Any) -> None:
    with pytest.raises(UndecidableUse, match="Thing"):
        use(Opaque("Thing"))


def test_its_type_is_named_wherever_it_stands() -> None:
    assert opaque_type([{"dict": [[1, {"opaque": "Thing"}]]}]) == "Thing"
    assert opaque_type(["opaque", {"tuple": ["opaque"]}]) is None
