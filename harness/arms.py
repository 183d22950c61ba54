"""The arms of a suite: what an arm sets for itself, what it does, and a sweep over one of its settings.

Takes tables of settings; gives frozen models. Names of verifiers and policies are not looked up here.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

import pydantic
from pydantic import Field

from restem.benchmarks.hints import did_you_mean
from restem.harness.config_errors import hint
from restem.harness.config_model import NAME, Model
from restem.harness.names import CHECKPOINT, POLICY, REFERENCES
from restem.harness.settings import GrpoConfig, SamplingConfig, SelectionConfig, TrainingConfig
from restem.verifiers.option_types import MayDiffer

Table = TypeVar("Table", bound=Model)


class ArmConfig(Model):
    """One training verifier's chain of iterations. What an arm does not set is as the suite says."""

    name: str = Field(pattern=NAME, description="the arm's name; not `base`")
    verifier: str = Field(description="the verifier that selects its training samples")
    algorithm: Literal["em", "grpo"] = Field(
        default="em",
        description="`em`: likelihood of what is selected (the paper). `grpo`: policy gradient by each sample's "
        "advantage over the others of its problem; it goes on from the last policy and has no selection; docs/grpo.md",
    )
    iterations: Annotated[int | None, MayDiffer(only="may grow where it is set", grows=True)] = Field(
        default=None, ge=1, description="its E-steps and M-steps; without it `iterations` of the suite"
    )
    samples: int | None = Field(
        default=None,
        ge=1,
        description="samples of a training problem in its E-steps; without it `sampling.train_samples`. The base's are "
        "shared by all arms: an arm with fewer samples trains on the first ones. Refused for a verifier that looks at "
        "all samples of a problem, such as `majority`, where other arms draw more",
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
        if key == "source":
            raise ValueError("`source` cannot be swept, as an arm is named by the value: write the arms one by one")
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
        texts = (str(value).lower() if isinstance(value, bool) else str(value) for value in self.values)
        return tuple(f"{arm}-{text}" for text in texts)


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


def with_own(table: Table, own: Mapping[str, Any]) -> Table:
    """A table of settings with those of an arm in their place, where these are set."""
    return table.model_copy(update={key: value for key, value in own.items() if value is not None})
