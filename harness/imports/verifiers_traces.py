"""Episodes of verifiers 0.4, as `vf-eval` and prime-rl write them into traces.jsonl -> rollouts.

PrimeIntellect-ai/verifiers 0.4, verifiers/v1/episode.py, trace.py and graph.py: an episode a line, with the traces of
its agents. A trace is a graph of messages: the response is the last message that was sampled. prime-rl writes
`rollouts/step_N/{train,eval}/{all,effective}/traces.jsonl`; `effective` repeats those of `all` that trained. A reward
that was not given is null, or missing where earlier traces of the environment have it: it is undecided. Does not
depend on verifiers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from restem.benchmarks.chat_templates import plain_question, plain_text
from restem.benchmarks.json_lines import BadLine, JsonLine
from restem.harness.imports.cells import is_number, numbered
from restem.harness.imports.format import Format
from restem.harness.imports.nested import count, mean, objects, part, references, word
from restem.harness.imports.rollout import TEST, TRAIN, Imported, Refused, Rollout
from restem.harness.imports.sources import Source, without_value

NAME = "verifiers_traces"
TOTAL = "reward"  # the weighted sum of a trace's rewards, which trains
_REPEATED = "stands in ../all/traces.jsonl too, which holds every rollout of the step: import that file"


def recognises(source: Source) -> bool:
    """Whether the first row is an episode."""
    return {"env", "task", "traces"} <= source.head.keys()


@numbered
def read(source: Source) -> Iterator[Imported]:
    """The rollouts of a file, one a trace of an agent that is trained."""
    folder = source.path.absolute().parent
    is_repeated = folder.name == "effective" and (folder.parent / "all" / source.name).is_file()
    named: dict[str, dict[str, None]] = {}
    for row in source.rows():
        if isinstance(row, Refused):
            yield row
        elif is_repeated:
            yield Refused(place=row.place, reason=_REPEATED)
        else:
            yield from _episode(row, named)


def _episode(row: JsonLine, named: dict[str, dict[str, None]]) -> Iterator[Imported]:
    """The rollouts of an episode.

    Args:
        row: The episode.
        named: Environment -> names of its rewards so far; completed.
    """
    try:
        traces = row.fields.get("traces")
        if not isinstance(traces, list) or not all(isinstance(trace, dict) for trace in traces):
            raise row.unexpected("traces", "a list of objects")
        if not traces:
            yield Refused(place=row.place, reason=f"traces: the episode has none ({_error(row.fields)})")
        for trace in traces:
            yield _rollout(row, trace, named.setdefault(str(row.json_object("env").get("id")), {}))
    except BadLine as error:
        yield Refused(place=row.place, reason=without_value(error, row.place))


def _rollout(row: JsonLine, trace: Mapping[str, Any], names: dict[str, None]) -> Imported:
    agent, task = part(trace, "agent"), row.json_object("task")
    if agent.get("trainable") is False:
        return Refused(place=row.place, reason=f"a trace of the agent {agent.get('name')!r:.40}, which is not trained")
    nodes = trace.get("nodes")
    nodes = nodes if isinstance(nodes, list) and all(isinstance(node, dict) for node in nodes) else []
    last = _last_sampled(nodes)
    if last is None:
        return Refused(place=row.place, reason=f"traces: no text was sampled ({_error(trace)})")
    data = part(task, "data")
    question = plain_question(data.get("prompt")) or _asked(nodes, last)
    if not question:
        raise row.error(f"{row.place}: task.data.prompt: expected a text, and the trace has no turn of the user")
    call = _call(trace, last)
    scores = _scores(row, part(trace, "rewards"))
    names.update(dict.fromkeys(scores))
    rewards = {name: scores.get(name) for name in names}
    why = _error(trace)
    run, work = row.json_object("run"), part(row.fields, "run", "work")
    return Rollout(
        place=row.place,
        question=question,
        response=plain_text(part(nodes[last], "message").get("content")),
        step=_step(work),
        series=word(call.get("model")) or word(part(agent, "config").get("model")),
        split=TEST if "eval" in (run.get("type"), work.get("type")) else TRAIN,
        group=word(task.get("key")) or word(task.get("hash")),
        references=references(data),
        rewards=rewards,
        reasons={name: why for name, value in rewards.items() if value is None},
        finish_reason=word(call.get("finish_reason")),
        token_count=count(part(call, "usage").get("completion_tokens")),
        mean_logprob=mean(nodes[last].get("logprobs")),
        strata={"env": str(row.json_object("env").get("id"))},
    )


def _last_sampled(nodes: Sequence[Mapping[str, Any]]) -> int | None:
    """The place of the last message with a text, an empty one included, that the policy wrote."""
    places = (place for place, node in enumerate(nodes) if node.get("sampled") is True)
    written = [place for place in places if part(nodes[place], "message").get("content") is not None]
    return written[-1] if written else None


def _asked(nodes: Sequence[Mapping[str, Any]], place: int) -> str | None:
    """The last turn of the user on the way to a message."""
    path: list[Mapping[str, Any]] = []
    parent = nodes[place].get("parent")
    while isinstance(parent, int) and 0 <= parent < place:  # a parent stands before its child
        path.append(part(nodes[parent], "message"))
        place, parent = parent, nodes[parent].get("parent")
    return plain_question(path[::-1])


def _scores(row: JsonLine, rewards: Mapping[str, Any]) -> dict[str, float | None]:
    """Name -> score; with `reward`, the weighted sum, where that is another number than a single reward of weight 1."""
    scores: dict[str, float | None] = {}
    total, weights = 0.0, []
    for name, value in rewards.items():
        score = value.get("score") if isinstance(value, dict) else value
        weight = value.get("weight", 1.0) if isinstance(value, dict) else 1.0
        if not (score is None or is_number(score)) or not is_number(weight):
            raise row.error(f"{row.place}: rewards.{name!s:.40}: expected a score and a weight, found {value!r:.40}")
        scores[name] = None if score is None else float(score)
        weights.append(weight)
        total += weight * (score or 0)
    if TOTAL in scores or not scores or weights == [1]:
        return scores
    return {**scores, TOTAL: None if None in scores.values() else total}


def _step(work: Mapping[str, Any]) -> int | None:
    """The version of the policy that wrote the response, or else the training step that asked for it."""
    version = count(part(work, "policy").get("end"))
    return count(work.get("step")) if version is None else version


def _call(trace: Mapping[str, Any], node: int) -> Mapping[str, Any]:
    """The model's call that gave a message."""
    return next((call for call in objects(trace.get("calls")) if call.get("node") == node), {})


def _error(holder: Mapping[str, Any]) -> str:
    """The last error of a trace or an episode, or why it stopped, in a few words."""
    errors = holder.get("errors")
    last = errors[-1] if isinstance(errors, list) and errors else None
    if isinstance(last, dict):
        return f"{last.get('type')}: {last.get('message')}"[:200]
    return f"no score; the rollout stopped with {holder.get('stop_condition') or 'no reason'}"[:200]


FORMAT = Format(
    name=NAME, title="episodes of verifiers 0.4 or prime-rl (traces.jsonl)", recognises=recognises, read=read
)
