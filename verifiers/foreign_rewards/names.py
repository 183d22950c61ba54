"""Names of foreign reward functions: `trl:FILE_OR_MODULE:FUNCTION`, `inspect:SCORER`, `http://HOST:PORT/verify`.

Takes a verifier's name; gives its parts, or one error that says what is wrong with it. Loads nothing, and does not
depend on what a function does.
"""

from __future__ import annotations

import dataclasses
import re
import sys
from pathlib import Path
from types import MappingProxyType

from restem.benchmarks.hints import did_you_mean
from restem.verifiers.verdict import UnknownVerifier

# Prefix of a name -> how a function of that convention is called, in words.
CONVENTIONS = MappingProxyType(
    {
        "trl": "f(prompts, completions, **columns) -> list",
        "tunix": "f(prompts, completions, **columns) -> list",
        "verl": "f(data_source, solution_str, ground_truth, extra_info) -> number or dict",
        "openrlhf": "f(queries, prompts, labels) -> dict with rewards",
        "areal": "f(prompt, completions, prompt_ids, completion_ids, **columns) -> number",
        "slime": "f(args, sample) -> number or dict",
        "lm_eval": "f(doc, results) -> dict of metrics",
        "verifiers": "f(any of prompt, completion, answer, state, info, task, parser), or a Task class",
        "inspect": "a scorer: await score(state, target) -> Score",
        "reward": "recognised from the signature, else f(response, reference) -> number",
    }
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class FunctionName:
    """A function and its convention.

    Attributes:
        convention: A key of `CONVENTIONS`.
        target: The absolute path of a file, or the name of a module; empty for a name in Inspect's registry.
        function: What it is called in there.
    """

    convention: str
    target: str
    function: str

    @property
    def is_file(self) -> bool:
        return self.target.startswith("/")


def is_address(name: str) -> bool:
    """Whether the name is that of a server of rewards."""
    return name.startswith(("http://", "https://"))


def is_reward(name: str) -> bool:
    """Whether the name is that of a foreign reward function or of a server of rewards.

    `verifiers:Strict`, with one colon before an identifier, is the factory `Strict` of a module `verifiers`, as in
    any `package.module:factory`.
    """
    prefix, colon, rest = name.partition(":")
    is_function = colon == ":" and prefix in CONVENTIONS
    return is_address(name) or (is_function and (prefix == "inspect" or not rest.isidentifier()))


def parse(name: str) -> FunctionName:
    """The parts of the name of a function.

    Raises:
        UnknownVerifier: It names no file, no module or no function; the message says what was expected.
    """
    convention, _, rest = name.partition(":")
    target, colon, function = rest.rpartition(":")
    if convention == "inspect" and not colon:
        if not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", function):
            raise UnknownVerifier(
                f"verifier {name!r}: found {function!r}, expected inspect:SCORER, inspect:PACKAGE/SCORER or "
                "inspect:FILE:SCORER"
            )
        return FunctionName(convention=convention, target="", function=function)
    expected = f"{convention}:FILE_OR_MODULE:FUNCTION"
    if not colon or not target:
        raise UnknownVerifier(f"verifier {name!r}: names no function; expected {expected}")
    if not function.isidentifier():
        raise UnknownVerifier(f"verifier {name!r}: found {function!r} as a function's name; expected {expected}")
    return FunctionName(convention=convention, target=_located(name, target, expected), function=function)


def _located(name: str, target: str, expected: str) -> str:
    """The absolute path of a file, or the module's name as it is."""
    path = Path(target).expanduser()
    if path.is_file():
        return str(path.resolve())
    if target.partition(".")[0] in sys.stdlib_module_names:
        raise UnknownVerifier(f"verifier {name!r}: {target!r} is of Python's standard library, which has no rewards")
    if all(part.isidentifier() for part in target.split(".")) and path.suffix != ".py":
        return target  # a module, also where a folder of that name stands here
    if path.is_dir():
        raise UnknownVerifier(f"verifier {name!r}: {target} is a folder; expected {expected}")
    beside = [other.name for other in path.parent.glob("*.py")] if path.parent.is_dir() else []
    raise UnknownVerifier(f"verifier {name!r}: there is no file {target}{did_you_mean(path.name, beside)}")
