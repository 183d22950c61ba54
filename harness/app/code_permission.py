"""Whether the verifiers of a command may execute programs and call reward functions, checked before any work.

Takes names and tables of verifiers; gives nothing, or one error that says what is missing. Imports no JAX.
"""

from __future__ import annotations

from collections.abc import Sequence

from restem.harness.app.judges import Options
from restem.harness.errors import ConfigError
from restem.verifiers import catalog
from restem.verifiers.code.permission import permission


def check_code(names: Sequence[str], options: Options) -> None:
    """Checks that the verifiers among these that execute programs or call functions are permitted to, and can.

    Raises:
        ConfigError: The user has not permitted it, or this machine has no namespaces and the user has not permitted
            execution without them.
    """
    check_functions(names, options)
    executing = catalog.executing(names, options)
    if not executing:
        return
    allowed = permission()
    if not allowed.sandboxed:
        raise ConfigError(
            f"verifier {executing[0]!r} executes the programs of responses, which is off by default: give --allow-code "
            "to `restem verify`, `restem run` or `restem probe` (docs/code.md says what is executed, and where)"
        )
    from restem.verifiers.code.sandbox import NoSandbox, shared_sandbox

    try:
        shared_sandbox(unsandboxed=allowed.unsandboxed).kind()
    except NoSandbox as problem:
        raise ConfigError(
            f"verifier {executing[0]!r}: this machine cannot isolate programs in Linux namespaces ({problem}); "
            "--allow-unsandboxed-code runs them all the same, with limits of time and memory but with your files in "
            "sight (docs/code.md)"
        ) from None


# Options by which a table may execute something else than the function that the command line names.
_EXECUTING = ("python", "environment")


def check_functions(names: Sequence[str], options: Options) -> None:
    """Checks that the user has named the reward functions on the command line, or permitted what files name.

    Raises:
        ConfigError: A file names a function, or an option that decides what is executed, and the user has not
            permitted it.
    """
    allowed = permission()
    for name in catalog.reward_functions(names, options):
        function = catalog.kind(name, options)
        if not allowed.may_call(function):
            raise ConfigError(
                f"verifier {name!r}: a file names the reward function {function!r}, which is not called by default: "
                "name it by --verifier, or give --allow-code (docs/doors.md)"
            )
        given = next((option for option in _EXECUTING if option in options.get(name, {})), None)
        if given is not None and not allowed.may_set(given):
            raise ConfigError(
                f"verifiers.{name}.{given}: a file sets it, and it decides what is executed: set it by --set, or give "
                "--allow-code (docs/doors.md)"
            )
