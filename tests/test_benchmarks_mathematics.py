"""The benchmarks of mathematics_dataset by module, area and all together, and mixtures of benchmarks."""

from __future__ import annotations

from itertools import islice

import pytest

from restem.benchmarks.benchmark import Benchmark
from restem.benchmarks.catalog import benchmark_names, find_benchmark, mixture_of
from restem.benchmarks.linear_1d import SHARES
from restem.benchmarks.mathematics_dataset import HARDER, MODULES, REGIMES, module_names
from restem.benchmarks.mixture import mixed
from restem.benchmarks.problem import split_of

# Each of another area; none of them takes over a millisecond a problem.
SOME = ("numbers__gcd", "polynomials__collect", "comparison__pair", "measurement__time", "arithmetic__add_or_sub")


@pytest.mark.parametrize("name", SOME)
def test_ids_begin_with_the_modules_name_and_splits_are_those_of_linear_1d(name: str) -> None:
    for problem in islice(find_benchmark(name).stream(0, "train-easy"), 20):
        assert problem.id.startswith(f"{name}/")
        assert problem.split == split_of(problem.question, SHARES)
        assert problem.strata == {"module": name}


def test_every_name_is_listed_and_resolves() -> None:
    for name in benchmark_names():
        if name not in ("file", "mixed", "reasoning_gym:TASK"):
            assert find_benchmark(name).name == name
    assert {"mathematics", *MODULES, *module_names()} < set(benchmark_names())
    assert len(module_names()) == 56


@pytest.mark.parametrize("name", ["numbers__gdc", "number", "mathematic"])
def test_a_name_that_is_nearly_right_gets_a_hint(name: str) -> None:
    with pytest.raises(ValueError, match="did you mean"):
        find_benchmark(name)


@pytest.mark.parametrize("harder", sorted(set(HARDER) - set(HARDER.values())))
def test_a_harder_module_is_named_as_a_regime(harder: str) -> None:
    with pytest.raises(ValueError, match=f"'extrapolate' of the benchmark '{HARDER[harder]}'"):
        find_benchmark(harder)


@pytest.mark.parametrize("name", ["numbers__gcd", "calculus", "linear_1d"])
def test_extrapolation_is_refused_where_the_data_set_has_none(name: str) -> None:
    with pytest.raises(ValueError, match="extrapolate"):
        find_benchmark(name).problems(0, "extrapolate", {"test": 1})


def test_a_pair_is_refused_where_problems_have_no_entropy() -> None:
    with pytest.raises(ValueError, match="no entropy"):
        find_benchmark("measurement__time").stream(0, (1.0, 2.0))
    assert find_benchmark("measurement__time").problems(0, "interpolate", {"test": 3})


def test_an_area_gives_its_modules_in_turn_with_the_ids_that_they_have_alone() -> None:
    drawn = find_benchmark("polynomials").problems(3, (1.0, 2.0), {"test": 10})["test"]
    modules = [f"polynomials__{name}" for name in MODULES["polynomials"]]
    assert [problem.strata["module"] for problem in drawn] == [*modules, *modules[:2]]
    assert {problem.strata["group"] for problem in drawn} == {"polynomials"}
    alone = find_benchmark(modules[0]).problems(3, (1.0, 2.0), {"test": 2})["test"]
    assert [problem.id for problem in alone] == [drawn[0].id, drawn[8].id]


def test_an_area_extrapolates_with_the_modules_that_can() -> None:
    drawn = find_benchmark("numbers").problems(0, "extrapolate", {"test": 4})["test"]
    assert [problem.strata["module"] for problem in drawn] == ["numbers__place_value", "numbers__round_number"] * 2


def test_an_area_lists_the_regimes_that_any_of_its_modules_has() -> None:
    assert find_benchmark("numbers").regimes == [*REGIMES]
    assert find_benchmark("polynomials").regimes == [*REGIMES[:-1]]


def test_letters_that_are_digits_or_things_make_another_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    """In base 16 `1a` and `1b` have one canonical form, and two values."""
    drawn = iter([("1a (base 16) to base 10", "26"), ("1b (base 16) to base 10", "27")] * 2)
    monkeypatch.setattr("restem.benchmarks.mathematics.draw_short", lambda *_: next(drawn))
    problems = list(islice(find_benchmark("numbers__base_conversion").stream(0, "train-easy"), 2))
    assert [problem.reference for problem in problems] == ["26", "27"]
    assert len({problem.id for problem in problems}) == 2
    assert len({problem.split for problem in problems}) == 1


def test_a_regime_without_new_problems_is_an_error_that_says_how_many_there_are() -> None:
    with pytest.raises(ValueError, match=r"numbers__is_prime .* distinct problems"):
        find_benchmark("numbers__is_prime").problems(0, (0.0, 0.0), {"test": 1000})


def test_parts_give_equal_shares_of_every_split_in_turn() -> None:
    parts = {"linear_1d": (3.0, 4.5), "numbers__gcd": "train-easy", "comparison__pair": "default"}
    drawn = mixture_of(parts).problems(0, None, {"train": 7, "test": 6})
    assert [problem.strata["benchmark"] for problem in drawn["test"]] == [*parts] * 2
    assert [problem.strata["benchmark"] for problem in drawn["train"]] == [*parts, *parts, "linear_1d"]
    alone = find_benchmark("linear_1d").problems(0, (3.0, 4.5), {"test": 2})["test"]
    assert [problem.id for problem in drawn["test"]][::3] == [problem.id for problem in alone]


def test_the_stream_of_a_mixture_is_the_parts_in_turn() -> None:
    known = mixture_of({"linear_1d": "train-easy", "numbers__gcd": "train-easy"})
    assert [p.id.partition("/")[0] for p in islice(known.stream(0, None), 4)] == ["linear_1d", "numbers__gcd"] * 2


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"linear_1": "train-easy"}, "did you mean 'linear_1d'"),
        ({"numbers__gcd": "extrapolate"}, "no regime"),
        ({"numbers__gcd": "hard"}, "numbers__gcd: unknown regime"),
        ({"file": "default"}, "path is missing"),
        ({}, "at least one"),
    ],
)
def test_a_wrong_part_is_refused_by_name(parts: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        mixture_of(parts)


def test_parts_with_several_golds_are_refused() -> None:
    other = Benchmark(name="other", splits=("test",), stream=lambda *_: iter(()), gold="exact")
    with pytest.raises(ValueError, match="one gold verifier, found sympy of numbers__gcd, exact of other"):
        mixed("mixed", {"numbers__gcd": (find_benchmark("numbers__gcd"), "train-easy"), "other": (other, None)})


def test_parts_with_a_problem_in_common_are_refused() -> None:
    known = mixture_of({"numbers__base_conversion": "train-easy", "numbers": "train-easy"})
    with pytest.raises(ValueError, match="both have the problem numbers__base_conversion/"):
        known.problems(0, None, {"test": 2})
