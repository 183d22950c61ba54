"""What `restem run --restore` does: makes lost and damaged checkpoints of a run again, and nothing else.

Takes a suite and the run folder; gives policy folders. Needs no verifier and no judge: what decided when an M-step
stopped is in run.db.
"""

from __future__ import annotations

from pathlib import Path

from restem.harness.app.command_training import check_training, trainer_of
from restem.harness.app.resume import check_same
from restem.harness.app.run import check_base, load_named_policy, prompted
from restem.harness.app.suite_check import suite_problems
from restem.harness.config import Suite
from restem.harness.distributed.hosts import Hosts
from restem.harness.distributed.own_sampler import OwnSampler
from restem.harness.loop import rest_em
from restem.harness.loop.stage import Run
from restem.harness.loop.verification import Verification
from restem.harness.model.compilation_cache import enable_compilation_cache
from restem.harness.progress import RunProgress
from restem.harness.store.provenance import log_process
from restem.harness.store.store import Store
from restem.verifiers import catalog


def restore_checkpoints(suite: Suite, folder: Path, quiet: bool, hosts: Hosts) -> None:
    """Trains every checkpoint again whose folder is lost or damaged.

    Raises:
        ConfigError: The folder holds no run of this suite.
        CheckpointMismatch: Training again gives other parameters than those in run.db.
    """
    problems = suite_problems(suite)
    with Store(folder) as store:
        check_same(store, suite, problems)
    enable_compilation_cache()
    suite, base = prompted(suite, load_named_policy(suite.policy, hosts.meshes.local))
    whole = suite.replicated([name for name in suite.verifier_names if catalog.takes(name, "seed", suite.verifiers)])
    check_training(suite, base, hosts)
    hosts.begin(base)
    with Store(folder, write=True) as store:
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
                    hosts=hosts,
                    sampler=OwnSampler(hosts),
                    trainer=trainer_of(whole, store, base, hosts),
                )
            )
