"""The options by which a user permits the execution of programs from responses, and of modules that files name.

They stand on the command line alone: a suite, a table of options or a file of rows may come from somewhere else. A
verifier or reward function that the command line names itself needs no option.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import click

from restem.verifiers.code.permission import code_allowed, functions_allowed

F = TypeVar("F", bound=Callable[..., Any])

_ALLOW = click.option(
    "--allow-code",
    is_flag=True,
    help="Let unit_tests execute the responses' programs, in a sandbox, and import the modules that a file names.",
)
_UNSANDBOXED = click.option(
    "--allow-unsandboxed-code",
    is_flag=True,
    help="The same, also on a machine without Linux namespaces: programs then see files, and are only limited.",
)


def code_options(command: F) -> F:
    """The command with the options `--allow-code` and `--allow-unsandboxed-code`."""
    return _ALLOW(_UNSANDBOXED(command))


def permit_code(allow_code: bool, allow_unsandboxed_code: bool, command_line: Sequence[str] = ()) -> None:
    """Permits the execution of code until the end of the command that is running, where an option says so.

    Args:
        allow_code: The option of that name.
        allow_unsandboxed_code: The option of that name.
        command_line: Names of verifiers and `--set` as the user typed them: the modules in them may be executed.
    """
    context = click.get_current_context()
    context.with_resource(functions_allowed(command_line))
    if allow_code or allow_unsandboxed_code:
        context.with_resource(code_allowed(unsandboxed=allow_unsandboxed_code))
    if allow_code or allow_unsandboxed_code or any(":" in text for text in command_line):
        context.with_resource(_working_folder())


@contextlib.contextmanager
def _working_folder() -> Iterator[None]:
    """Lets `mine:Polite` be imported from the working folder; it comes last, so that it shadows no installed module.

    Without a permission it stays out: else a file there could stand for an optional package that is not installed.
    """
    folder = os.getcwd()
    added = folder not in sys.path
    if added:
        sys.path.append(folder)
    try:
        yield
    finally:
        if added and folder in sys.path:
            sys.path.remove(folder)
