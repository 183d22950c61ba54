"""Whether a suite and its verifiers may execute programs and import modules, checked before any work.

Takes names and tables of verifiers, or a suite's [training]; gives nothing, or one error that says what is
missing. Imports no JAX.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence

from restem.harness.app.judges import Options
from restem.harness.errors import ConfigError
from restem.harness.settings import TrainingConfig
from restem.verifiers import catalog
from restem.verifiers.code.permission import permission
from restem.verifiers.foreign_rewards.names import is_reward


def check_code(names: Sequence[str], options: Options) -> None:
    """Checks that the verifiers among these that execute programs or import modules are permitted to, and can.

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
    """Checks that the user has named the modules of verifiers on the command line, or permitted what files name.

    Nothing is imported by this check; it comes before everything that imports a verifier.

    Raises:
        ConfigError: A file names a module, or an option that decides what is executed, and the user has not permitted
            it.
    """
    allowed = permission()
    for name in catalog.importing(names, options):
        type_ = catalog.kind(name, options)
        if not allowed.may_call(type_):
            raise ConfigError(
                f"verifier {name!r}: a file names {type_!r}, whose code is not executed by default: name it by "
                "--verifier or --set, or give --allow-code if you trust the file (docs/verifiers.md)"
            )
        given = next((option for option in _EXECUTING if option in options.get(name, {})), None)
        if is_reward(type_) and given is not None and not allowed.may_set(given):
            raise ConfigError(
                f"verifiers.{name}.{given}: a file sets it, and it decides what is executed: set it by --set, or give "
                "--allow-code (docs/doors.md)"
            )


def check_command(training: TrainingConfig) -> None:
    """Checks that the command that trains, where a suite has one, is permitted and is there.

    Raises:
        ConfigError: A file names it and the user has not permitted it, or there is no such program.
    """
    if training.engine == "own":
        return
    program = training.command[0]
    if not permission().sets("training.command"):
        raise ConfigError(
            f"training.command: a file names the program {program!r}, which is not executed by default: give "
            "--allow-code if you trust the file, or name it by --set"
        )
    if shutil.which(program) is None:
        raise ConfigError(f"training.command: no program {program!r} is found; give its whole path")
