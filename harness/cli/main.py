"""The command `restem`: the group of all commands, and how errors and signals become exit codes.

Results go to stdout, progress to stderr. Exit code 0: done; 1: failed; 2: a wrong request, nothing was done;
129, 130 or 143: stopped by a signal. Heavy imports stand in the commands, one file a group of commands.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import sys
from collections.abc import Iterator
from typing import Any

import click

from restem.harness.cli.audit import audit_command
from restem.harness.cli.check import check_command
from restem.harness.cli.export import export_command
from restem.harness.cli.gate import gate_command
from restem.harness.cli.imports import import_command
from restem.harness.cli.judge import judge_group
from restem.harness.cli.label import label_command
from restem.harness.cli.merge import merge_command
from restem.harness.cli.messages import shortened
from restem.harness.cli.policies import models_command, serve_command
from restem.harness.cli.probe import probe_command
from restem.harness.cli.problems import generate_command
from restem.harness.cli.reports import compare_command, report_command, show_command
from restem.harness.cli.run import init_command, run_command
from restem.harness.cli.signals import termination
from restem.harness.cli.verify import verify_command
from restem.harness.errors import ConfigError, HostLost, RestemError, Stopped
from restem.verifiers.verdict import UnknownVerifier, VerifierError

STOPPED = "stopped; `restem run` and `restem verify RUN` go on where they were"


class _ToStderr(logging.Handler):
    """Prints what is logged: the progress of a batch, a judge's model that changed, a checkpoint trained again."""

    def emit(self, record: logging.LogRecord) -> None:
        click.echo(shortened(record.getMessage()), err=True)


def _tell(line: str) -> None:
    """Prints a line on stderr, where there still is one: a terminal that hung up takes none."""
    with contextlib.suppress(OSError):
        click.echo(line, err=True)


@contextlib.contextmanager
def _logging() -> Iterator[None]:
    """Prints what the packages log while a command runs."""
    logger, handler = logging.getLogger("restem"), _ToStderr()
    level = logger.level
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


class _Commands(click.Group):
    """Turns the project's own errors into one line on stderr and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            with termination(), _logging():
                return super().invoke(ctx)
        except KeyboardInterrupt:
            _tell(STOPPED)
            sys.exit(130)
        except HostLost:  # whoever noticed the loss tells it
            raise
        except Stopped:
            _tell(STOPPED)
            raise
        except click.UsageError as error:  # a key that was taken for an option is not repeated
            raise click.UsageError(shortened(error.format_message()), ctx=error.ctx) from None
        except (RestemError, VerifierError) as error:
            _tell(shortened(f"restem: {error}"))
            sys.exit(2 if isinstance(error, ConfigError | UnknownVerifier) else 1)
        except BrokenPipeError:  # the reader of the output has ended, as `head` does; this is no failure
            raise
        except OSError as error:
            _tell(shortened(f"restem: {_explained(error)}"))
            sys.exit(1)


def _explained(error: OSError) -> str:
    """File, reason and, of a full disk, the remedy."""
    if error.errno is None or error.strerror is None:
        return str(error)
    reason = error.strerror if error.filename is None else f"{error.filename}: {error.strerror}"
    full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    return f"{reason}; free some space: the same command then goes on" if full else reason


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="restem-harness")
def main() -> None:
    """Which verifier is worth training on?

    Trains a Gemma policy with ReST-EM once per verifier and compares what each did for accuracy.

    \b
    Example:
      restem run                         the default suite: four verifiers on linear_1d
      restem show runs/linear_1d         where it stands
    """


for command in (
    run_command,
    init_command,
    show_command,
    report_command,
    compare_command,
    check_command,
    audit_command,
    verify_command,
    merge_command,
    import_command,
    label_command,
    gate_command,
    generate_command,
    probe_command,
    judge_group,
    models_command,
    export_command,
    serve_command,
):
    main.add_command(command)
