"""A suite: pydantic models, read from one TOML file, checked once before any work.

Takes a TOML file and `--set a.b=value` overrides; gives a frozen Suite. Names of verifiers and policies are not looked
up here. docs/suite.md and `restem init` are printed from the descriptions of the fields (harness/app/suite_page.py).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias, TypeVar

import pydantic
from pydantic import Field

from restem.benchmarks.catalog import SUITES
from restem.benchmarks.hints import did_you_mean
from restem.harness.config_errors import explain, hint
from restem.harness.config_model import Model
from restem.harness.errors import ConfigError
from restem.harness.names import (
    BASE,
    CHECKPOINT,
    MARK,
    POLICY,
    REFERENCES,
    drawn_as,
    first_sampled,
    replicate,
    unmarked,
)
from restem.harness.overrides import QUICK, make_quick, put, set_value
from restem.harness.problem_sets import BenchmarkConfig, FurtherTestConfig
from restem.harness.store.selection_rules import RULES
from restem.harness.toml import read_toml
from restem.verifiers.keys import place_of_key
from restem.verifiers.option_types import MAY_DIFFER, MayDiffer

COMPUTE = "`mixed`: float32, with products in bfloat16 summed in float32"
NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"

Compute: TypeAlias = Literal["float32", "mixed", "bfloat16"]
if TYPE_CHECKING:
    RuleName: TypeAlias = str
else:  # a type checker does not accept a Literal that is made from a table
    RuleName = Literal[tuple(RULES)]


Table = TypeVar("Table", bound=Model)


class DecodingConfig(Model):
    """How test samples are drawn, of all test sets, where that differs from `[sampling]`.

    Runs in which this differs are not compared.
    """

    temperature: float | None = Field(default=None, ge=0.01, description="without it that of `[sampling]`")
    top_k: int | None = Field(default=None, ge=1, description="without it that of `[sampling]`")
    top_p: float | None = Field(default=None, gt=0, le=1, description="without it that of `[sampling]`")
    greedy: bool = Field(
        default=False,
        description="whether the likeliest token is taken at each step; `test_samples` is then 1, as all are equal",
    )

    @pydantic.model_validator(mode="after")
    def _greedy_goes_alone(self) -> DecodingConfig:
        if self.greedy and (drawn := [name for name in ("temperature", "top_k", "top_p") if getattr(self, name)]):
            raise ValueError(f"`greedy` draws nothing, so `{drawn[0]}` has no use beside it; remove one of them")
        return self

    @property
    def settings(self) -> dict[str, Any]:
        """The settings of `[sampling]` that it replaces."""
        # Of the one likeliest token nothing is drawn: the sampler then takes it, whatever the temperature is.
        return {"top_k": 1} if self.greedy else self.model_dump(exclude={"greedy"}, exclude_none=True)


class SamplingConfig(Model):
    """How responses are drawn; temperature and top-k are the paper's."""

    train_samples: int = Field(default=16, ge=1, description="samples of a training problem in each E-step")
    validation_samples: int = Field(default=4, ge=1, description="samples of a validation problem in each check")
    test_samples: int = Field(default=8, ge=1, description="samples of a test problem from each checkpoint")
    train_at_end: bool = Field(
        default=False,
        description="whether the last checkpoint of an arm is sampled on its training problems too, as every other one "
        "is in an E-step, so that accuracy on training and on test problems is known after every iteration",
    )
    temperature: float = Field(default=0.7, ge=0.01, description="the logits are divided by it")
    top_k: int = Field(default=40, ge=1, description="number of likeliest tokens that may be drawn at each step")
    top_p: float = Field(
        default=1.0, gt=0, le=1, description="of those, the likeliest whose probabilities sum to this; 1: all"
    )
    max_new_tokens: int = Field(default=56, ge=1, description="tokens of the longest response")
    rows: Annotated[int, MAY_DIFFER] = Field(
        default=256, ge=1, description="sequences decoded together; samples do not depend on it"
    )
    compute_dtype: Compute = Field(default="float32", description=f"what the policy computes in; {COMPUTE}")
    test: DecodingConfig = DecodingConfig()

    @pydantic.model_validator(mode="after")
    def _greedy_samples_are_equal(self) -> SamplingConfig:
        if self.test.greedy and self.test_samples > 1:
            raise ValueError(
                f"`test_samples`: found {self.test_samples}, expected 1 with `test.greedy`, whose samples of a problem "
                "are all equal"
            )
        return self

    @property
    def of_tests(self) -> SamplingConfig:
        """The settings with which test samples are drawn."""
        return self.model_copy(update=self.test.settings)


class SelectionConfig(Model):
    """Which accepted samples train the policy, and with what weight."""

    rule: RuleName = Field(
        default="filter",
        description="`filter`: what the verifier accepts, with weight 1 (the paper). `majority`: of those, what agrees "
        "with most samples of its problem. `weighted`: what it accepts, weighted as `weight` says",
    )
    weight: Literal["score", "confidence", "corrected"] = Field(
        default="score",
        description="for `weighted`: the verifier's score, the policy's confidence in the response, or `corrected`: "
        "(v - fpr) / (tpr - fpr), where v is 1 for an accepted and 0 for a rejected sample. Its mean over equal "
        "samples is what a perfect verifier gives them, without `dedupe` and `cap` (arXiv:2510.00915)",
    )
    tpr: float | None = Field(
        default=None, gt=0, le=1, description="for `corrected`: the share of right samples that the verifier accepts"
    )
    fpr: float | None = Field(default=None, ge=0, lt=1, description="for `corrected`: that of wrong ones, below `tpr`")
    negatives: float = Field(
        default=0.0,
        le=0,
        description="the weight of samples that the verifier rejects, below 0; 0: they are dropped. Take a "
        "small one: with -0.05 the tiny policy gained as without, -1 took nearly all that it could do",
    )
    cap: int = Field(
        default=10,
        ge=0,
        description="kept samples of a problem, the paper's cut-off, and as many rejected ones where these have a "
        "weight; 0: no cap",
    )
    dedupe: bool = Field(default=True, description="whether equal responses to a problem are kept once")

    @pydantic.model_validator(mode="after")
    def _rates_go_with_corrected(self) -> SelectionConfig:
        corrected = self.rule == "weighted" and self.weight == "corrected"
        if self.weight == "corrected" and not corrected:
            raise ValueError(f'`weight = "corrected"` goes with `rule = "weighted"`, found {self.rule!r}')
        if not corrected and (self.tpr, self.fpr) != (None, None):
            raise ValueError('`tpr` and `fpr` go with `weight = "corrected"`, and only with it')
        if not corrected:
            return self
        if self.tpr is None or self.fpr is None:
            raise ValueError('`weight = "corrected"` needs both rates of the verifier, `tpr` and `fpr`')
        if self.tpr <= self.fpr:
            raise ValueError(
                f"expected fpr below tpr, found fpr {self.fpr:g} and tpr {self.tpr:g}: such a verifier "
                "tells nothing, or the opposite; turn its outcomes around"
            )
        if self.negatives:
            raise ValueError('`negatives`: with `weight = "corrected"` the rates give the weight of rejected samples')
        return self


class TrainingConfig(Model):
    """The M-step."""

    optimizer: Literal["adamw", "sgd"] = Field(default="adamw", description="the optimizer")
    learning_rate: float = Field(default=1e-3, gt=0, description="the largest learning rate")
    warmup_share: float = Field(default=0.1, ge=0, lt=1, description="share of the steps in which this rises from 0")
    steps: int = Field(default=64, ge=1, description="optimizer steps, the same for every arm")
    rows: int = Field(default=16, ge=1, description="packed sequences computed together")
    row_length: int = Field(default=128, ge=8, description="tokens of a packed sequence; a longer example is left out")
    accumulate: int = Field(default=1, ge=1, description="a step's gradient is that of this many batches of `rows`")
    accumulate_all: bool = Field(default=False, description="a step's gradient is that of all examples")
    trainable: Literal["full", "no_embedder", "lora"] = Field(
        default="full", description="which parameters are trained"
    )
    lora_rank: int = Field(default=16, ge=1, description="with `lora`: the rank of the added matrices")
    compute_dtype: Compute = Field(
        default="float32", description=f"what the loss is computed in; {COMPUTE}; parameters and moments stay float32"
    )
    remat: bool = Field(default=False, description="layers are computed twice, for less memory")
    restart: bool = Field(
        default=True,
        description="each iteration trains the base (the paper); false: the last iteration's policy, as the notebook "
        "and ReST do",
    )
    checks: int = Field(
        default=2, ge=0, description="times the validation reward is measured; training stops when it falls"
    )

    @pydantic.model_validator(mode="after")
    def _one_accumulation(self) -> TrainingConfig:
        if self.accumulate_all and self.accumulate > 1:
            raise ValueError("`accumulate` and `accumulate_all` exclude each other")
        return self


class MeshConfig(Model):
    """The devices, `data` x `model` of them on all hosts together."""

    data: Annotated[int, MayDiffer(only="yes; later training is rounded differently")] = Field(
        default=0,
        ge=0,
        description="devices that divide the sequences among them; 0: all devices. It changes speed, and the last bits "
        "of trained parameters",
    )
    model: int = Field(
        default=1,
        ge=1,
        description="devices that share each matrix, all on one host, for a policy that one device cannot hold; "
        "sums are then rounded differently",
    )


class ProbeConfig(Model):
    """Constructed responses that test every verifier: attacks, and right answers in other forms; about 29 a problem."""

    problems: int = Field(default=4, ge=0, description="the first test problems, this many, are probed; 0: none")


class GrpoConfig(Model):
    """The loss of arms with `algorithm = "grpo"`; docs/grpo.md."""

    clip: float = Field(default=0.2, gt=0, lt=1, description="how far the ratio to the policy that drew may leave 1")
    kl: float = Field(default=0.04, ge=0, description="the weight of the penalty for leaving the base")


class ArmConfig(Model):
    """One training verifier's chain of iterations. What an arm does not set is as the suite says."""

    name: str = Field(pattern=NAME, description="the arm's name; not `base`")
    verifier: str = Field(description="the verifier that selects its training samples")
    algorithm: Literal["em", "grpo"] = Field(
        default="em",
        description="`em`: likelihood of what is selected (the paper). `grpo`: policy gradient by each sample's "
        "advantage over the others of its problem; it goes on from the last policy and has no selection; docs/grpo.md",
    )
    iterations: Annotated[int | None, MayDiffer(grows=True)] = Field(
        default=None, ge=1, description="its E-steps and M-steps; without it `iterations` of the suite"
    )
    samples: int | None = Field(
        default=None,
        ge=1,
        description="samples of a training problem in its E-steps; without it `sampling.train_samples`. The base's are "
        "shared by all arms: an arm with fewer samples trains on the first ones, and the verifiers judge them all",
    )
    problems: int | None = Field(
        default=None, ge=1, description="the first training problems, this many; without it all of them"
    )
    temperature: float | None = Field(
        default=None, ge=0.01, description="at which its E-steps draw; without it `sampling.temperature`"
    )
    source: str = Field(
        default=POLICY,
        description="what its first iteration trains on: `policy`, samples of the policy itself; `references`, worked "
        "solutions of the benchmark (docs/benchmarks.md says which have them); or `checkpoint:` and a name that "
        "`restem models` lists or a checkpoint folder, samples of that policy. Later iterations sample the policy",
    )
    restart: bool | None = Field(default=None, description="without it `training.restart`")
    steps: int | None = Field(default=None, ge=1, description="without it `training.steps`")
    learning_rate: float | None = Field(default=None, gt=0, description="without it `training.learning_rate`")
    selection: SelectionConfig = SelectionConfig()

    @pydantic.field_validator("source")
    @classmethod
    def _source_is_known(cls, source: str) -> str:
        if source in (POLICY, REFERENCES) or source.removeprefix(CHECKPOINT) not in ("", source):
            return source
        expected = f"{POLICY}, {REFERENCES} or {CHECKPOINT}NAME_OR_FOLDER"
        raise ValueError(f"found {source!r}, expected {expected}{did_you_mean(source, (POLICY, REFERENCES))}")

    @pydantic.model_validator(mode="after")
    def _references_have_no_confidence(self) -> ArmConfig:
        if self.source == REFERENCES and (self.selection.rule, self.selection.weight) == ("weighted", "confidence"):
            raise ValueError(
                f'`source = "{REFERENCES}"`: no policy wrote these, so there is no confidence to weigh by: choose '
                "another `selection.weight`"
            )
        return self

    @pydantic.model_validator(mode="after")
    def _grpo_is_on_policy(self) -> ArmConfig:
        if self.algorithm == "grpo" and self.restart:
            raise ValueError(
                '`restart = true` does not go with `algorithm = "grpo"`: leave it out; GRPO trains the '
                "policy that drew the samples"
            )
        if self.algorithm == "grpo" and self.source != POLICY:
            raise ValueError(
                f'`source = "{self.source}"` does not go with `algorithm = "grpo"`: leave it out; GRPO trains the '
                "policy that drew the samples"
            )
        if self.algorithm == "grpo" and self.selection != SelectionConfig():
            raise ValueError(
                '`selection` does not go with `algorithm = "grpo"`, which trains on every sample: leave it out'
            )
        return self


class SweepConfig(Model):
    """One setting of arms over several values: each arm is written once a value, as `NAME-VALUE`, with a curve."""

    key: str | None = Field(default=None, description="a key of an arm, such as `samples` or `selection.cap`")
    values: tuple[Any, ...] = Field(default=(), description="its values: numbers, texts, true or false")
    arms: tuple[str, ...] = Field(default=(), description="the arms that are written once a value; without it all")

    @pydantic.field_validator("key")
    @classmethod
    def _key_of_an_arm(cls, key: str | None) -> str | None:
        model: Any = ArmConfig
        for part in key.split(".") if key is not None else ():
            fields = model.model_fields if isinstance(model, type) and issubclass(model, Model) else {}
            if part not in fields or part == "name":
                raise ValueError(f"no key of an arm{hint(part, [name for name in fields if name != 'name'])}")
            model = fields[part].annotation
        if key is not None and isinstance(model, type) and issubclass(model, Model):
            raise ValueError(f"expected a key with one value, such as `{key}.{next(iter(model.model_fields))}`")
        return key

    @pydantic.model_validator(mode="after")
    def _values_go_with_a_key(self) -> SweepConfig:
        if (self.key is None) != (not self.values):
            raise ValueError("`key` and `values` go together")
        if self.key is None and self.arms:
            raise ValueError("`arms` goes with `key` and `values`")
        if wrong := [value for value in self.values if not isinstance(value, str | int | float)]:
            raise ValueError(f"values: expected numbers, texts, true or false, found {wrong[0]!r}")
        return self

    def written(self, arm: str) -> tuple[str, ...]:
        """The names under which an arm is written, one a value."""
        texts = (f"{value:g}" if isinstance(value, float) else value for value in self.values)
        return tuple(f"{arm}-{str(text).lower() if isinstance(text, bool) else text}" for text in texts)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ArmSettings:
    """What an arm does: its own settings, and the suite's where it has none.

    Attributes:
        iterations: E-steps and M-steps.
        problems: How many of the training problems it uses, the first ones.
        sampling: Of its E-steps.
        training: Of its M-steps.
        first: Id of what its first samples are drawn from.
        source: What that is: POLICY, REFERENCES, or CHECKPOINT and a policy.
        grpo: Its loss; None: EM's.
    """

    iterations: int
    problems: int
    sampling: SamplingConfig
    training: TrainingConfig
    first: str
    source: str
    grpo: GrpoConfig | None = None


def _with(table: Table, own: Mapping[str, Any]) -> Table:
    """A table of settings with those of an arm in their place, where these are set."""
    return table.model_copy(update={key: value for key, value in own.items() if value is not None})


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
    def _arms_have_enough_problems(self) -> Suite:
        for number, arm in enumerate(self.arms):
            if (arm.problems or 0) > self.benchmark.train:
                raise ValueError(
                    f"arms.{number}.problems: found {arm.problems}, expected at most benchmark.train, "
                    f"{self.benchmark.train}"
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
            sampling=_with(self.sampling, sampling),
            training=_with(self.training, training),
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
            sampling=_with(sharing[0].sampling, {"train_samples": samples}),
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
