"""Reports from a small synthetic run.db: same bytes, nothing unescaped, any unfinished state renders."""

import dataclasses
import html
import html.parser
import itertools
import math
import re
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from restem.benchmarks.problem import Problem
from restem.harness.errors import ConfigError
from restem.harness.names import first_sampled, replicate, unmarked
from restem.harness.store.records import Checkpoint, Sample, Selected, Selection
from restem.harness.store.store import Store
from restem.reports.analysis import predictions
from restem.reports.analysis.agreement_between_verifiers import pairs
from restem.reports.analysis.details import details
from restem.reports.analysis.findings import find
from restem.reports.analysis.ranking import rank
from restem.reports.analysis.verifier_quality import measured
from restem.reports.data.read import read_run
from restem.reports.figures import accuracy, agreement, drift, gallery, kept, style
from restem.reports.figures.style import Look
from restem.reports.pages.escape import fence, markdown, visible
from restem.reports.pages.report import write_report
from restem.reports.pages.terminal import status, summary
from restem.reports.stats.estimates import Estimate
from restem.verifiers.verdict import Outcome, Verdict
from tests.edited import edited

HOSTILE = (
    "<script>alert(1)</script> | a | b |\n```\n# heading\n````\n\x1b[31mred\x1b[0m \x1b]8;;http://x\x07 "
    "\u202eevil\u202c <img src=x onerror=alert(2)> ![x](http://example.invalid/) \u2028 {{ 7 * 7 }} '\" \u200f $x$"
)
TPR_FPR = {
    "sympy": (1.0, 0.0),
    "judge": (0.92, 0.12),
    "judge_blind": (0.8, 0.35),
    "accept_all": (1.0, 1.0),
    "steps": (0.9, 0.2),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Size:
    """How large a synthetic run is, and how far it has got."""

    problems: int = 24
    test_samples: int = 4
    train_samples: int = 4
    iterations: int = 2
    arms: tuple[str, ...] = ("sympy", "judge", "accept_all")
    finished: bool = True
    undecided: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    stop_after: int = 10**9
    gold_undecided: float = 0.0
    seeds: int = 1
    settings: Mapping[str, Mapping[str, Any]] = dataclasses.field(default_factory=dict)
    """Arm -> what it sets for itself: `iterations`, or a `verifier` of another name than its own."""

    sweep: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    shifts: Mapping[str, tuple[float, ...]] = dataclasses.field(default_factory=dict)
    """Arm -> how far its policy is from the base after each iteration, in log-odds; else by its verifier's rates."""

    def verifier(self, arm: str) -> str:
        """What an arm is trained on."""
        return self.settings.get(unmarked(arm), {}).get("verifier", unmarked(arm))

    def rounds(self, arm: str) -> int:
        """The iterations of an arm."""
        return self.settings.get(unmarked(arm), {}).get("iterations", self.iterations)


def build_run(folder: Path, size: Size, seed: int = 0) -> Path:
    """A run.db whose policies follow the law: each arm's step moves the odds towards its accepted samples."""
    random = np.random.default_rng(seed)
    with Store(folder, write=True) as store:
        store.put_run(_facts(size))
        for name in TPR_FPR:
            store.add_verifier(f"{name}-000000000000", name, {"name": name})
        for split in ("train", "validation", "test"):
            store.add_problems([_problem(split, i) for i in range(size.problems)])
        skill = {split: random.normal(-0.6, 1.5, size.problems) for split in ("train", "test")}
        store.add_checkpoint(Checkpoint(id="base", arm=None, iteration=0, kind="base", params_sha256="0" * 64))
        _measure(store, size, random, "base", skill["test"])
        made = 0
        for number in range(1, size.seeds):
            first = replicate("base", number)
            store.add_checkpoint(Checkpoint(id=first, arm=None, iteration=0, kind="base", started_from="base"))
        for arm in (replicate(name, number) for name in size.arms for number in range(size.seeds)):
            shift = 0.0
            for iteration in range(1, size.rounds(arm) + 1):
                if made >= size.stop_after:
                    return folder
                made += 1
                source = f"{arm}/{iteration - 1}" if iteration > 1 else first_sampled(arm)
                _train_rows(store, size, random, source, skill["train"] + shift, size.verifier(arm))
                tpr, fpr = TPR_FPR[size.verifier(arm)]
                skipped = f"{arm}/{iteration}" in size.skipped
                shift += 0.0 if skipped else 0.5 * min(2.0, np.log(tpr / max(fpr, 0.05)))
                shift = size.shifts[unmarked(arm)][iteration - 1] if unmarked(arm) in size.shifts else shift
                _checkpoint(store, size, arm, iteration, source, skipped)
                store.log("sampled", checkpoint=source, split="train", seconds=1.5)
                _measure(store, size, random, f"{arm}/{iteration}", skill["test"] + shift)
        if size.finished:
            store.put_run({"finished": True})
    return folder


def _facts(size: Size) -> dict[str, object]:
    arms = [
        {
            "name": name,
            "verifier": name,
            "selection": {"rule": "filter", "cap": 3, "dedupe": True},
            **size.settings.get(name, {}),
        }
        for name in size.arms
    ]
    return {
        "suite": {
            "name": "synthetic",
            "seed": 0,
            "replicates": size.seeds,
            "iterations": size.iterations,
            "gold": "sympy",
            "arms": arms,
            "sweep": size.sweep,
            "scoring": ["judge_blind"],
            "benchmark": {"name": "linear_1d", "entropy": [3.0, 4.5]},
            "sampling": {"train_samples": size.train_samples, "test_samples": size.test_samples, "temperature": 0.7},
        },
        "verifiers": {name: f"{name}-000000000000" for name in TPR_FPR},
        "controls": ["accept_all"],
        "judge": {"model": "tiny-judge", "embedded": True, "card": {"judge": {"tpr": 0.5, "fpr": 0.25}}},
        "chance_level": 0.08,
        "versions": {"numpy": "2"},
        "python": "3.12",
    }


def _problem(split: str, index: int) -> Problem:
    question = HOSTILE if index == 0 else f"Solve {index + 2}*b = {index} for b. ({split})"
    id = f"linear_1d/{split}{index:06x}"
    return Problem(id=id, question=question, reference=str(index), split=split, source="test")


def _samples(random: np.random.Generator, checkpoint: str, split: str, skill: np.ndarray, count: int) -> list[Sample]:
    right = random.random((len(skill), count)) < 1 / (1 + np.exp(-skill[:, None]))
    wrong = random.integers(100, 104, size=right.shape)
    return [
        Sample(
            checkpoint=checkpoint,
            problem=_problem(split, i).id,
            index=k,
            text=f"{HOSTILE if (i + k) % 5 == 0 else 'b = '}{i if right[i, k] else wrong[i, k]}",
            token_count=int(20 + wrong[i, k] % 7),
            mean_logprob=-0.2,
            finish_reason="stop" if (i + k) % 17 else "length",
        )
        for i in range(len(skill))
        for k in range(count)
    ]


def _truth(sample: Sample) -> tuple[bool, str]:
    answer = re.split(r"\$x\$|b = ", sample.text)[-1]
    return int(answer) == int(sample.problem[-6:], 16), answer


def _judge(store: Store, size: Size, random: np.random.Generator, samples: list[Sample], name: str) -> None:
    tpr, fpr = TPR_FPR[name]
    rows = []
    for sample in samples:
        correct, text = _truth(sample)
        coin = np.random.default_rng(zlib.crc32(f"{name} {sample.problem} {sample.text}".encode())).random()
        accepted = coin < (tpr if correct else fpr)
        share = size.gold_undecided if name == "sympy" else 0.03 if name in ("judge", "steps") else 0.0
        if name in size.undecided or random.random() < share:
            verdict = Verdict(outcome=Outcome.UNDECIDED, reason="<b>unreadable</b> | reply", seconds=0.001)
        else:
            outcome = Outcome.CORRECT if accepted else Outcome.WRONG
            verdict = Verdict(
                outcome=outcome,
                score=float(accepted),
                answer=text,
                rule="last",
                seconds=0.001,
                tokens=30,
                cost_usd=1e-5,
            )
        rows.append((sample.id, verdict))
    store.add_verdicts(f"{name}-000000000000", rows)


def _measure(store: Store, size: Size, random: np.random.Generator, checkpoint: str, skill: np.ndarray) -> None:
    samples = _samples(random, checkpoint, "test", skill, size.test_samples)
    store.add_samples(samples)
    for name in TPR_FPR:
        _judge(store, size, random, samples, name)


def _train_rows(
    store: Store, size: Size, random: np.random.Generator, source: str, skill: np.ndarray, arm: str
) -> None:
    if not store.samples(source, "train"):
        store.add_samples(_samples(random, source, "train", skill, size.train_samples))
    samples = store.samples(source, "train")
    for name in dict.fromkeys((arm, "sympy")):
        if not store.verdicts(source, "train", f"{name}-000000000000"):
            _judge(store, size, random, samples, name)


def _checkpoint(store: Store, size: Size, arm: str, iteration: int, source: str, skipped: bool) -> None:
    id, rows = f"{arm}/{iteration}", []
    texts: set[tuple[str, str]] = set()
    kept: dict[str, int] = {}
    verdicts = store.verdicts(source, "train", f"{size.verifier(arm)}-000000000000")
    for sample in store.samples(source, "train"):
        rule = None if verdicts[sample.id].reward == 1 else verdicts[sample.id].outcome.value
        rule = "cut_off" if rule is None and sample.finish_reason == "length" else rule
        rule = "no_weight" if rule is None and skipped else rule
        rule = "duplicate" if rule is None and (sample.problem, sample.text) in texts else rule
        rule = "cap" if rule is None and kept.get(sample.problem, 0) >= 3 else rule
        if rule is None:
            texts.add((sample.problem, sample.text))
            kept[sample.problem] = kept.get(sample.problem, 0) + 1
        rows.append(Selected(sample=sample.id, weight=float(rule is None), dropped_by=rule))
    store.add_selection(Selection(checkpoint=id, rows=tuple(rows)))
    kind = "skipped" if skipped else "trained"
    store.add_checkpoint(
        Checkpoint(
            id=id,
            arm=arm,
            iteration=iteration,
            kind=kind,
            started_from="base",
            sampled_from=source,
            params_sha256=f"{len(id):064x}",
            steps=8,
            losses=(1.0, 0.5),
            seconds=2.0,
        )
    )
    candidate = Checkpoint(
        id=f"{id}@4",
        arm=arm,
        iteration=iteration,
        kind="candidate",
        started_from="base",
        steps=4,
        validation_reward=0.5,
    )
    store.add_checkpoint(candidate)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_run(tmp_path_factory.mktemp("small"), Size())


@pytest.fixture(scope="module")
def rendered(small: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(small, tmp_path_factory.mktemp("rendered")).parent


PICTURES = (
    *("accuracy", "quality", "gain", "prediction", "drift", "passes", "diversity"),
    *("over_optimisation", "kept", "difficulty", "agreement"),
)


def files(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("run."))
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_the_same_rows_give_the_same_bytes(small: Path, rendered: Path, tmp_path: Path) -> None:
    assert write_report(small, tmp_path) == tmp_path / "report.html"
    first = files(rendered)
    assert first == files(tmp_path)
    assert set(first) == {"report.md", "report.html"} | {
        f"figures/{name}.{kind}" for name in PICTURES for kind in ("svg", "png")
    }


class Tags(html.parser.HTMLParser):
    """Every tag of a page, with its attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_the_page_has_no_tag_or_attribute_of_a_response_and_loads_nothing(rendered: Path) -> None:
    page = (rendered / "report.html").read_text("utf-8")
    tags = Tags(page).found
    allowed = {
        *("html", "head", "meta", "title", "style", "body", "main", "h1", "h2", "p", "div", "strong", "ul", "li"),
        *("table", "thead", "tbody", "tr", "th", "td", "bdi", "small", "figure", "figcaption", "picture", "source"),
        *("img", "details", "summary", "dl", "dt", "dd", "pre", "section", "script", "a", "nav"),
    }
    assert {tag for tag, _ in tags} <= allowed
    names = {name for _, attributes in tags for name in attributes}
    assert names <= {
        *("lang", "charset", "name", "content", "http-equiv", "class", "id", "role", "tabindex", "aria-label"),
        *("scope", "media", "srcset", "src", "alt", "type", "href", "hidden"),
    }
    links = [a["href"] or "" for _, a in tags if "href" in a]
    ids = {a["id"] for _, a in tags if "id" in a}
    assert all(link.startswith("#a=") or link[1:] in ids for link in links)
    sources = [v for _, a in tags for k, v in a.items() if k in ("src", "srcset")]
    assert sources
    assert all(v and v.startswith("data:image/svg+xml;base64,") for v in sources)
    assert "default-src 'none'; script-src 'sha256-" in page
    assert sum(tag == "script" for tag, _ in tags) == 2
    assert "&lt;script&gt;" in page


def test_no_page_holds_a_control_or_bidirectional_character(small: Path, rendered: Path) -> None:
    shown = [(rendered / name).read_text("utf-8") for name in ("report.md", "report.html")]
    for text in [*shown, summary(small), status(small)]:
        assert not set(text) & set("\x00\x07\x1b\r\u202a\u202b\u202d\u202e\u2066\u2067\u2068\u200f\u2028\u2029\x85")


def outside_fences(page: str) -> str:
    """A Markdown page without its fenced blocks, by CommonMark's rule for the end of a fence."""
    kept, fence_mark = [], ""
    for line in page.split("\n"):
        ticks = re.match(r"`{3,}", line)
        if fence_mark:
            if ticks and len(ticks.group()) >= len(fence_mark) and line.strip("`") == "":
                fence_mark = ""
        elif ticks:
            fence_mark = ticks.group()
        else:
            kept.append(line)
    assert not fence_mark
    return "\n".join(kept)


def test_markdown_shows_responses_in_fences_only(rendered: Path) -> None:
    page = (rendered / "report.md").read_text("utf-8")
    rest = outside_fences(page)
    assert "alert(1)" in page
    assert "alert(1)" not in rest
    assert not re.search(r"<[a-zA-Z/!]", rest)
    assert "![x]" not in rest


def test_every_markdown_table_row_has_as_many_cells_as_its_header(rendered: Path) -> None:
    rest = outside_fences((rendered / "report.md").read_text("utf-8"))
    blocks = re.findall(r"(?:^\|.*\n)+", rest, re.MULTILINE)
    assert len(blocks) > 8
    for block in blocks:
        widths = {len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}
        assert len(widths) == 1, block


@pytest.mark.parametrize("text", [HOSTILE, "````", "```\n````\n`````", "a\r```\rb", "~~~\n</pre>", "\ud800", ""])
def test_a_fence_is_longer_than_any_run_of_backticks_in_it(text: str) -> None:
    block = fence(text)
    assert outside_fences(f"before\n{block}\nafter") == "before\nafter"
    block.encode()


def test_long_text_is_cut_and_says_so() -> None:
    assert visible("x" * 5000, 10) == "x" * 10 + " ... (4990 characters more)"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("judge_blind", "judge_blind"),
        ("40.0 [36.4, 43.6]", "40.0 [36.4, 43.6]"),
        ("+1.0 [−2.0, ∞]", "+1.0 [−2.0, ∞]"),
        ("[x](http://a)", r"\[x\](http://a)"),
        ("a|b\nc", r"a\|b\\nc"),
        ("<b>&amp;", "&lt;b&gt;&amp;amp;"),
        ("1. one", r"1\. one"),
        ("- one", r"\- one"),
        ("_a_ *b* `c`", r"\_a\_ \*b\* \`c\`"),
    ],
)
def test_markdown_escapes_markup_and_leaves_numbers_readable(text: str, shown: str) -> None:
    assert markdown(text) == shown


STATES = {
    "only the base": Size(finished=False, stop_after=0),
    "half way": Size(finished=False, stop_after=3),
    "an all-undecided training verifier": Size(undecided=("judge",), skipped=("judge/1", "judge/2")),
    "an all-undecided gold": Size(undecided=("sympy",)),
    "skipped checkpoints": Size(skipped=("judge/1", "sympy/2")),
    "one problem": Size(problems=1, test_samples=1, train_samples=1, iterations=1),
    "no gold arm": Size(arms=("judge", "judge_blind"), iterations=1),
    "controls only": Size(arms=("accept_all",), iterations=1),
}


@pytest.mark.parametrize("name", STATES)
def test_every_state_of_a_run_renders(name: str, tmp_path: Path) -> None:
    build_run(tmp_path, STATES[name])
    page = write_report(tmp_path, figures=False).read_text("utf-8")
    text = (tmp_path / "report.md").read_text("utf-8")
    assert not re.search(r"\bnan\b|\binf\b|None", outside_fences(text.partition("## Provenance")[0]))
    assert ("This run is unfinished" in page) == (not STATES[name].finished)
    assert summary(tmp_path)
    assert status(tmp_path)
    with Store(tmp_path) as store:
        findings = find(read_run(store))
    for drawing in gallery.drawings(
        findings, predictions.predict(findings), pairs(findings.run), details(findings, rank(findings))
    ):
        drawing.draw(style.DARK).draw_without_rendering()


def test_an_empty_run_says_that_there_is_no_answer_yet(tmp_path: Path) -> None:
    Store(tmp_path, write=True).close()
    page = write_report(tmp_path, figures=False).read_text("utf-8")
    assert "No answer yet" in page
    assert "the suite was not recorded" in page


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_run_with_arms_but_without_a_split_renders(split: str, tmp_path: Path) -> None:
    """As one that was imported with a single split."""
    build_run(tmp_path, Size(problems=6, iterations=1))
    of_split = f"(SELECT id FROM problem WHERE split = '{split}')"
    with edited(tmp_path) as database:
        for table in ("selection", "verdict"):
            database.execute(f"DELETE FROM {table} WHERE sample IN (SELECT id FROM sample WHERE problem IN {of_split})")
        for statement in (f"sample WHERE problem IN {of_split}", f"problem WHERE split = '{split}'"):
            database.execute(f"DELETE FROM {statement}")
    assert write_report(tmp_path, figures=False).is_file()
    assert summary(tmp_path)


def test_a_folder_without_a_run_is_the_users_mistake(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no run\.db"):
        write_report(tmp_path)


def test_undecided_gold_verdicts_are_not_counted_as_wrong(tmp_path: Path) -> None:
    build_run(tmp_path, Size(problems=60, gold_undecided=0.2))
    with Store(tmp_path) as store:
        base = find(read_run(store)).base
        rows = store.query(
            "SELECT outcome, count(*) FROM verdict v JOIN sample s ON s.id = v.sample JOIN problem p"
            " ON p.id = s.problem WHERE s.checkpoint = 'base' AND p.split = 'test' AND verifier LIKE 'sympy%'"
            " GROUP BY 1"
        )
    tally = dict(rows)
    assert base is not None
    assert base.accuracy.value == tally["correct"] / (tally["correct"] + tally["wrong"])
    assert base.bounds[0] == tally["correct"] / sum(tally.values())


def test_training_data_is_counted_and_audited_from_the_rows(small: Path) -> None:
    with Store(small) as store:
        data = next(d for d in find(read_run(store)).data if (d.arm.name, d.iteration) == ("judge", 1))
        kept = store.query(
            "SELECT count(*), avg(v.outcome = 'correct') FROM selection s JOIN verdict v ON v.sample = s.sample"
            " WHERE s.checkpoint = 'judge/1' AND s.dropped_by IS NULL AND v.verifier LIKE 'sympy%'"
        )[0]
    assert (data.kept, data.precision.value) == (kept[0], pytest.approx(kept[1]))
    assert data.sampled == data.kept + sum(data.dropped.values())


def test_a_run_is_read_while_it_is_being_written(tmp_path: Path) -> None:
    build_run(tmp_path, Size(finished=False, stop_after=2))
    with Store(tmp_path, write=True) as writer:
        writer.log("sampled", seconds=1.0)
        assert write_report(tmp_path, tmp_path / "out", figures=False).is_file()


def test_verdicts_added_later_by_another_verifier_are_reported(tmp_path: Path) -> None:
    build_run(tmp_path, Size())
    with Store(tmp_path, write=True) as store:
        store.add_verifier("exact-111111111111", "exact", {})
        verdict = Verdict(outcome=Outcome.CORRECT, score=1.0)
        store.add_verdicts("exact-111111111111", [(s.id, verdict) for s in store.samples("base", "test")])
    with Store(tmp_path) as store:
        measure = next(m for m in measured(read_run(store)) if (m.verifier, m.checkpoint) == ("exact", "base"))
    assert (measure.checkpoint, measure.quality.tpr.value, measure.quality.fpr.value) == ("base", 1.0, 1.0)


def test_the_parts_of_a_kept_data_bar_add_up_to_the_samples_drawn(tmp_path: Path) -> None:
    build_run(tmp_path, Size(gold_undecided=0.2))
    with Store(tmp_path) as store:
        findings = find(read_run(store))
        rows = store.query(
            "SELECT s.checkpoint, count(*), sum(s.dropped_by IS NULL), "
            " sum(s.dropped_by IS NULL AND v.outcome = 'wrong'),"
            " sum(s.dropped_by = 'wrong') FROM selection s JOIN verdict v ON v.sample = s.sample"
            " WHERE v.verifier LIKE 'sympy%' GROUP BY 1 ORDER BY 1"
        )
    bars = kept.bars_of(findings, style.looks_of(findings.run))
    cells = {
        f"{bar.look.name}/{bar.iteration}": (sum(bar.parts), sum(bar.parts[:3]), bar.wrong, bar.rejected)
        for bar in bars
    }
    assert cells == {checkpoint: tuple(counts) for checkpoint, *counts in rows}
    assert any(bar.unknown for bar in bars)
    assert any(bar.wrong for bar in bars)


def test_error_rates_drawn_are_those_of_the_quality_table(small: Path) -> None:
    with Store(small) as store:
        findings = find(read_run(store))
    (drawn,) = drift.drifts_of(findings, style.looks_of(findings.run))
    qualities = {m.checkpoint: m.quality for m in measured(findings.run) if m.verifier == "judge"}
    expected = [qualities[checkpoint] for checkpoint in ("base", "judge/1", "judge/2")]
    assert drawn.look.name == "judge"
    assert drawn.fpr == tuple(quality.fpr for quality in expected)
    assert [e.value for e in drawn.fnr] == pytest.approx([1 - quality.tpr.value for quality in expected])
    others = [qualities[f"{arm}/2"].fpr for arm in ("sympy", "accept_all")]
    pooled = sum(e.value * e.n for e in others) / sum(e.n for e in others)
    assert drawn.elsewhere[2][0] == pytest.approx(pooled)


def test_a_verifier_that_was_not_asked_elsewhere_has_no_grey_line() -> None:
    look = Look(name="judge", kind="", order=0)
    rate = Estimate(value=0.2, low=0.1, high=0.3, n=10, clusters=5)
    for elsewhere, shown in (((0.2, 0.2), (math.nan, math.nan)), False), (((0.2, 0.2), (0.3, 0.1)), True):
        rates = drift.Drift(look=look, iterations=(0, 1), fpr=(rate, rate), fnr=(rate, rate), elsewhere=elsewhere)
        labels = [text.get_text() for text in drift.drift_figure([rates]).legends[0].get_texts()]
        assert ("on the other arms' samples" in labels) == shown


def test_the_agreement_picture_has_a_square_for_every_pair_but_of_controls(small: Path) -> None:
    with Store(small) as store:
        squares = agreement.squares_of(pairs(read_run(store)))
    names = ("sympy", "judge", "judge_blind")
    assert {frozenset((s.left, s.right)) for s in squares} == {frozenset(p) for p in itertools.combinations(names, 2)}


def test_the_legend_tells_each_seed_from_the_other_arms() -> None:
    rate = Estimate(value=0.2, low=0.1, high=0.3, n=10, clusters=5)
    panels = [
        accuracy.Panel(
            look=Look(name=name, kind="", order=place),
            iterations=(0, 1),
            accuracy=(rate, rate),
            reward=(rate, rate),
            replicates=((0.1, 0.2), (0.2, 0.3)),
        )
        for place, name in enumerate(("a", "b"))
    ]
    legend = accuracy.accuracy_figure(panels).legends[0]
    colours = dict(
        zip((t.get_text() for t in legend.get_texts()), (h.get_color() for h in legend.get_lines()), strict=True)
    )
    assert colours["the other arms"] == style.LIGHT.soft
    assert colours["each seed by itself, in colour"] in style.PALETTE
