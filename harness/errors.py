"""The error tree of the harness.

RestemError
├── ConfigError          the user's mistake, found before any work: exit code 2
│   └── NoRun            a folder that should hold a run holds none
├── PromptTooLong        a prompt does not fit the policy's context: never cut
├── RunBusy              another process holds the run folder
├── StoreFailed          SQLite cannot read or write run.db: disk full, locked, no permission, damaged
├── DamagedRun           rows in run.db are not those that were stored
├── RunReplaced          the run folder was deleted or replaced while this process wrote to it
├── SaveFailed           a checkpoint could not be written
├── TrainingFailed       the command that trains failed, or left no policy
├── EngineFailed         the engine that draws samples gives no further one: stored rows stay
├── HostFailed           another host of this run stopped with an error
├── CheckpointMismatch   parameters on disk are not those the policy expects
├── NonFiniteLogits      the policy computes no numbers: nothing can be sampled
└── NonFiniteLoss        training diverged; the last good checkpoint stays
SystemExit
└── Stopped              a signal ends the process
"""


class RestemError(Exception):
    """Everything this package raises on purpose."""


class ConfigError(RestemError):
    """A setting is wrong; the message names file, field, value found and value expected."""


class NoRun(ConfigError):
    """There is no run in the folder, or none that has begun."""


class PromptTooLong(RestemError):
    """A prompt has more tokens than the policy's context leaves room for."""


class RunBusy(RestemError):
    """Another process is writing to this run folder."""


class StoreFailed(RestemError):
    """SQLite could not read or write run.db; the message names the file, the reason and the remedy."""


class DamagedRun(RestemError):
    """Rows in run.db are not those that were stored; `restem check` says which."""


class RunReplaced(RestemError):
    """The run folder was deleted or replaced while this process wrote to it."""


class SaveFailed(RestemError):
    """A checkpoint could not be written; the rows stored before it stay, and the same command goes on."""


class TrainingFailed(RestemError):
    """The command that trains ended with an error, or left no policy; the rows stored before it stay."""


class EngineFailed(RestemError):
    """The engine that draws samples gives no further one; the same command goes on from the samples that it gave."""


class HostFailed(RestemError):
    """Another host of this run stopped; the message holds its reason."""


class CheckpointMismatch(RestemError):
    """Parameters on disk differ in shape, dtype or hash from what is expected."""


class NonFiniteLogits(RestemError):
    """The policy's logits are NaN or infinite."""


class NonFiniteLoss(RestemError):
    """The loss is NaN or infinite."""


class Stopped(SystemExit):
    """A signal ends this process; no `except Exception` may stop it.

    Not the plain SystemExit, by which a foreign verifier might end the command.

    Args:
        code: The exit code.
        number: The signal.
    """

    def __init__(self, code: int, number: int) -> None:
        super().__init__(code)
        self.number = number


class HostLost(Stopped):
    """Raised in the main thread when another host is gone; `harness.distributed` prints which, and ends the process."""
