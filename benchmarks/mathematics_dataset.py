"""DeepMind's `mathematics_dataset` 1.0.1, made to run on today's NumPy and SymPy, and made repeatable.

Takes a module's name (`arithmetic__mixed`), a regime and a seed; gives question and answer texts. The package draws
from global random states, so each problem is drawn under its own seed and the caller's random state is put back. All
repairs are in this file and apply to every module. Imports NumPy, SymPy and the package only when a problem is drawn.
Source: google-deepmind/mathematics_dataset (Apache-2.0), https://arxiv.org/abs/1904.01557.
"""

from __future__ import annotations

import contextlib
import functools
import math
import random
import string
import sys
import types
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from restem.benchmarks.benchmark import Regime
from restem.benchmarks.hints import did_you_mean

VERSION = "1.0.1"
# google-deepmind/mathematics_dataset:mathematics_dataset/modules/algebra.py (_ENTROPY_TRAIN, _ENTROPY_INTERPOLATE)
# and :generate.py, which cuts the train range in three. Modules/arithmetic.py has the same numbers for `mixed`.
ENTROPY_OF_REGIME: dict[str, tuple[float, float]] = {
    "train-easy": (3.0, 3.0 + 7 / 3),
    "train-medium": (3.0 + 7 / 3, 3.0 + 14 / 3),
    "train-hard": (3.0 + 14 / 3, 10.0),
    "interpolate": (8.0, 8.0),
}

# The modules, by area; composed ones put the question behind one or several others.
MODULES: dict[str, tuple[str, ...]] = {
    "algebra": (
        *("linear_1d", "linear_1d_composed", "linear_2d", "linear_2d_composed"),
        *("polynomial_roots", "polynomial_roots_composed", "sequence_next_term", "sequence_nth_term"),
    ),
    "arithmetic": (
        *("add_or_sub", "add_or_sub_in_base", "add_sub_multiple", "div", "mixed", "mul", "mul_div_multiple"),
        *("nearest_integer_root", "simplify_surd"),
    ),
    "calculus": ("differentiate", "differentiate_composed"),
    "comparison": tuple(
        name + form for name in ("closest", "kth_biggest", "pair", "sort") for form in ("", "_composed")
    ),
    "measurement": ("conversion", "time"),
    "numbers": (
        *("base_conversion", "div_remainder", "div_remainder_composed", "gcd", "gcd_composed", "is_factor"),
        *("is_factor_composed", "is_prime", "is_prime_composed", "lcm", "lcm_composed", "list_prime_factors"),
        *("list_prime_factors_composed", "place_value", "place_value_composed", "round_number"),
        *("round_number_composed",),
    ),
    "polynomials": (
        *("add", "coefficient_named", "collect", "compose", "evaluate", "evaluate_composed", "expand"),
        *("simplify_power",),
    ),
    "probability": ("swr_p_level_set", "swr_p_sequence"),
}
# The package's harder modules -> the module of which each is the regime `extrapolate`.
HARDER: dict[str, str] = {
    "algebra__polynomial_roots_big": "algebra__polynomial_roots",
    "arithmetic__add_or_sub_big": "arithmetic__add_or_sub",
    "arithmetic__add_sub_multiple_longer": "arithmetic__add_sub_multiple",
    "arithmetic__div_big": "arithmetic__div",
    "arithmetic__mixed_longer": "arithmetic__mixed",
    "arithmetic__mul_big": "arithmetic__mul",
    "arithmetic__mul_div_multiple_longer": "arithmetic__mul_div_multiple",
    "comparison__closest_more": "comparison__closest",
    "comparison__kth_biggest_more": "comparison__kth_biggest",
    "comparison__sort_more": "comparison__sort",
    "measurement__conversion": "measurement__conversion",
    "numbers__place_value_big": "numbers__place_value",
    "numbers__round_number_big": "numbers__round_number",
    "probability__swr_p_level_set_more_samples": "probability__swr_p_level_set",
    "probability__swr_p_sequence_more_samples": "probability__swr_p_sequence",
}
TRAINING = ("train-easy", "train-medium", "train-hard")  # thirds of a module's own entropy range
INTERPOLATE, EXTRAPOLATE = "interpolate", "extrapolate"
REGIMES = (*TRAINING, INTERPOLATE, EXTRAPOLATE)
# Their problems have no numbers that an entropy could make larger.
WITHOUT_ENTROPY = ("measurement", "probability")
# google-deepmind/mathematics_dataset:mathematics_dataset/generate_settings.py: what is longer is drawn again.
LONGEST_QUESTION, LONGEST_ANSWER = 160, 30
MOST_REDRAWS = 1_000

# The generator never names a variable `e`, which SymPy reads as Euler's number.
VARIABLES = string.ascii_lowercase.replace("e", "")


MAX_ENTROPY = 30.0  # from about 40 on, numbers of the package exceed what NumPy holds


def entropy_range(regime: Regime) -> tuple[float, float]:
    """The entropy range of a named regime, or the pair itself."""
    if regime is None:
        raise ValueError(f"a regime is missing: known are {', '.join(ENTROPY_OF_REGIME)}")
    if not isinstance(regime, str):
        if not 0 <= regime[0] <= regime[1] <= MAX_ENTROPY:
            low, high = regime
            raise ValueError(f"a regime of two numbers: found {low:g}, {high:g}, expected 0 <= low <= high <= 30")
        return regime
    if regime not in ENTROPY_OF_REGIME:
        known = f"known are {', '.join(ENTROPY_OF_REGIME)}, and any two numbers LOW,HIGH"
        raise ValueError(f"unknown regime {regime!r}{did_you_mean(regime, ENTROPY_OF_REGIME)}: {known}")
    return ENTROPY_OF_REGIME[regime]


def module_names() -> list[str]:
    """The names of all modules, `algebra__linear_1d` among them."""
    return [f"{area}__{name}" for area, names in MODULES.items() for name in names]


def regimes_of(module: str) -> tuple[str, ...]:
    """The regimes of a module: all, or all but `extrapolate`."""
    return REGIMES if module in HARDER.values() else REGIMES[:-1]


def check_regime(module: str, regime: Regime) -> None:
    """Raises ValueError for a regime that a module does not have; the message names those it has."""
    known = f"known are {', '.join(regimes_of(module))}"
    if isinstance(regime, str):
        if regime == EXTRAPOLATE and regime not in regimes_of(module):
            raise ValueError(f"{module} has no regime {EXTRAPOLATE!r}: the data set has harder problems of 15 modules")
        if regime not in REGIMES:
            raise ValueError(f"unknown regime {regime!r}{did_you_mean(regime, REGIMES)}: {known}")
    elif regime is None:
        raise ValueError(f"a regime is missing: {known}")
    elif module.startswith(WITHOUT_ENTROPY):
        raise ValueError(f"{module} has no entropy, so a pair of numbers changes nothing: {known}")
    else:
        entropy_range(regime)


def draw(module: str, seed: int, regime: Regime) -> tuple[str, str]:
    """One question and its answer, the same for the same arguments in every process."""
    with seeded(seed):
        return generate(module, regime)


def draw_short(module: str, seed: int, regime: Regime) -> tuple[str, str]:
    """The same, of at most 160 and 30 characters, as the published data set has them.

    Raises:
        ValueError: No draw is as short.
    """
    with seeded(seed):
        for _ in range(MOST_REDRAWS):
            try:
                question, answer = generate(module, regime)
            except (ValueError, ArithmeticError, AssertionError, AttributeError, LookupError) as error:
                # The package asserts or divides by zero where an entropy is too low or too high for a module.
                raise ValueError(f"{module} has no problems with the regime {regime}: {error}") from None
            if len(question) <= LONGEST_QUESTION and len(answer) <= LONGEST_ANSWER:
                return question, answer
    raise ValueError(
        f"{module}: of {MOST_REDRAWS} draws none has a question of at most {LONGEST_QUESTION} and an answer of at most "
        f"{LONGEST_ANSWER} characters; choose lower entropy"
    )


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """A block in which the random numbers of Python, NumPy and SymPy start from the seed; all are put back after it."""
    import numpy as np
    from sympy.core.random import rng

    states = random.getstate(), np.random.get_state(), rng.getstate()
    random.seed(seed)
    np.random.seed(seed % 2**32)
    rng.seed(seed)
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        rng.setstate(states[2])


def generate(module: str, regime: Regime) -> tuple[str, str]:
    """One question and its answer from the global random state, to be called in a `seeded` block."""
    problem = _generator(module, regime)()
    return str(problem.question), str(problem.answer)


@functools.cache
def _generator(module: str, regime: Regime) -> Callable[[], Any]:
    area, _, name = module.partition("__")
    source = _repaired().all_[area]
    if regime == INTERPOLATE:
        return source.test()[name]
    if regime == EXTRAPOLATE:
        return source.test_extra()[_harder(module).removeprefix(f"{area}__")]
    if isinstance(regime, str):
        return source.train(lambda whole: _third(whole, TRAINING.index(regime)))[name]
    return source.train(lambda _: regime)[name]


def _harder(module: str) -> str:
    return next(harder for harder, base in HARDER.items() if base == module)


def _third(whole: tuple[float, float], place: int) -> tuple[float, float]:
    low, width = whole[0], whole[1] - whole[0]
    return low + place * width / 3, low + (place + 1) * width / 3


@functools.cache
def _repaired() -> types.ModuleType:
    """The package's `modules`, repaired for today's versions of Python, NumPy and SymPy."""
    # SymPy moved `base_solution_linear` one level down; the package imports it from the old place.
    import sympy  # noqa: F401  (loads sympy.solvers.diophantine)
    from sympy.solvers.diophantine.diophantine import base_solution_linear

    sys.modules["sympy.solvers.diophantine"].base_solution_linear = base_solution_linear  # type: ignore[attr-defined]
    from mathematics_dataset.modules import modules, numbers
    from mathematics_dataset.sample import polynomials
    from mathematics_dataset.util import composition, probability

    polynomials.np = _numpy_1()
    # Python 3.12 accepts no floats as bounds of `randint`, not even whole ones.
    numbers.random = _changed(random, randint=lambda low, high: random.randint(int(low), int(high)))
    # The package turns sets of letters and of entities into lists, whose order would differ between processes.
    composition.list = _in_order  # type: ignore[attr-defined]
    _count_sequences(probability)
    return modules


def _count_sequences(probability: Any) -> None:
    """Counts the sequences of letters that the package's probabilities list one by one, which takes it seconds.

    A sequence of letters that wants `m` times a letter of which there are `n` stands for n ** m sequences of things,
    and for n (n - 1) ... (n - m + 1) without replacement, all of which are equally likely.
    """
    listed = probability.FiniteProductRandomVariable.inverse

    class Counted(probability.SequenceEvent):
        def __init__(self, all_: int, unrepeated: int) -> None:
            super().__init__(range(all_))  # the package asks for their number alone
            self.unrepeated = unrepeated

    def inverse(variable: Any, event: Any) -> Any:
        if not isinstance(event, probability.CountLevelSetEvent):
            return listed(variable, event)
        # All letters are drawn from one bag, whose variable stands there once a draw.
        there = {letter: len(things) for letter, things in variable._random_variables[0]._inverse.items()}
        orders = math.factorial(sum(event.counts.values())) // math.prod(map(math.factorial, event.counts.values()))
        pairs = [(there.get(letter, 0), wanted) for letter, wanted in event.counts.items()]
        return Counted(
            orders * math.prod(n**m for n, m in pairs), orders * math.prod(math.perm(n, m) for n, m in pairs)
        )

    def probability_of(space: Any, event: Any) -> Any:
        import sympy

        if isinstance(event, Counted):
            unrepeated = event.unrepeated
        else:
            wanted = Counter(frozenset(slot.values) for slot in event.events)
            unrepeated = math.prod(math.perm(len(things), m) for things, m in wanted.items())
        return sympy.Rational(unrepeated, math.perm(len(space._weights), space.n_samples))

    probability.FiniteProductRandomVariable.inverse = inverse
    probability.SampleWithoutReplacementSpace.probability = probability_of


def _in_order(values: Iterable[Any]) -> list[Any]:
    """Letters in alphabetical order, entities in the order of their descriptions in the question."""
    return sorted(values, key=lambda value: value if isinstance(value, str) else _texts(value))


def _texts(entity: Any) -> tuple[str, str]:
    return entity._child_description, entity._description


def _numpy_1() -> types.ModuleType:
    """NumPy with `np.object` and `ndarray.itemset`, which version 2 no longer has."""
    import numpy as np

    class Array(np.ndarray):
        def itemset(self, index: tuple[int, ...], value: Any) -> None:
            self[index] = value

    def zeros(*arguments: Any, **options: Any) -> Array:
        return np.zeros(*arguments, **options).view(Array)

    def empty(*arguments: Any, **options: Any) -> Array:
        return np.empty(*arguments, **options).view(Array)

    return _changed(np, object=object, zeros=zeros, empty=empty)


def _changed(module: types.ModuleType, **changes: Any) -> types.ModuleType:
    """A copy of a module's names with some of them replaced; the module itself stays as it is."""
    copy = types.ModuleType(module.__name__)
    vars(copy).update({**vars(module), **changes})
    return copy
