"""What a function asks for, read off its signature and source, and the convention that this shows.

Takes a callable; gives names of parameters, the columns that its `**kwargs` are asked for, and a convention. Runs in
the worker, in any environment: it imports the standard library alone, and calls nothing.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import textwrap
from collections.abc import Callable, Iterator
from typing import Any

# Names of the parameter that takes the response, and of the one that takes the reference, the most specific first.
RESPONSE = (
    *("response", "completion", "solution_str", "model_output", "prediction", "predict_str", "output", "pred"),
    *("generated", "generation", "text", "answer"),
)
REFERENCE = (
    *("reference", "ground_truth", "gold", "gold_answer", "target", "label", "expected", "expected_answer"),
    *("reference_answer", "solution", "gt", "answer"),
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Asked:
    """The parameters of a function.

    Attributes:
        required: Parameters without a default.
        optional: Parameters with one.
        takes_all: Whether it has `**kwargs`.
        kwargs: The names that it takes out of its `**kwargs`, as far as its source shows.
        positional: Its first parameters that may be given by position, in order.
        reads_messages: Whether its source reads the field `content` of messages.
        text: Its signature, for people.
    """

    required: tuple[str, ...]
    optional: tuple[str, ...]
    takes_all: bool
    kwargs: tuple[str, ...]
    positional: tuple[str, ...]
    reads_messages: bool
    text: str

    @property
    def named(self) -> tuple[str, ...]:
        return (*self.required, *self.optional)

    def takes(self, values: dict[str, Any]) -> dict[str, Any]:
        """The values that the function takes: all where it has `**kwargs`, else those that it names."""
        return values if self.takes_all else {name: value for name, value in values.items() if name in self.named}


def asked_by(function: Callable[..., Any]) -> Asked:
    """What the function asks for.

    Raises:
        TypeError, ValueError: It has no signature.
    """
    parameters = list(inspect.signature(function).parameters.values())
    named = [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    every = [p.name for p in parameters if p.kind is p.VAR_KEYWORD]
    tree = _source(function)
    name = getattr(function, "__name__", type(function).__name__)
    return Asked(
        required=tuple(p.name for p in named if p.default is p.empty),
        optional=tuple(p.name for p in named if p.default is not p.empty),
        takes_all=bool(every),
        kwargs=tuple(dict.fromkeys(_looked_up(tree, every[0]))) if tree and every else (),
        positional=tuple(p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)),
        reads_messages=tree is not None and any(_is_text(node, "content") for node in ast.walk(tree)),
        text=f"{name}({', '.join(map(_shown, parameters))})",
    )


def recognised(asked: Asked) -> str:
    """The convention that the names of the parameters show; `reward` where they show no other."""
    names = set(asked.named)
    if {"solution_str", "ground_truth"} <= names:
        return "verl"
    if {"queries", "labels"} <= names:
        return "openrlhf"
    if "completions" in names and {"prompt_ids", "completion_ids"} & names and "prompt" in names:
        return "areal"
    if "completions" in names or (asked.takes_all and "prompts" in names):
        return "trl"
    if asked.positional[:2] in (("args", "sample"), ("args", "samples")):
        return "slime"
    if asked.positional[:2] == ("doc", "results"):
        return "lm_eval"
    if asked.positional[:2] == ("state", "target"):
        return "inspect"
    if names & {"completion", "state"} and names & {"state", "info", "parser", "task"}:
        return "verifiers"
    return "reward"


def roles(asked: Asked) -> tuple[str | None, str | None]:
    """The names of the parameters of a plain function that take the response and the reference.

    `answer` is the response in some projects and the reference in others: it is the reference where another parameter
    can be the response. Two parameters with other names are taken in this order.
    """
    names = [*asked.required, *asked.optional]
    response = next((name for name in RESPONSE if name in names), None)
    if response == "answer" and not set(names) & (set(REFERENCE) - {"answer"}):
        response = None
    reference = next((name for name in REFERENCE if name in names and name != response), None)
    rest = [name for name in asked.positional if name not in (response, reference)]
    if response is None and rest:
        response = rest.pop(0)
    if reference is None and rest and rest[0] in asked.required:
        reference = rest.pop(0)
    return response, reference


def _source(function: Callable[..., Any]) -> ast.AST | None:
    code = function if inspect.isroutine(function) or inspect.isclass(function) else type(function).__call__
    try:
        return ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(code))))
    except (OSError, TypeError, SyntaxError, ValueError):
        return None  # no source: a compiled function, or one that another function made


def _looked_up(tree: ast.AST, name: str) -> Iterator[str]:
    """The texts by which a source looks something up in the dict of that name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript) and _is_name(node.value, name) and isinstance(node.slice, ast.Constant):
            yield str(node.slice.value)
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in ("get", "pop")
            and _is_name(node.func.value, name)
            and node.args
            and isinstance(node.args[0], ast.Constant)
        ):
            yield str(node.args[0].value)


def _is_name(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _is_text(node: ast.AST, text: str) -> bool:
    return isinstance(node, ast.Constant) and node.value == text


def _shown(parameter: inspect.Parameter) -> str:
    stars = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
    default = "" if parameter.default is parameter.empty else "=..."
    return f"{stars}{parameter.name}{default}"
