"""One reward function a trainer: its signature, what it returns, and what an undecided verdict may become there.

Takes the arguments that the trainer passes; gives what it expects. The classes differ in nothing else. Imports no
trainer; torch alone is imported where OpenRLHF, which needs it, calls.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from restem.verifiers.adapters.projection import Undecided
from restem.verifiers.adapters.reward import RewardFunction
from restem.verifiers.verdict import Outcome, Verdict

NUMBER_NEEDED: tuple[Undecided, ...] = ("zero", "raise")
# NeMo Gym writes a reply with this field to `*_failures.jsonl`, not to the rollouts (nemo_gym/rollout_collection.py).
GYM_FAILURE = "_ng_failure_class"


class Trl(RewardFunction):
    """`reward_funcs` of TRL's trainers: a batch with all samples of its prompts."""

    form = "trl"
    default: ClassVar[Undecided] = "none"

    def __call__(self, prompts: Sequence[Any], completions: Sequence[Any], **columns: Any) -> list[float | None]:
        return self.numbers(self.verdicts(prompts=prompts, completions=completions, **columns))


class Tunix(RewardFunction):
    """`reward_fns` of tunix and `reward_functions` of MaxText; NumPy makes an error of None."""

    form = "tunix"
    default: ClassVar[Undecided] = "zero"
    possible = NUMBER_NEEDED

    def __call__(self, prompts: Sequence[Any], completions: Sequence[Any], **columns: Any) -> list[float]:
        return _floats(self.numbers(self.verdicts(prompts=prompts, completions=completions, **columns)))


class Verl(RewardFunction):
    """`compute_score` of verl: one response; the entries besides `score` are its validation metrics."""

    form = "verl"
    default: ClassVar[Undecided] = "zero"
    possible = NUMBER_NEEDED

    def __call__(
        self,
        data_source: Any = None,
        solution_str: str = "",
        ground_truth: Any = None,
        extra_info: Any = None,
        **_: Any,
    ) -> dict[str, Any]:
        (verdict,) = self.verdicts(solution_str=solution_str, ground_truth=ground_truth, extra_info=extra_info)
        return self.entry(verdict)

    def entry(self, verdict: Verdict) -> dict[str, Any]:
        """What verl gets of a verdict; always the same keys, because verl makes columns of them."""
        (score,) = _floats(self.numbers([verdict]))
        undecided = float(verdict.outcome is Outcome.UNDECIDED)
        return {"score": score, "acc": score, "pred": verdict.answer or "", "undecided": undecided}


class VerlBatch(Verl):
    """`compute_score` for verl's reward manager `batch`: all responses of a step, so that groups are whole."""

    form = "verl_batch"

    def __call__(  # type: ignore[override]
        self,
        data_sources: Any = None,
        solution_strs: Sequence[str] = (),
        ground_truths: Sequence[Any] = (),
        extra_infos: Any = None,
        **_: Any,
    ) -> list[dict[str, Any]]:
        verdicts = self.verdicts(solution_strs=solution_strs, ground_truths=ground_truths, extra_infos=extra_infos)
        return [self.entry(verdict) for verdict in verdicts]


class OpenRlhf(RewardFunction):
    """`reward_func` of a file for OpenRLHF's `--reward.remote_url`: a batch of one, in a thread."""

    form = "openrlhf"
    default: ClassVar[Undecided] = "zero"
    possible = NUMBER_NEEDED

    def __call__(
        self, queries: Sequence[str], prompts: Sequence[str], labels: Sequence[Any], **_: Any
    ) -> dict[str, Any]:
        import torch  # pyright: ignore[reportMissingImports]

        verdicts = self.verdicts(queries=queries, prompts=prompts, labels=labels)
        rewards = torch.tensor(_floats(self.numbers(verdicts)))
        undecided = torch.tensor([float(verdict.outcome is Outcome.UNDECIDED) for verdict in verdicts])
        return {"rewards": rewards, "scores": rewards, "extra_logs": {"undecided": undecided}}


class Areal(RewardFunction):
    """`reward_fn` of AReaL's workflows, which call it in a pool of processes."""

    form = "areal"
    default: ClassVar[Undecided] = "zero"
    possible = NUMBER_NEEDED

    def __call__(
        self, prompt: Any, completions: Any, prompt_ids: Any = None, completion_ids: Any = None, **data: Any
    ) -> float:
        return _floats(self.numbers(self.verdicts(prompt=prompt, completions=completions, **data)))[0]


class Slime(RewardFunction):
    """The function of slime's `--custom-rm-path`: one sample, or with `--group-rm` all samples of a prompt."""

    form = "slime"
    default: ClassVar[Undecided] = "zero"
    possible = NUMBER_NEEDED

    async def __call__(self, args: Any, sample: Any, **_: Any) -> float | list[float]:
        numbers = _floats(self.numbers(await self.verdicts_later(args=args, sample=sample)))
        return numbers if isinstance(sample, list) else numbers[0]


class Remote(RewardFunction):
    """A reward behind HTTP as slime asks for it: `{"prompt", "response", "label"}`."""

    form = "remote"
    default: ClassVar[Undecided] = "zero"
    possible = NUMBER_NEEDED

    async def __call__(self, **body: Any) -> dict[str, Any]:
        """The reward with what the verifier found: slime takes `reward` of it with `--reward-key reward`."""
        (verdict,) = await self.verdicts_later(**body)
        (number,) = _floats(self.numbers([verdict]))
        return {"reward": number, "score": verdict.score, **_found(verdict), "verifier": self.__name__}


class Rubric(RewardFunction):
    """A function of a `Rubric` (the package `verifiers` before 0.2); an exception becomes 0.0 there."""

    form = "rubric"
    default: ClassVar[Undecided] = "zero"
    possible = NUMBER_NEEDED

    async def __call__(self, prompt: Any, completion: Any, answer: Any = None, info: Any = None) -> float:
        verdicts = await self.verdicts_later(prompt=prompt, completion=completion, answer=answer, info=info)
        return _floats(self.numbers(verdicts))[0]


class RubricGroup(RewardFunction):
    """A group function of a `Rubric`: all samples of a prompt."""

    form = "rubric_group"
    default: ClassVar[Undecided] = "zero"
    possible = NUMBER_NEEDED

    async def __call__(self, prompts: Sequence[Any], completions: Sequence[Any], answers: Any = None) -> list[float]:
        verdicts = await self.verdicts_later(prompts=prompts, completions=completions, answers=answers)
        return _floats(self.numbers(verdicts))


class Verifiers(RewardFunction):
    """A reward of a `vf.Task` (the package `verifiers` from 0.2, prime-rl): a task's data and a rollout's trace."""

    form = "verifiers"
    default: ClassVar[Undecided] = "raise"

    async def __call__(self, task: Any, trace: Any) -> float | dict[str, float]:
        (number,) = self.numbers(await self.verdicts_later(task=task, trace=trace))
        return {} if number is None else number  # keyed scores without a key: recorded as not scored


class NemoGym(RewardFunction):
    """The body of a `verify` method of NeMo Gym's SimpleResourcesServer, and of the route `/verify`."""

    form = "nemo_gym"
    default: ClassVar[Undecided] = "none"

    async def __call__(self, body: Any) -> dict[str, Any]:
        (verdict,) = await self.verdicts_later(body=body)
        return self.reply(body, verdict)

    def reply(self, body: Any, verdict: Verdict) -> dict[str, Any]:
        """The body with the reward and what the verifier found; an undecided one is a failure for Gym."""
        (number,) = self.numbers([verdict])
        fields = dict(body) if isinstance(body, Mapping) else body.model_dump()
        failure = {GYM_FAILURE: "verifier_undecided"} if number is None else {}
        return {
            **fields,
            "reward": 0.0 if number is None else number,
            **_found(verdict),
            "verifier": self.__name__,
            **failure,
        }


def _found(verdict: Verdict) -> dict[str, Any]:
    return {"extracted_answer": verdict.answer, "outcome": verdict.outcome.value, "reason": verdict.reason}


def _floats(numbers: Sequence[float | None]) -> list[float]:
    """The numbers of a projection that has no None."""
    return [0.0 if number is None else number for number in numbers]
