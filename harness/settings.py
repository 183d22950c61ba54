"""The tables of a suite that say how samples are drawn, selected and trained on.

Each is a frozen pydantic model; harness/config.py puts them together. Independent of benchmarks and verifiers.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

import pydantic
from pydantic import Field

from restem.harness.config_model import Model
from restem.harness.store.selection_rules import RULES
from restem.verifiers.option_types import MAY_DIFFER, Address, MayDiffer, variable_name

COMPUTE = (
    "`mixed`: float32, with products in bfloat16 summed in float32; `bfloat16`: that type, with norms, softmax and "
    "logits in float32"
)

PLACES = ("data", "start", "output", "seed")  # what stands in `training.command` besides keys of [training]
PLACEHOLDER = r"\{(\w+)\}"
Compute: TypeAlias = Literal["float32", "mixed", "bfloat16"]
if TYPE_CHECKING:
    RuleName: TypeAlias = str
else:  # a type checker does not accept a Literal that is made from a table
    RuleName = Literal[tuple(RULES)]


class DecodingConfig(Model):
    """How test samples are drawn, of all test sets, where that differs from `[sampling]`.

    Runs in which this differs are not compared.
    """

    temperature: float | None = Field(default=None, ge=0.01, description="without it that of `[sampling]`")
    top_k: int | None = Field(default=None, ge=1, description="without it that of `[sampling]`")
    top_p: float | None = Field(default=None, gt=0, le=1, description="without it that of `[sampling]`")
    greedy: bool = Field(
        default=False,
        description="whether the likeliest token is taken at each step; `test_samples` must then be 1, as all are "
        "equal",
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

    engine: Literal["own", "openai"] = Field(
        default="own",
        description="what draws them: our own sampler, or servers with OpenAI's routes, as `[engine]` says",
    )
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

    engine: Literal["own", "command"] = Field(
        default="own", description="`command`: another program trains, and leaves a Hugging Face folder; docs/doors.md"
    )
    command: tuple[str, ...] = Field(
        default=(),
        description="for `command`: the program and its arguments. In these `{data}` is the file of what was kept, "
        "`{start}` the folder to start from, `{output}` the folder to write, `{seed}` a number, `{steps}` and every "
        "other key of this table its value. Needs `--allow-code` where a file names it",
    )
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

    @pydantic.model_validator(mode="after")
    def _command_goes_with_its_engine(self) -> TrainingConfig:
        if self.engine == "own":
            if self.command:
                raise ValueError('`command` goes with `engine = "command"`, found "own"')
            return self
        if self.checks:
            raise ValueError(f'`checks`: found {self.checks}, expected 0 with `engine = "command"`')
        known = [*PLACES, *(name for name in type(self).model_fields if name not in ("engine", "command"))]
        named = {name for part in self.command for name in re.findall(PLACEHOLDER, part)}
        if unknown := sorted(named - {*known}):
            raise ValueError(f"`command`: unknown {{{unknown[0]}}}, expected some of {', '.join(known)}")
        if missing := [name for name in ("data", "output") if name not in named]:
            raise ValueError(f"`command`: expected an argument with {{{missing[0]}}}, found none")
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


class EngineConfig(Model):
    """The servers that draw samples where `sampling.engine` is `openai`; docs/engines.md."""

    base_urls: Annotated[tuple[str, ...], MAY_DIFFER] = Field(
        default=(),
        description="addresses of running servers, such as `http://127.0.0.1:8000/v1`; prompts are shared out over "
        "them, and all of them see the run folder",
    )
    start: Annotated[tuple[str, ...], MAY_DIFFER] = Field(
        default=(),
        description="instead of addresses: the words of a command that starts a server on this machine, with "
        "`{folder}` for the weights and `{port}` for its port; `restem run` starts and stops it, and needs "
        "`--allow-code` where this stands in a file",
    )
    reload: Annotated[Literal["restart", "vllm", "sglang", "prime-rl"], MAY_DIFFER] = Field(
        default="restart",
        description="how a server gets a checkpoint's weights: the command of `start` is run again, or a running "
        "server is told by vLLM's routes in development mode, by SGLang's, which `restem serve --allow-update` has "
        "too, or by prime-rl's",
    )
    model: Annotated[str | None, MAY_DIFFER] = Field(
        default=None, min_length=1, description="the model's name in requests; without it the first that a server lists"
    )
    concurrency: Annotated[int, MAY_DIFFER] = Field(
        default=32, ge=1, description="prompts in flight at each server, all samples of a prompt in one request"
    )
    timeout_seconds: Annotated[float, MAY_DIFFER] = Field(
        default=600.0, gt=0, description="how long a server may take for a request"
    )
    start_seconds: Annotated[float, MAY_DIFFER] = Field(
        default=600.0, gt=0, description="how long a started server may take until it answers"
    )
    retries: Annotated[int, MAY_DIFFER] = Field(
        default=4, ge=0, le=10, description="times a request is sent again to a server that is busy"
    )
    near_tie: Annotated[float, MAY_DIFFER] = Field(
        default=0.2,
        ge=0,
        description="nats by which a server's likeliest token may be less likely than ours under our own network, "
        "as one that computes in bfloat16 takes the other of two where they are almost equally likely",
    )
    logprob_difference: Annotated[float, MAY_DIFFER] = Field(
        default=0.07,
        gt=0,
        description="nats by which a server's log-probabilities of a few prompts may differ from ours, as the root of "
        "the mean square over their tokens",
    )
    api_key_env: Annotated[str | None, MAY_DIFFER] = Field(
        default=None, description="the name of an environment variable with the servers' key"
    )

    @pydantic.field_validator("base_urls")
    @classmethod
    def _are_addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(pydantic.TypeAdapter(Address).validate_python(address).rstrip("/") for address in value)

    @pydantic.field_validator("api_key_env")
    @classmethod
    def _is_a_name(cls, value: str | None) -> str | None:
        return value if value is None else variable_name(value)

    @pydantic.model_validator(mode="after")
    def _servers_get_weights(self) -> EngineConfig:
        if self.base_urls and self.start:
            raise ValueError("`base_urls` are servers that run, `start` starts one: give either of them")
        if self.base_urls and self.reload == "restart":
            raise ValueError(
                "`reload`: found 'restart' with `base_urls`, expected how running servers are told to load weights: "
                "'vllm', 'sglang' or 'prime-rl'"
            )
        if len(set(self.base_urls)) < len(self.base_urls):
            raise ValueError("`base_urls`: an address stands there twice")
        if self.start and not any("{folder}" in word for word in self.start):
            raise ValueError("`start`: expected `{folder}` in a word, where the command names the weights")
        if self.start and not any("{port}" in word for word in self.start):
            raise ValueError("`start`: expected `{port}` in a word, where the command names its port")
        return self
