"""The options by which a user permits the execution of programs from responses.

They stand on the command line alone: a suite, a table of options or a file of rows may come from somewhere else.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from restem.verifiers.code.permission import code_allowed

F = TypeVar("F", bound=Callable[..., Any])

_ALLOW = click.option(
    "--allow-code", is_flag=True, help="Let unit_tests execute the responses' programs, in a sandbox."
)
_UNSANDBOXED = click.option(
    "--allow-unsandboxed-code",
    is_flag=True,
    help="The same, also on a machine without Linux namespaces: programs then see files, and are only limited.",
)


def code_options(command: F) -> F:
    """The command with the options `--allow-code` and `--allow-unsandboxed-code`."""
    return _ALLOW(_UNSANDBOXED(command))


def permit_code(allow_code: bool, allow_unsandboxed_code: bool) -> None:
    """Permits the execution of code until the end of the command that is running, where an option says so."""
    if allow_code or allow_unsandboxed_code:
        click.get_current_context().with_resource(code_allowed(unsandboxed=allow_unsandboxed_code))
