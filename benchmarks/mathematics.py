"""The benchmarks of mathematics_dataset: each of its 56 modules, each of its 8 areas, and all modules together.

`numbers__gcd` is a module, `numbers` the modules of an area in turn, `mathematics` all modules in turn. Ids begin with
the module's name, in a mixture too. Splits are those of linear_1d: the embedded base policy has seen `pretrain` alone.
Takes a name; gives a Benchmark. docs/benchmarks.md describes them. Depends on mathematics_dataset.py for questions.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator

from restem.benchmarks.benchmark import Benchmark, Family, Regime, generated
from restem.benchmarks.linear_1d import SHARES
from restem.benchmarks.mathematics_dataset import (
    EXTRAPOLATE,
    HARDER,
    MODULES,
    REGIMES,
    VERSION,
    WITHOUT_ENTROPY,
    check_regime,
    draw_short,
    module_names,
    regimes_of,
)
from restem.benchmarks.mixture import Part, first_solution, mixture
from restem.benchmarks.problem import Problem, as_written, canonical_form
from restem.benchmarks.worked.solutions import solution_of

ALL = "mathematics"
DEFAULT_REGIME = "train-easy"
# Letters are digits of another base or things in a bag here: with other letters it is another problem.
LETTERS_COUNT = ("arithmetic__add_or_sub_in_base", "numbers__base_conversion", "probability__")


def stream(module: str, seed: int, regime: Regime) -> Iterator[Problem]:
    """Problems of a module, each once; problem i depends on (seed, i, regime) alone."""
    check_regime(module, regime)
    source = f"mathematics_dataset {VERSION} {module} regime={regime} seed={seed}"
    return generated(
        module,
        SHARES,
        lambda index: draw_short(module, (seed << 32) + index, regime),
        source,
        strata={"module": module},
        form=as_written if module.startswith(LETTERS_COUNT) else canonical_form,
    )


@functools.cache
def of_module(module: str) -> Benchmark:
    """The benchmark of one module."""
    return Benchmark(
        name=module,
        splits=tuple(SHARES),
        stream=functools.partial(stream, module),
        regimes=regimes_of(module),
        default_regime=DEFAULT_REGIME,
        solution=solution_of(module),
    )


def of_modules(name: str, modules: list[str]) -> Benchmark:
    """Several modules in turn; in the regime `extrapolate` those that have it."""

    def parts(regime: Regime) -> list[Part]:
        chosen = [module for module in modules if regime != EXTRAPOLATE or module in HARDER.values()]
        if not chosen:
            raise ValueError(f"{name} has no regime {regime!r}: the data set has no harder problems of its modules")
        return [_part(module, regime) for module in chosen]

    return mixture(
        name,
        tuple(SHARES),
        parts,
        regimes=[regime for regime in REGIMES if regime != EXTRAPOLATE or set(modules) & set(HARDER.values())],
        default_regime=DEFAULT_REGIME,
        solution=first_solution([solution_of(module) for module in modules]),
    )


def _part(module: str, regime: Regime) -> Part:
    # Where other modules take a pair of numbers, those without entropy give their training problems.
    suits = isinstance(regime, str) or regime is None or not module.startswith(WITHOUT_ENTROPY)
    chosen = regime if suits else DEFAULT_REGIME
    check_regime(module, chosen)
    return Part(of_module(module), chosen, {"group": module.partition("__")[0]})


def find(name: str) -> Benchmark | None:
    """The benchmark of a module, of an area, or of all modules; None for another name.

    Raises:
        ValueError: The name is one of the package's harder modules, which are regimes here.
    """
    if name == ALL:
        return of_modules(name, module_names())
    if name in MODULES:
        return of_modules(name, [f"{name}__{module}" for module in MODULES[name]])
    if name in module_names():
        return of_module(name)
    if name in HARDER:
        raise ValueError(f"{name} is the regime {EXTRAPOLATE!r} of the benchmark {HARDER[name]!r}")
    return None


FAMILY = Family(
    title="`mathematics`, `numbers`, `numbers__gcd`, ...",
    names=(ALL, *MODULES, *module_names()),
    find=find,
    example=of_module("numbers__round_number"),
)
