"""The checks of `restem run` before anything heavy: everything that a suite and the command name must be known.

Takes a suite; raises one error that names place, value found and remedy. Writes nothing and imports no JAX, so that a
wrong name is reported at once. Foreign verifiers are imported but not built: building may start JAX, which has
to be configured first.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

from restem.benchmarks.problem import Problem
from restem.harness.app.arm_sources import check_sources
from restem.harness.app.code_permission import check_command
from restem.harness.app.engine_sampler import check_engine
from restem.harness.app.further_tests import further_tests
from restem.harness.app.judges import check_judges
from restem.harness.app.policies import check_policy
from restem.harness.app.problem_file import file_facts
from restem.harness.app.references import check_references
from restem.harness.app.verify import check_names
from restem.harness.config import Suite
from restem.harness.distributed.addresses import parse_address
from restem.harness.errors import ConfigError
from restem.harness.store.provenance import software
from restem.reports.pages.escape import visible
from restem.reports.tables.problem_file import file_sentences
from restem.verifiers import catalog

# What JAX reads to find the leader and its own number: google/jax:jax/_src/clusters and jax/_src/distributed.py.
CLUSTERS = (
    "JAX_COORDINATOR_ADDRESS",
    "SLURM_JOB_ID",
    "OMPI_MCA_orte_hnp_uri",
    "KUBERNETES_SERVICE_HOST",
    "TPU_PROCESS_ADDRESSES",
    "TPU_WORKER_HOSTNAMES",
)
# The settings that concern the leader alone, or whose paths may differ between hosts.
LEADERS = {"name", "policy", "benchmark", "tests", "verifiers", "accept_unreadable", "engine"}


def check_suite(suite: Suite, *, leads: bool = True, begun: bool = False, quiet: bool = True) -> None:
    """Checks the names of a suite's policy and, for the leader, of its verifiers and of its file of problems.

    Args:
        suite: The suite.
        leads: Whether this host is the leader.
        begun: Whether the run folder holds a run already, whose references and sources are not checked again.
        quiet: Whether to print nothing of what was read from a file of problems.

    Raises:
        ConfigError: The policy or the file is not there, a table of verifier options has no use, a judge has no key,
            or the gold cannot read all references of the file.
        UnknownVerifier: The name or an option of a verifier is not known.
    """
    check_policy(suite.policy)
    check_command(suite.training)
    if leads:
        if not begun:  # else the samples may be there, and where they are not the policy is loaded before any work
            check_sources(suite)
        check_names(suite.verifier_names, suite.verifiers)
        catalog.check(suite.verifier_names, suite.verifiers, build_foreign=False)
        check_judges(suite.verifiers, suite.verifier_names)
        check_engine(suite)
        if suite.benchmark.path is not None or any(config.path is not None for config in suite.tests.values()):
            problems = suite_problems(suite)
            if not quiet and not begun:
                _print_file(suite)
            if not catalog.foreign_parts([suite.gold], suite.verifiers):
                check_references(suite, problems, begun=begun)


def suite_problems(suite: Suite) -> dict[str, list[Problem]]:
    """The problems of each split, those of further test sets last.

    Raises:
        ConfigError: A file is not there or holds something else, there are too few problems, or two sets share one.
    """
    config = suite.benchmark
    if config.path is not None and not Path(config.path).is_file():
        raise ConfigError(
            f"benchmark.path: found {config.path!r}, which is no file, expected a file of problems; "
            "in a suite's file a relative path starts at the folder of the suite"
        )
    counts = {"train": config.train, "validation": config.validation, "test": config.test}
    try:
        problems = config.definition.problems(suite.seed, config.regime, counts)
    except (ValueError, OSError) as error:
        raise ConfigError(f"benchmark: {error}") from None
    for number, arm in enumerate(suite.arms):
        if (arm.problems or 0) > (there := len(problems["train"])):
            raise ConfigError(
                f"arms.{number}.problems: found {arm.problems}, expected at most {there}, the training problems that "
                "there are"
            )
    return problems | further_tests(suite, problems)


def _print_file(suite: Suite) -> None:
    """Prints what was read from the file of problems, and what was not."""
    for sentence in file_sentences(file_facts(suite) or {}):
        print(visible(sentence, 600), file=sys.stderr)


def host_facts(suite: Suite) -> dict[str, object]:
    """What must be equal on all hosts of a run, by name: programs, and the settings that concern more than the leader.

    Paths may differ. The policy itself, with its prompt, is compared when it is loaded.
    """
    settings = suite.model_dump(mode="json", exclude=LEADERS)
    facts = {**software(), **settings}
    tables = {key: value for key, value in facts.items() if isinstance(value, dict)}
    inner = {f"{table}.{key}": value for table, values in tables.items() for key, value in values.items()}
    return {key: value for key, value in facts.items() if key not in tables} | inner


def check_hosts(count: int, index: int | None, coordinator: str | None) -> None:
    """Checks that a host can find the leader and knows its own number, from the options or from a cluster.

    Raises:
        ConfigError: Naming the option that is missing or wrong.
    """
    if count == 1:
        if index is not None or coordinator is not None:
            raise ConfigError("--host-index and --coordinator go with --hosts")
        return
    if index is not None and index >= count:
        raise ConfigError(f"--host-index: found {index}, expected 0 to {count - 1} with --hosts {count}")
    if coordinator is not None:
        parse_address(coordinator)
    # A virtual machine with TPUs asks its metadata server.
    if any(name in os.environ for name in CLUSTERS) or importlib.util.find_spec("libtpu") is not None:
        return
    missing = {"--coordinator HOST:PORT": coordinator, "--host-index": index}
    if lacking := [option for option, value in missing.items() if value is None]:
        raise ConfigError(f"--hosts {count}: give {' and '.join(lacking)}; no cluster that JAX knows was detected")
