"""A suite: pydantic models, read from one TOML file, checked once before any work.

Takes a TOML file and `--set a.b=value` overrides; gives a frozen Suite. Names of verifiers and policies are not looked
up here. docs/suite.md and `restem init` are printed from the descriptions of the fields (harness/app/suite_page.py).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import pydantic
from pydantic import Field

from restem.benchmarks.catalog import SUITES
from restem.benchmarks.hints import did_you_mean
from restem.harness.arms import ArmConfig, ArmSettings, SweepConfig, with_own
from restem.harness.config_errors import explain, hint
from restem.harness.config_model import NAME, Model
from restem.harness.errors import ConfigError
from restem.harness.names import (
    BASE,
    MARK,
    REFERENCES,
    drawn_as,
    first_sampled,
    replicate,
    unmarked,
)
from restem.harness.overrides import QUICK, make_quick, put, set_value
from restem.harness.problem_sets import BenchmarkConfig, FurtherTestConfig
from restem.harness.settings import (
    EngineConfig,
    GrpoConfig,
    MeshConfig,
    ProbeConfig,
    SamplingConfig,
    TrainingConfig,
)
from restem.harness.toml import read_toml
from restem.verifiers.keys import place_of_key
from restem.verifiers.option_types import MAY_DIFFER, MayDiffer


def _gold_of_the_benchmark(suite: dict[str, Any]) -> str:
    config = suite.get("benchmark")  # absent where it was refused
    return config.definition.gold if isinstance(config, BenchmarkConfig) else "sympy"


class Suite(Model):
    """A named experiment: the whole of one TOML file. docs/run_db.md says how its resolved form is stored."""

    name: str = Field(pattern=NAME, description="names the run folder, runs/<name>")
    seed: int = Field(default=0, ge=0, description="of the problems, samples and training orders")
    policy: str = Field(default="tiny", description="a name that `restem models` lists, or a checkpoint folder")
    iterations: Annotated[int, MayDiffer(grows=True)] = Field(
        default=2, ge=1, description="E-steps and M-steps of every arm"
    )
    replicates: int = Field(default=1, ge=1, description="seeds under which every arm is run, on the same problems")
    benchmark: BenchmarkConfig = BenchmarkConfig()
    tests: dict[Annotated[str, Field(pattern=NAME)], FurtherTestConfig] = Field(
        default={}, description="further test sets, by name"
    )
    gold: str = Field(
        default_factory=_gold_of_the_benchmark,
        description="the verifier that is taken as truth; without it the benchmark's own, which is `sympy` for all "
        "built-in ones",
    )
    accept_unreadable: Annotated[bool, MAY_DIFFER] = Field(
        default=False,
        description="whether to run although the gold cannot read the references of all problems; the report then "
        "counts them",
    )
    scoring: tuple[str, ...] = Field(default=(), description="further verifiers, which give verdicts and train nothing")
    sampling: SamplingConfig = SamplingConfig()
    engine: EngineConfig = EngineConfig()
    training: TrainingConfig = TrainingConfig()
    grpo: GrpoConfig = GrpoConfig()
    mesh: MeshConfig = MeshConfig()
    probe: ProbeConfig = ProbeConfig()
    arms: tuple[ArmConfig, ...] = Field(min_length=1, description="one arm a training verifier")
    verifiers: dict[str, dict[str, Any]] = Field(default={}, description="options of verifiers, by name")
    sweep: SweepConfig = SweepConfig()
    quick: dict[str, Any] = Field(
        default={},
        description="what `restem run SUITE --quick` sets, by dotted keys, as in `benchmark.train = 16`; the suite's "
        "name then ends with `-quick`",
    )

    @pydantic.model_validator(mode="after")
    def _one_gold_judges_all_tests(self) -> Suite:
        own = self.benchmark.definition.gold
        for name, config in self.tests.items():
            if (other := config.definition.gold) != own:
                raise ValueError(
                    f"tests.{name}: found a benchmark whose gold is {other!r}, expected one with that of `benchmark`, "
                    f"{own!r}: one gold judges all samples of a run; measure it in a suite of its own"
                )
        return self

    @pydantic.model_validator(mode="after")
    def _names_are_unique(self) -> Suite:
        names = [arm.name for arm in self.arms]
        if repeated := [name for name in names if names.count(name) > 1]:
            raise ValueError(f"arms: arm names must differ, found {repeated[0]!r} {names.count(repeated[0])} times")
        if BASE in names:
            raise ValueError(f"arms: no arm may be called {BASE!r}, the name of the untrained policy")
        if marked := [name for name in (*self.verifier_names, *self.verifiers) if MARK in name]:
            raise ValueError(f"verifier {marked[0]!r}: `{MARK}` stands for replicates and may be in no name")
        return self

    @pydantic.model_validator(mode="after")
    def _grpo_has_groups(self) -> Suite:
        for number, arm in enumerate(self.arms):
            if arm.algorithm == "grpo" and self.settings_of(arm).sampling.train_samples < 2:
                raise ValueError(
                    f"arms.{number}.samples: found 1, expected at least 2: GRPO compares the samples of a problem"
                )
        return self

    @pydantic.model_validator(mode="after")
    def _every_setting_has_a_use(self) -> Suite:
        if self.grpo != GrpoConfig() and all(arm.algorithm != "grpo" for arm in self.arms):
            raise ValueError(
                'grpo: no arm has `algorithm = "grpo"`, so it has no use: give it to an arm, or leave it out'
            )
        for number, arm in enumerate(self.arms):
            unused = next((key for key in ("samples", "temperature") if getattr(arm, key) is not None), None)
            if arm.source == REFERENCES and self.settings_of(arm).iterations == 1 and unused:
                raise ValueError(
                    f"arms.{number}.{unused}: its one iteration trains on worked solutions and draws nothing: leave it "
                    "out, or set `iterations`"
                )
        return self

    @pydantic.model_validator(mode="after")
    def _commands_train_on_what_is_kept(self) -> Suite:
        for number, arm in enumerate(self.arms if self.training.engine == "command" else ()):
            if arm.algorithm == "grpo":
                raise ValueError(f'arms.{number}.algorithm: found "grpo", which only `training.engine = "own"` has')
            if arm.selection.negatives or arm.selection.weight == "corrected":
                raise ValueError(
                    f"arms.{number}.selection: rejected samples have a weight, and a command gets accepted ones alone; "
                    'take `training.engine = "own"`'
                )
        return self

    @pydantic.model_validator(mode="after")
    def _engine_has_a_server(self) -> Suite:
        if self.sampling.engine == "openai" and not (self.engine.base_urls or self.engine.start):
            raise ValueError(
                "engine: `sampling.engine` is 'openai', and neither `base_urls` names a server nor `start` starts one"
            )
        if self.sampling.engine == "own" and self.engine != EngineConfig():
            raise ValueError(
                "engine: `sampling.engine` is 'own', so it has no use: set that to 'openai', or leave this out"
            )
        return self

    @pydantic.model_validator(mode="after")
    def _sweep_has_its_arms(self) -> Suite:
        names = {arm.name for arm in self.arms}
        for name in self.sweep.arms:
            if name not in names and not names.issuperset(self.sweep.written(name)):
                raise ValueError(f"sweep.arms: no arm {name!r}{did_you_mean(name, sorted(names))}")
        return self

    def settings_of(self, arm: ArmConfig) -> ArmSettings:
        """What an arm does."""
        sampling = {"train_samples": arm.samples, "temperature": arm.temperature}
        restart = False if arm.algorithm == "grpo" else arm.restart
        training = {"restart": restart, "steps": arm.steps, "learning_rate": arm.learning_rate}
        usual = self.sampling.temperature
        return ArmSettings(
            iterations=arm.iterations or self.iterations,
            problems=arm.problems or self.benchmark.train,
            sampling=with_own(self.sampling, sampling),
            training=with_own(self.training, training),
            first=first_sampled(arm.name, drawn_as(arm.source, arm.temperature or usual, usual)),
            source=arm.source,
            grpo=self.grpo if arm.algorithm == "grpo" else None,
        )

    @property
    def first_bases(self) -> tuple[str, ...]:
        """Ids of what the arms of the first replicate draw their first samples from; the base itself is always one."""
        arms = (arm for arm in self.arms if unmarked(arm.name) == arm.name)
        return tuple(dict.fromkeys([BASE, *(self.settings_of(arm).first for arm in arms)]))

    def first_draws(self, first: str) -> ArmSettings:
        """How a base is sampled for all arms that draw from it: as many problems and samples as any of them uses."""
        sharing = [settings for settings in map(self.settings_of, self.arms) if settings.first == first]
        if not sharing:  # no arm draws from the base as the suite says; a plan does
            sharing = [self.settings_of(ArmConfig(name="plan", verifier=self.gold))]
        most = max(settings.sampling.train_samples for settings in sharing)
        samples = 1 if sharing[0].source == REFERENCES else most
        return dataclasses.replace(
            sharing[0],
            problems=max(settings.problems for settings in sharing),
            sampling=with_own(sharing[0].sampling, {"train_samples": samples}),
        )

    def replicated(self, seeded: Collection[str]) -> Suite:
        """The suite with an arm for every replicate, replicate by replicate; replicate 0 is the suite unchanged.

        Args:
            seeded: The verifiers that take a seed. Those that train have one more table a replicate r, with r added
                to the seed; all others are the same in all replicates.
        """
        arms, tables = list(self.arms), dict(self.verifiers)
        for number in range(1, self.replicates):
            for arm in self.arms:
                name, verifier = replicate(arm.name, number), arm.verifier
                if verifier in seeded and verifier != self.gold:
                    options = {"type": verifier, **self.verifiers.get(verifier, {})}
                    verifier = replicate(verifier, number)
                    tables[verifier] = options | {"seed": options.get("seed", 0) + number}
                arms.append(arm.model_copy(update={"name": name, "verifier": verifier}))
        return self.model_copy(update={"arms": tuple(arms), "verifiers": tables})

    @property
    def verifier_names(self) -> tuple[str, ...]:
        """Every verifier that the suite names: gold first, then training, then scoring ones; each once."""
        return tuple(dict.fromkeys([self.gold, *(arm.verifier for arm in self.arms), *self.scoring]))


def built_in_suites() -> dict[str, Path]:
    """The built-in suites by name: the file of each. Those of docs/prediction.md are not among them."""
    folders = (SUITES, SUITES / "paper", SUITES / "literature")
    return {path.stem: path for folder in folders for path in sorted(folder.glob("*.toml"))}


def suite_names() -> list[str]:
    """The names of the built-in suites."""
    return list(built_in_suites())


def load_suite(name: str, overrides: Sequence[str] = (), *, quick: bool = False) -> Suite:
    """A suite by built-in name or TOML file, with `a.b=value` overrides.

    Args:
        name: The name or the file.
        overrides: Changes, after those of `quick`.
        quick: Whether to set what the suite's `[quick]` says.

    Raises:
        ConfigError: Naming file, field, value found and value expected.
    """
    path = built_in_suites().get(name, Path(name))
    if not path.is_file():
        hint = did_you_mean(name, suite_names())
        raise ConfigError(f"no suite {name!r}: neither a file nor one of {', '.join(suite_names())}{hint}")
    data = read_toml(path)
    tests = data.get("tests")
    for table in (data.get("benchmark"), *(tests.values() if isinstance(tests, dict) else ())):
        if isinstance(table, dict):
            for key in {"path", "few_shot_file"} & table.keys():  # relative to the suite, not to the working folder
                if isinstance(table[key], str):
                    table[key] = str((path.parent / table[key]).absolute())
    if quick:
        make_quick(data, path.name)
    data.pop(QUICK, None)  # from here on a suite is what it does
    for override in overrides:
        set_value(data, override)
    _read_few_shot(data.get("benchmark"), path.name)
    return parse_suite(data, path.name)


def _read_few_shot(benchmark: Any, origin: str) -> None:
    """`few_shot_file` becomes `few_shot`, so that the resolved suite holds the text itself."""
    if not isinstance(benchmark, dict) or "few_shot_file" not in benchmark:
        return
    file = benchmark.pop("few_shot_file")
    if "few_shot" in benchmark:
        raise ConfigError(f"{origin}: benchmark: give either few_shot or few_shot_file")
    try:
        benchmark["few_shot"] = Path(file).read_text("utf-8").rstrip("\n")
    except (OSError, UnicodeDecodeError, TypeError) as error:
        raise ConfigError(f"{origin}: benchmark.few_shot_file: {error}") from None


def parse_suite(data: Mapping[str, Any], origin: str) -> Suite:
    """A Suite from plain data; `origin` is named in errors.

    Raises:
        ConfigError: Naming field, value found and value expected; of a key only where it stands.
    """
    if (place := place_of_key(data)) is not None:
        raise ConfigError(f"{origin}: {'.'.join(place)}: holds a key; put it into an environment variable")
    try:
        suite = Suite.model_validate(data)
    except pydantic.ValidationError as error:
        raise _refused(origin, explain(error, Suite)) from None
    return _swept(suite, origin)


def _swept(suite: Suite, origin: str) -> Suite:
    """The suite with an arm for each value of `[sweep]`; unchanged where it has none, or where they are written."""
    sweep, names = suite.sweep, suite.sweep.arms or tuple(arm.name for arm in suite.arms)
    if sweep.key is None or not any(arm.name in names for arm in suite.arms):
        return suite
    arms: list[Mapping[str, Any]] = []
    for arm in suite.arms:
        for number, name in enumerate(sweep.written(arm.name) if arm.name in names else ()):
            written = arm.model_dump() | {"name": name}
            put(written, sweep.key.split("."), sweep.values[number])
            try:
                ArmConfig.model_validate(written)
            except pydantic.ValidationError as error:
                raise _refused(f"{origin}: sweep.values.{number}", explain(error, ArmConfig)) from None
            arms.append(written)
        arms += [] if arm.name in names else [arm.model_dump()]
    data = suite.model_dump() | {"arms": arms, "sweep": sweep.model_dump() | {"arms": names}}
    try:
        return Suite.model_validate(data)
    except pydantic.ValidationError as error:
        raise _refused(f"{origin}: with [sweep]", explain(error, Suite)) from None


def _refused(place: str, lines: Sequence[str]) -> ConfigError:
    return ConfigError("\n".join(f"{place}: {line}" for line in lines))


def read_tables(path: Path) -> dict[str, Any]:
    """The plain data of a TOML file with some of a suite's keys, not checked any further.

    Raises:
        ConfigError: It is not TOML, or has a key that no suite has.
    """
    data = read_toml(path)
    for key in data:
        if key not in Suite.model_fields:
            raise ConfigError(f"{path}: {key}: unknown key{hint(key, list(Suite.model_fields))}")
    return data


def to_toml(suite: Suite) -> str:
    """The resolved suite as TOML that `load_suite` reads back to an equal Suite."""
    import tomlkit

    return tomlkit.dumps(suite.model_dump(mode="json", exclude_none=True))
