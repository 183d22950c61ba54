"""The explorer of a report's page, in a real browser: filters, cells, keys, marks; hostile text, which stays text."""

import json
import shutil
import sqlite3
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from playwright.sync_api import Browser, Page, sync_playwright

from restem.harness.gate.golden import read_rows
from restem.harness.store.store import Store
from restem.reports.analysis.informative_samples import earlier, informative_rows, informed_verifiers, lay_out
from restem.reports.analysis.unfinished import missing
from restem.reports.data.judge_calls import Call, Calls
from restem.reports.data.read import read_run
from restem.reports.pages import explorer, render
from restem.reports.pages.report import write_report
from restem.verifiers.judge.prompt import prompt
from restem.verifiers.verdict import Outcome, Verdict
from tests.conftest import restem
from tests.edited import edited

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
browsing = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on PATH")

# Each sets window.canary, or asks for something outside the page, if it is ever more than text.
HOSTILE = (
    "<script>canary = 1</script>",
    "</script><script>canary = 1</script>",
    "<!--<script>canary = 1",
    '<img src="http://127.0.0.1:9/x" onerror="canary = 1">',
    "<svg onload=canary=1><style>@import 'http://127.0.0.1:9/x';</style>",
    '"><a href="javascript:canary = 1" autofocus onfocus="canary = 1">',
    "[x](javascript:canary=1) ![y](http://127.0.0.1:9/x) | a | b |\n|---|---|",
    "`${canary = 1}` ''' \\\" \\u003cscript>canary = 1",
    "\x1b[31mred\x1b[0m \x1b]8;;http://127.0.0.1:9/\x07link\x1b]8;;\x07",
    "\u202egnp.\u2066 \u200f\u05d0\u05d1 \u2028 \u2029 \x85 \ufeff",
    "w" * 100_000,
    "e" + "\u0301" * 5_000,
    "{{ 7 * 7 }} {% raw %} &lt;b&gt; &amp;",
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


def copied(run: Path, folder: Path) -> Path:
    """A run folder with the same rows."""
    folder.mkdir(parents=True, exist_ok=True)
    with sqlite3.connect(run / "run.db") as source, sqlite3.connect(folder / "run.db") as target:
        source.backup(target)
    source.close()
    target.close()
    return folder


@pytest.fixture(scope="module")
def address(finished_run: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_report(finished_run, tmp_path_factory.mktemp("explored"), figures=False).as_uri()


class Watch:
    """Everything that a page does beyond being drawn."""

    def __init__(self, page: Page) -> None:
        self.seen: list[str] = []
        page.on("dialog", lambda dialog: (self.seen.append(f"dialog {dialog.message}"), dialog.dismiss()))
        page.on("console", lambda message: self.seen.append(f"console {message.text}"))
        page.on("pageerror", lambda error: self.seen.append(f"error {error}"))
        page.on("popup", lambda _: self.seen.append("popup"))
        page.on("request", self._request)
        self._document = ""

    def _request(self, request) -> None:
        if request.url.partition(":")[0] != "data" and not request.url.startswith("file:"):
            self.seen.append(f"request {request.url}")


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1300, "height": 900})
    page = context.new_page()
    watch = Watch(page)
    page.goto(address)
    yield page
    context.close()
    assert watch.seen == []


def rows(folder: Path, sql: str, parameters: tuple[object, ...] = ()) -> list[tuple]:
    with Store(folder) as store:
        return store.query(sql, parameters)


def pairs(folder: Path, a: str, b: str, split: str = "test") -> dict[str, int]:
    """Outcomes of two verifiers (by their names) on the same samples -> how many."""
    return dict(
        rows(
            folder,
            "SELECT substr(x.outcome, 1, 1) || substr(y.outcome, 1, 1), count(*) FROM verdict x"
            " JOIN verdict y ON y.sample = x.sample JOIN sample s ON s.id = x.sample JOIN problem p ON p.id = s.problem"
            " JOIN verifier v ON v.fingerprint = x.verifier JOIN verifier w ON w.fingerprint = y.verifier"
            " WHERE v.name = ? AND w.name = ? AND p.split = ? GROUP BY 1",
            (a, b, split),
        )
    )


def cells(page: Page) -> dict[str, int]:
    texts = page.eval_on_selector_all(
        ".cross td button", "all => all.map(b => [b.dataset.cell, b.querySelector('b').textContent])"
    )
    return {cell: int(text.replace(",", "")) for cell, text in texts if text != "0"}


def view(page: Page) -> str:
    """All that a reader sees of the explorer."""
    return page.inner_text("#explorer") + page.eval_on_selector_all(
        "#explorer select, #explorer input",
        "all => all.map(e => e.type === 'checkbox' ? e.checked : e.value).join('|')",
    )


def state(page: Page) -> dict[str, str]:
    return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(page.url).fragment, keep_blank_values=True))


def go(page: Page, fragment: str) -> None:
    """Follows a link to this fragment, and comes back when the page has."""
    page.evaluate("fragment => { location.hash = fragment; dispatchEvent(new Event('hashchange')) }", fragment)


def matching(page: Page) -> int:
    return int(page.inner_text(".total").split(", ")[1].split()[0].replace(",", ""))


# filters, cells, rows


@browsing
def test_the_table_of_a_against_b_counts_the_verdicts_of_the_run(page: Page, finished_run: Path) -> None:
    assert cells(page) == pairs(finished_run, "sympy", "exact")
    page.get_by_label("Verifier B").select_option("accept_all")
    assert cells(page) == pairs(finished_run, "sympy", "accept_all")
    page.get_by_label("Split").select_option("train")
    both = {cell: number for cell, number in cells(page).items() if "-" not in cell}
    assert both == pairs(finished_run, "sympy", "accept_all", "train")


@browsing
def test_every_filter_shows_what_a_query_counts(page: Page, finished_run: Path) -> None:
    page.get_by_label("Verifier B").select_option("accept_all")
    shown = pairs(finished_run, "sympy", "accept_all")
    assert matching(page) == shown.get("wc", 0) + shown.get("uc", 0)
    page.get_by_label("A says").select_option("correct")
    assert matching(page) == shown["cc"]
    page.get_by_label("Arm", exact=True).select_option("base")
    count = (
        "SELECT count(*) FROM sample s JOIN problem p ON p.id = s.problem JOIN verdict v ON v.sample = s.id"
        " WHERE s.checkpoint = 'base' AND p.split = 'test' AND v.verifier LIKE 'sympy-%' AND v.outcome = 'correct'"
    )
    assert matching(page) == rows(finished_run, count)[0][0]
    word = rows(finished_run, count.replace("count(*)", "s.text") + " ORDER BY s.id LIMIT 1")[0][0].split("\n")[0]
    page.get_by_label("Search").fill(word.upper())
    assert (
        matching(page)
        == rows(finished_run, f"{count} AND (instr(s.text, ?) OR instr(p.question, ?))", (word, word))[0][0]
    )
    page.get_by_label("Search").fill("no such text anywhere")
    assert "No sample on this page matches." in page.inner_text(".list")


@browsing
def test_a_cell_that_is_clicked_shows_its_samples_and_once_more_all(page: Page, finished_run: Path) -> None:
    page.get_by_label("Verifier B").select_option("accept_all")
    page.locator('[data-cell="wc"]').click()
    assert state(page) == {"a": "sympy", "b": "accept_all", "cell": "wc"}
    assert matching(page) == pairs(finished_run, "sympy", "accept_all")["wc"]
    assert page.locator('[data-cell="wc"]').get_attribute("aria-pressed") == "true"
    page.locator('[data-cell="wc"]').click()
    assert matching(page) == sum(pairs(finished_run, "sympy", "accept_all").values())


@browsing
def test_a_strip_says_what_the_verifiers_said_of_every_sample_of_every_checkpoint(
    page: Page, finished_run: Path
) -> None:
    page.get_by_label("Verifier B").select_option("accept_all")
    page.locator(".problems tbody tr").first.locator("th button").click()
    position = int(page.locator(".problems tbody tr th").first.inner_text().split()[1])
    labels = page.eval_on_selector_all(".problems tbody tr:first-child svg", "all => all.map(s => s.ariaLabel)")
    signs = {"correct": "✓", "wrong": "✗", "undecided": "?"}
    names: dict[str, str] = {}
    for checkpoint, outcome in rows(
        finished_run,
        "SELECT s.checkpoint, v.outcome FROM sample s JOIN problem p ON p.id = s.problem JOIN verdict v"
        " ON v.sample = s.id WHERE p.split = 'test' AND p.position = ? AND v.verifier LIKE 'sympy-%' ORDER BY s.idx",
        (position,),
    ):
        names[checkpoint] = names.get(checkpoint, "") + signs[outcome]
    assert {text.split(":")[0]: text.split("sympy ")[1].split(",")[0] for text in labels} == names


@browsing
def test_an_opened_response_shows_its_text_the_span_that_was_read_and_every_verdict(
    page: Page, finished_run: Path
) -> None:
    sample, text, answer, rule = rows(
        finished_run,
        "SELECT s.id, s.text, v.answer, v.rule FROM sample s JOIN verdict v ON v.sample = s.id JOIN problem p"
        " ON p.id = s.problem WHERE p.split = 'test' AND v.verifier LIKE 'sympy-%' AND v.span_start IS NOT NULL"
        " AND s.text NOT LIKE '%  %' ORDER BY s.id LIMIT 1",
    )[0]
    go(page, f"a=sympy&b=exact&sample={sample}")
    page.wait_for_selector(".response")
    shown = page.eval_on_selector(
        ".response", "e => [...e.childNodes].filter(n => n.tagName !== 'SUB').map(n => n.textContent).join('')"
    )
    assert shown == text
    assert answer in page.locator(".response mark").all_inner_texts()
    assert "sympy" in page.locator(".response sub").first.inner_text()
    verdict = (
        page.locator(".verdicts tbody tr", has=page.locator("th", has_text="sympy")).locator("td").all_inner_texts()
    )
    assert verdict[1:3] == [answer, rule]
    assert page.locator(".verdicts tbody tr").count() == 4


# what is looked at stands in the URL


@browsing
def test_all_splits_can_be_looked_at_where_there_are_as_many_as_verifiers(
    browser: Browser, finished_run: Path, tmp_path: Path
) -> None:
    run = copied(finished_run, tmp_path / "run")
    with edited(run) as database:
        database.execute("DELETE FROM verdict WHERE verifier LIKE 'steps-%'")
    page = browser.new_page()
    page.goto(write_report(run, tmp_path / "report", figures=False).as_uri())
    choices = page.get_by_label("Split").locator("option").count() - 1
    assert choices == page.get_by_label("Verifier A").locator("option").count()
    page.get_by_label("Split").select_option("any")
    assert (state(page)["split"], page.get_by_label("Split").input_value()) == ("any", "any")
    page.close()


@browsing
def test_a_url_that_is_sent_opens_the_same_view(page: Page, browser: Browser) -> None:
    page.get_by_label("Verifier B").select_option("accept_all")
    page.locator('[data-cell="*c"]').click()
    page.get_by_label("Checkpoint", exact=True).select_option("sympy/1")
    page.locator(".problems thead button", has_text="Problem").click()
    page.get_by_label("Search").fill("solve")
    page.locator(".problems tbody tr").nth(2).click()
    other = browser.new_page(viewport={"width": 1300, "height": 900})
    other.goto(page.url)
    assert "sympy/1" in view(other)
    assert view(other) == view(page)
    other.close()


@browsing
def test_the_back_button_goes_back_to_the_view_before(page: Page) -> None:
    page.get_by_label("Verifier B").select_option("accept_all")
    before = view(page)
    page.locator('[data-cell="wc"]').click()
    assert view(page) != before
    page.go_back()
    page.wait_for_function("() => !location.hash.includes('cell')")
    assert view(page) == before


@browsing
def test_a_link_of_the_page_is_followed_to_its_response(page: Page, finished_run: Path, tmp_path: Path) -> None:
    run = copied(finished_run, tmp_path / "run")
    with edited(run) as database:  # the page links to responses on which a verifier errs
        database.execute("UPDATE verdict SET outcome = 'wrong' WHERE verifier LIKE 'exact-%'")
    page.goto(write_report(run, tmp_path / "page", figures=False).as_uri())
    link = page.locator("details a.explore").first
    case = page.locator("details", has=page.locator("a.explore")).first
    case.locator("summary").click()
    question, _, response = case.locator("dd").all_inner_texts()
    link.click()
    assert page.locator(".detail dd").first.inner_text() == question
    assert page.locator(".response mark").count() == 0 or response.split("\n")[0] in page.inner_text(".response")
    assert page.evaluate("document.getElementById('explorer').getBoundingClientRect().top") < 900


@browsing
def test_a_fragment_that_says_nonsense_shows_the_plain_view(page: Page) -> None:
    plain = view(page)
    for nonsense in ("a=nobody&b=<b>&cell=xx&order=y", "a=%00&split=q&arm=%F0%9F%92%A3", "quality", "a"):
        go(page, nonsense)
        assert view(page) == plain


# tables


@browsing
def test_a_click_on_a_head_sorts_by_number_the_other_way_round_and_back(page: Page) -> None:
    table = page.locator("table#arms")
    if not table.is_visible():
        page.locator("details.section", has=table).locator("summary").first.click()
    head = table.locator("th", has_text="accuracy").first
    column = head.evaluate("e => e.cellIndex")

    def values() -> list[str]:
        return [
            text.replace("−", "-") for text in table.locator(f"tbody td:nth-child({column + 1}) bdi").all_inner_texts()
        ]

    before = values()
    numbers = sorted(float(text) for text in before)
    assert numbers != [float(text) for text in before]
    sorts = []
    for expected in (numbers[::-1], numbers, [float(text) for text in before]):
        head.locator("button").click()
        assert [float(text) for text in values()] == expected
        sorts.append(head.get_attribute("aria-sort"))
    assert sorts == ["descending", "ascending", "none"]


@browsing
def test_on_paper_every_column_of_every_table_is_there(page: Page) -> None:
    page.set_viewport_size({"width": 718, "height": 1000})  # A4 but for its margins
    page.evaluate("for (const e of document.querySelectorAll('details')) e.open = true")
    over = (
        "[...document.querySelectorAll('main table')].filter(t => t.scrollWidth > t.parentElement.clientWidth)"
        ".map(t => t.id)"
    )
    assert page.evaluate(over) != []
    page.emulate_media(media="print")
    assert page.evaluate(over) == []


# keys and marks


@browsing
def test_keys_step_search_help_and_mark(page: Page) -> None:
    page.get_by_label("Verifier B").select_option("accept_all")
    page.locator("h2", has_text="Disagreement").last.click()
    page.keyboard.press("j")
    first = page.locator('[aria-selected="true"] th').inner_text()
    page.keyboard.press("j")
    assert page.locator('[aria-selected="true"] th').inner_text() != first
    page.keyboard.press("k")
    assert page.locator('[aria-selected="true"] th').inner_text() == first
    page.keyboard.press("2")
    assert "B right" in page.inner_text('.marking [aria-pressed="true"]')
    page.keyboard.press("2")
    assert page.locator('.marking [aria-pressed="true"]').count() == 0
    page.keyboard.press("/")
    page.keyboard.type("j1")
    assert state(page)["q"] == "j1"
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    assert page.locator("dialog").is_visible()
    page.keyboard.press("Escape")
    assert not page.locator("dialog").is_visible()


@browsing
def test_a_mark_means_its_verifiers_and_not_the_letters_a_and_b(page: Page) -> None:
    go(page, "a=sympy&b=accept_all&cell=wc")
    page.keyboard.press("j")
    page.wait_for_url("**sample=*")
    sample = state(page)["sample"]
    page.keyboard.press("1")
    pressed = page.locator('.marking [aria-pressed="true"]')
    assert pressed.all_inner_texts() == ["1 A right"]
    go(page, f"a=accept_all&b=sympy&sample={sample}")
    assert pressed.all_inner_texts() == ["2 B right"]
    page.keyboard.press("1")  # the other one is right after all
    assert pressed.all_inner_texts() == ["1 A right"]
    go(page, f"a=exact&b=sympy&sample={sample}")
    assert pressed.count() == 0
    page.get_by_role("button", name="Take back").click()
    assert page.get_by_role("button", name="Take back").count() == 0
    assert "Marked" not in page.inner_text(".marking")


@pytest.fixture(scope="module")
def saved(browser: Browser, address: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file that a reader saved: one response called right, one whose reference is called wrong."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{address}#a=sympy&b=accept_all&cell=wc")
    page.keyboard.press("j")
    page.keyboard.press("2")
    page.keyboard.press("j")
    page.keyboard.press("4")
    page.reload()  # marks outlive the page
    page.get_by_label("Your name").fill("ada")
    with page.expect_download() as download:
        page.get_by_role("button", name="Save 2 marks").click()
    path = tmp_path_factory.mktemp("marks") / download.value.suggested_filename
    download.value.save_as(path)
    context.close()
    return path


@browsing
def test_saved_marks_become_verdicts_of_a_human_and_twice_nothing_new(
    saved: Path, finished_run: Path, tmp_path: Path
) -> None:
    run = copied(finished_run, tmp_path / "run")
    before = rows(run, "SELECT count(*) FROM verdict")[0][0]
    assert saved.name == "marks-ada.jsonl"
    assert restem("verify", run, "--import", saved).output == "human:ada: 2 new verdicts, 0 changed, 0 taken back\n"
    again = json.loads(restem("verify", run, "--import", saved, "--json").output)
    assert again == {key: {"human:ada": 0} for key in ("new_verdicts", "changed_marks", "marks_taken_back")}
    stored = rows(run, "SELECT outcome, score, rule, reason FROM verdict WHERE verifier = 'human:ada' ORDER BY outcome")
    assert sorted(stored, key=str) == [("correct", 1.0, "mark", None), ("undecided", None, "mark", "reference wrong")]
    assert rows(run, "SELECT count(*) FROM verdict")[0][0] == before + 2
    with Store(run) as store:
        assert missing(read_run(store)) == []
    assert "human:ada" in write_report(run, tmp_path / "report", figures=False).read_text()


@browsing
def test_saved_marks_are_golden_rows(saved: Path, finished_run: Path) -> None:
    correct, unknown = read_rows(saved)
    assert (correct.label, unknown.label) == (Outcome.CORRECT, None)
    assert correct.outcomes == {"sympy": Outcome.WRONG, "exact": correct.outcomes["exact"]}
    baseline = saved.with_name("marks.gate.toml")
    baseline.write_text(f'rows = ["{saved.name}"]\n\n[verifiers.sympy]\n')
    assert restem("gate", baseline, "--update").exit_code == 0
    assert restem("gate", baseline).exit_code == 0
    sample = correct.id.rpartition("/")[2]
    assert rows(finished_run, "SELECT text FROM sample WHERE id = ?", (int(sample),)) == [(correct.response,)]


@browsing
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"response": "x = 99"}, "marks.jsonl:2: response: sample"),
        ({"question": "What?"}, "marks.jsonl:2: question: sample"),
        ({"sample": "17"}, "marks.jsonl:2: sample: this run has no 17"),
        ({"sample": 17}, "marks.jsonl:2: sample: expected"),
        ({"sample": str(2**63)}, "marks.jsonl:2: sample: expected"),
        ({"verifier": "sympy"}, "marks.jsonl:2: verifier: expected human:<name>"),
        ({"label": "maybe"}, "marks.jsonl:2: label: expected"),
        ({"mark": None}, "marks.jsonl:2: mark: expected"),
    ],
)
def test_one_bad_mark_is_named_and_none_is_stored(
    saved: Path, finished_run: Path, tmp_path: Path, change: dict[str, object], message: str
) -> None:
    run = copied(finished_run, tmp_path / "run")
    first, second = (json.loads(line) for line in saved.read_text().splitlines())
    file = tmp_path / "marks.jsonl"
    file.write_text(f"{json.dumps(first)}\n{json.dumps(second | change)}\n")
    result = restem("verify", run, "--import", file)
    assert (result.exit_code, message in result.output) == (2, True), result.output
    assert not rows(run, "SELECT 1 FROM verdict WHERE verifier LIKE 'human:%'")


def imported(run: Path, file: Path) -> list[str]:
    """What `restem verify RUN --import` says of the counts."""
    result = restem("verify", run, "--import", file)
    assert result.exit_code == 0, result.output
    return result.output.strip().split(": ")[1].split(", ")


def marks_of_ada(run: Path) -> dict[int, tuple[str, str | None]]:
    """Sample -> outcome and reason of the marks that stand for the name now."""
    with Store(run) as store:
        now = store.run()["verifiers"]["human:ada"]
    return {
        id: (o, r) for id, o, r in rows(run, "SELECT sample, outcome, reason FROM verdict WHERE verifier = ?", (now,))
    }


@browsing
def test_marks_that_change_or_are_taken_back_are_so_in_the_run_and_stay_in_its_history(
    browser: Browser, address: str, finished_run: Path, tmp_path: Path
) -> None:
    run = copied(finished_run, tmp_path / "run")
    page = browser.new_context().new_page()
    page.goto(f"{address}#a=sympy&b=accept_all&cell=wc")

    def save(button: str) -> Path:
        with page.expect_download() as download:
            page.get_by_role("button", name=button).click()
        download.value.save_as(tmp_path / "marks.jsonl")
        return tmp_path / "marks.jsonl"

    samples = []
    for key in "224":
        page.keyboard.press("j")
        page.keyboard.press(key)
        samples.append(int(state(page)["sample"]))
    page.get_by_label("Your name").fill("ada")
    assert imported(run, save("Save 3 marks")) == ["3 new verdicts", "0 changed", "0 taken back"]
    first = marks_of_ada(run)
    page.reload()
    page.keyboard.press("5")  # the last one: cannot tell, after all
    page.keyboard.press("k")
    page.get_by_role("button", name="Take back").click()
    file = save("Save 2 marks, 1 taken back")
    assert imported(run, file) == ["0 new verdicts", "1 changed", "1 taken back"]
    assert imported(run, file) == ["0 new verdicts", "0 changed", "0 taken back"]
    assert marks_of_ada(run) == {samples[0]: first[samples[0]], samples[2]: ("undecided", "cannot tell")}
    earlier = rows(run, "SELECT sample, outcome, reason FROM verdict WHERE verifier = 'human:ada'")
    assert {id: (outcome, reason) for id, outcome, reason in earlier} == first
    with Store(run) as store:
        read = read_run(store)
    assert read.compared.count("human:ada") == 1
    page.context.close()


@browsing
def test_a_stored_mark_can_be_taken_back_in_another_browser(
    browser: Browser, saved: Path, finished_run: Path, tmp_path: Path
) -> None:
    run = copied(finished_run, tmp_path / "run")
    imported(run, saved)
    sample = json.loads(saved.read_text().splitlines()[0])["sample"]
    page = browser.new_context().new_page()
    page.goto(f"{write_report(run, tmp_path / 'report', figures=False).as_uri()}#a=sympy&b=accept_all&sample={sample}")
    assert page.get_by_role("button", name="Take back").count() == 0
    page.get_by_label("Your name").fill("ada")
    page.get_by_role("button", name="Take back").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Save 0 marks, 1 taken back").click()
    download.value.save_as(tmp_path / "marks.jsonl")
    assert imported(run, tmp_path / "marks.jsonl") == ["0 new verdicts", "0 changed", "1 taken back"]
    assert int(sample) not in marks_of_ada(run)
    page.context.close()


@browsing
def test_two_marks_of_one_sample_in_one_file_are_refused(saved: Path, finished_run: Path, tmp_path: Path) -> None:
    run = copied(finished_run, tmp_path / "run")
    line = json.loads(saved.read_text().splitlines()[0])
    file = tmp_path / "marks.jsonl"
    file.write_text(f"{json.dumps(line)}\n{json.dumps(line | {'label': 'wrong'})}\n")
    result = restem("verify", run, "--import", file)
    assert (result.exit_code, "has another mark of sample" in result.output) == (2, True)


# hostile text


@pytest.fixture(scope="module")
def hostile(finished_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run in which every text that anybody but us writes is hostile."""
    run = copied(finished_run, tmp_path_factory.mktemp("hostile"))
    with edited(run) as database:
        stored = database.execute(
            "SELECT s.id, p.id FROM sample s JOIN problem p ON p.id = s.problem WHERE p.split = 'test' ORDER BY s.id"
        ).fetchall()
        for number, (sample, problem) in enumerate(stored[: 4 * len(HOSTILE)]):
            text = HOSTILE[number % len(HOSTILE)]
            database.execute("UPDATE sample SET text = ? WHERE id = ?", (text, sample))
            database.execute("UPDATE problem SET question = ?, reference = ? WHERE id = ?", (text, text, problem))
            database.execute(
                "UPDATE verdict SET answer = ?, rule = ?, reason = ?, span_start = ?, span_end = ? WHERE sample = ?",
                (text, text, text, *((0, 10**9) if number % 2 else (None, None)), sample),
            )
        for number, (text, question) in enumerate(
            database.execute("SELECT s.text, p.question FROM sample s JOIN problem p ON p.id = s.problem ORDER BY s.id")
        ):
            content = f"{HOSTILE[number % 10]}\nQuestion: {json.dumps(question)}\nModel Answer: {json.dumps(text)}"
            database.execute(
                "INSERT OR IGNORE INTO judge_call VALUES (?, 'sympy', ?, ?, ?, ?, 0, 0, '[]', 0, 0, NULL, NULL)",
                (str(number), json.dumps({"messages": [{"content": content}]}), *[HOSTILE[number % len(HOSTILE)]] * 3),
            )
    return run


@pytest.fixture(scope="module")
def hostile_address(hostile: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_report(hostile, tmp_path_factory.mktemp("page"), figures=False).as_uri()


@browsing
def test_hostile_text_runs_nothing_fetches_nothing_and_breaks_no_layout(browser: Browser, hostile_address: str) -> None:
    page = browser.new_page(viewport={"width": 1300, "height": 900})
    watch = Watch(page)
    page.goto(f"{hostile_address}#a=sympy&b=accept_all&cell=all")
    page.evaluate("for (const e of document.querySelectorAll('details')) e.open = true")
    problems = page.locator(".problems tbody tr").count()
    assert problems == 16
    for _ in range(problems):
        page.keyboard.press("j")
        page.evaluate("for (const e of document.querySelectorAll('.detail details')) e.open = true")
        for text in page.locator(".detail pre").all_text_contents():
            assert len(text) < 2 * explorer.MOST_RESPONSE
    page.get_by_label("Search").fill("<script>")
    assert matching(page) > 0
    for width in (1600, 1300, 1000, 400):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("typeof canary") == "undefined"
    assert watch.seen == []
    page.close()


@browsing
def test_a_script_that_got_into_the_page_would_not_run(browser: Browser, address: str) -> None:
    page = browser.new_page()
    watch = Watch(page)
    page.goto(address)
    page.evaluate("document.body.append(Object.assign(document.createElement('script'), {textContent: 'canary = 1'}))")
    page.evaluate("document.body.append(Object.assign(document.createElement('img'), {src: 'http://127.0.0.1:9/x'}))")
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<b onclick=\"canary = 1\">b</b>')")
    page.locator("b", has_text="b").last.click()
    assert page.evaluate("typeof canary") == "undefined"
    assert sum("Content Security Policy" in seen for seen in watch.seen) >= 3
    page.close()


@browsing
def test_the_page_without_scripts_shows_all_but_the_explorer(browser: Browser, address: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(address)
    assert page.locator("main table").count() > 5
    assert page.locator("button").count() == 0
    assert not page.locator("#explorer").is_visible()
    assert page.get_by_text("needs scripts; all else on this page does not.").is_visible()
    assert page.locator("a.explore:visible").count() == 0
    context.close()


# what the page carries

texts = st.text(max_size=40)


@given(st.dictionaries(texts, st.lists(texts | st.integers() | st.none(), max_size=4), max_size=4))
def test_any_value_comes_back_from_its_script_element_and_cannot_end_it(value: object) -> None:
    script = render.as_script(value)
    assert json.loads(script) == value
    assert script.isascii()
    assert not set(script) & set("<>&\n\r")


@given(st.lists(st.integers(-3, 3)))
def test_earlier_counts_equal_elements_before_each(values: list[int]) -> None:
    counts = earlier(np.array(values, np.int64))
    assert counts.tolist() == [values[:place].count(value) for place, value in enumerate(values)]


def test_the_subset_is_the_same_every_time_and_leaves_no_kind_of_disagreement_out(finished_run: Path) -> None:
    with Store(finished_run) as store:
        run = read_run(store)
    layout = lay_out(run)
    chosen = informative_rows(run, layout, [5], 60)
    assert chosen.tolist() == informative_rows(run, layout, [5], 60).tolist()
    assert (len(chosen), len(set(chosen.tolist())), chosen[0]) == (60, 60, 5)
    gold, exact = (layout.codes[layout.verifiers.index(name)] for name in informed_verifiers(run))
    differ = np.flatnonzero((gold != exact) & (gold > 0) & (exact > 0))
    kinds = {(layout.place[row], gold[row], exact[row]) for row in differ}
    assert len(kinds) < 50
    assert kinds <= {(layout.place[row], gold[row], exact[row]) for row in chosen}
    assert sum(row not in differ for row in chosen[1:].tolist()) > 1


def test_a_verifier_that_has_a_name_in_each_replicate_is_shown_as_one(finished_run: Path, tmp_path: Path) -> None:
    run = copied(finished_run, tmp_path / "run")

    def value() -> dict[str, Any]:
        with Store(run) as store:
            page = explorer.explorer(store, read_run(store))
        assert page is not None
        return page

    plain = value()
    with edited(run) as database:
        # A replicate's verifier has another name and fingerprint, and the same outcomes on half the checkpoints.
        (fact,) = database.execute("SELECT value FROM run WHERE key = 'verifiers'").fetchone()
        verifiers = json.loads(fact) | {"exact~1": "exact-other"}
        database.execute("UPDATE run SET value = ? WHERE key = 'verifiers'", (json.dumps(verifiers),))
        database.execute("INSERT INTO verifier SELECT 'exact-other', 'exact~1', settings FROM verifier LIMIT 1")
        changed = database.execute(
            "UPDATE verdict SET verifier = 'exact-other' WHERE verifier = ?"
            " AND sample IN (SELECT id FROM sample WHERE checkpoint LIKE '%/1')",
            (verifiers["exact"],),
        ).rowcount
    assert changed > 0
    seeded = value()
    assert "under one name" in str(seeded.pop("note"))
    assert "under one name" not in str(plain.pop("note"))
    golden = dict(zip(plain["verifiers"], plain.pop("golden"), strict=True))
    assert dict(zip(seeded["verifiers"], seeded.pop("golden"), strict=True)) == golden | {"exact": False}
    assert seeded == plain


def test_a_human_is_shown_among_the_verifiers_but_no_gate_is_to_ask_one(finished_run: Path, tmp_path: Path) -> None:
    run = copied(finished_run, tmp_path / "run")
    with Store(run, write=True) as store:
        (id,) = next(iter(store.query("SELECT id FROM sample LIMIT 1")))
        store.add_verifier("human:ada", "human:ada", {})
        store.set_run("verifiers", {**store.run()["verifiers"], "human:ada": "human:ada"})
        store.add_verdicts("human:ada", [(id, Verdict(outcome=Outcome.CORRECT, score=1.0, rule="mark"))])
        page = explorer.explorer(store, read_run(store))
    assert page
    golden = dict(zip(page["verifiers"], page["golden"], strict=True))
    assert golden["human:ada"] is False
    assert golden["sympy"] is True


def test_a_page_stays_within_its_bytes_and_says_what_it_left_out(
    finished_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(explorer, "MOST_BYTES", 30_000)
    with Store(finished_run) as store:
        run = read_run(store)
        value = explorer.explorer(store, run)
    assert value is not None
    carried = len(value["samples"]["id"])
    assert 20 < carried < len(run.samples.id)
    assert len(render.as_script(value)) < 45_000
    assert value["note"].startswith(f"This page carries {carried:,} of the run's {len(run.samples.id):,} samples")
    assert sum(number for *_, number in value["counts"]) == len(run.samples.id)


def test_a_long_response_keeps_its_ends_and_spans_point_at_what_they_did() -> None:
    text = "a" * 9_000 + "b" * 100_000 + "c" * 9_000
    half, missing = explorer.MOST_RESPONSE // 2, len(text) - explorer.MOST_RESPONSE
    shown = text[:half] + text[-half:]
    for start, end in ((0, 9_000), (len(text) - 9_000, len(text)), (8_000, half)):
        span = explorer._span((start, end), len(text))
        assert span is not None
        assert shown[slice(*span)] == text[start:end]
    assert explorer._span((half, half + missing), len(text)) is None
    assert explorer._span((3, 7), 10) == (3, 7)


long_texts = st.text(min_size=1, max_size=3).map(lambda t: t * 3_000)
marked_texts = st.sampled_from(["#### 7\n", "\\boxed{7} ", "the answer is 7\u2026"]).map(
    lambda t: ("pad " * 500 + t) * 9
)


@given(texts, texts, st.text(max_size=40) | long_texts | marked_texts, st.booleans())
def test_a_call_is_found_by_what_its_prompt_quotes_and_its_pieces_give_the_prompt_back(
    question: str, reference: str, response: str, blind: bool
) -> None:
    filled = prompt("judge", blind=blind).filled(question, reference, response)
    call = Call(asker="judge", prompt=filled, reply="1", end="")
    calls = Calls([(question, response), (question, f"{response} or not"), ("other", response)])
    calls.add(call)
    assert calls.about(question, response) == [call]
    if question != "other":
        assert calls.about("other", response) == []
    assert calls.about(question, f"{response} or not") == []
    words: list[str] = []

    def word(text: str) -> int:
        words.append(text)
        return len(words) - 1

    quoted = {-1: question, -2: reference, -3: response}
    pieces = call.pieces(question, reference, response, word)
    back = (json.dumps(quoted[piece], ensure_ascii=False) if piece < 0 else words[piece] for piece in pieces)
    assert "".join(back) == filled
