"""What `restem run --restore` does: makes lost and damaged checkpoints of a run again, and nothing else.

Takes a suite and the run folder; gives policy folders. Needs no verifier and no judge: what decided when an M-step
stopped is in run.db.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from restem.harness.app.base_policy import check_base, check_base_policy, learner_of, load_base
from restem.harness.app.engine_sampler import sampler_of
from restem.harness.app.policies import is_outside
from restem.harness.app.resume import check_same
from restem.harness.app.run import prepared
from restem.harness.app.suite_check import suite_problems
from restem.harness.config import Suite
from restem.harness.loop import rest_em
from restem.harness.loop.stage import Run
from restem.harness.loop.verification import Verification
from restem.harness.outside.policy import OutsidePolicy
from restem.harness.progress import RunProgress
from restem.harness.store.provenance import log_process
from restem.harness.store.store import Store
from restem.verifiers import catalog

if TYPE_CHECKING:
    from restem.harness.distributed.hosts import Hosts


def restore_checkpoints(suite: Suite, folder: Path, quiet: bool, hosts: Hosts | None) -> None:
    """Trains every checkpoint again whose folder is lost or damaged.

    Args:
        suite: The suite.
        folder: The run folder.
        quiet: Whether to show no progress.
        hosts: The hosts that train; None: this one alone, or none where the policy is an outside one.

    Raises:
        ConfigError: The folder holds no run of this suite.
        CheckpointMismatch: Training again gives other parameters than those in run.db.
    """
    problems = suite_problems(suite)
    with Store(folder) as store:
        check_same(store, suite, problems)
    if not is_outside(suite.policy):
        hosts = prepared(suite, hosts)
    suite, base = load_base(suite, hosts)
    whole = suite.replicated([name for name in suite.verifier_names if catalog.takes(name, "seed", suite.verifiers)])
    check_base_policy(suite, base, hosts)
    if hosts is not None and not isinstance(base, OutsidePolicy):
        hosts.begin(base)
    with Store(folder, write=True) as store, sampler_of(whole, store, hosts) as sampler:
        check_base(store, base)
        log_process(store, "run")
        total = sum(whole.settings_of(arm).iterations for arm in whole.arms)
        with RunProgress(total, unit="checkpoints", quiet=quiet) as progress:
            rest_em.restore(
                Run(
                    suite=whole,
                    store=store,
                    base=base,
                    verification=Verification(store=store, calls=store, verifiers={}, progress=progress),
                    progress=progress,
                    learner=learner_of(whole, store, base, hosts),
                    sampler=sampler,
                )
            )
