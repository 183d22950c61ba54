"""Work beside the caller: what is waited for comes first, an error ends it, and no thread outlives its caller."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from restem.harness.loop import background
from restem.harness.loop.background import Background
from restem.verifiers import catalog, interruption
from restem.verifiers.chat import live
from restem.verifiers.verdict import Attempt, Verifier
from tests import building
from tests.conftest import problem
from tests.judge_server import JudgeServer
from tests.reward_server import RewardServerAt

WAIT = 60.0  # longer than any machine needs


class OfTheCaller(Exception):
    """What the caller raises."""


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "background"]


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    yield
    assert threads() == []


def stopped(*works: Callable[[], None], when: Callable[[], object]) -> None:
    """Begins with the work, and raises an error in the caller when something holds."""
    with Background() as beside:
        for work in works:
            beside.begin(work)
        deadline = time.monotonic() + WAIT
        while not when() and time.monotonic() < deadline:
            time.sleep(0.01)
        raise OfTheCaller


def test_pieces_are_done_in_the_order_in_which_they_were_begun() -> None:
    done: list[int] = []
    with Background() as work:
        for number in range(50):
            work.begin(lambda number=number: done.append(number))
    assert done == list(range(50))


def test_a_piece_that_is_waited_for_comes_before_the_others() -> None:
    done: list[str] = []
    may_end = threading.Event()

    def first() -> None:
        may_end.wait(WAIT)
        done.append("first")

    with Background() as work:
        work.begin(first)
        work.begin(lambda: done.append("other"))
        awaited = work.begin(lambda: done.append("awaited"))
        threading.Timer(0.1, may_end.set).start()
        work.wait([awaited])
        assert done[:2] == ["first", "awaited"]
    assert done == ["first", "awaited", "other"]


def test_a_piece_that_is_waited_for_twice_is_done_once() -> None:
    done: list[str] = []
    with Background() as work:
        piece = work.begin(lambda: done.append("once"))
        work.wait([piece, piece])
        work.wait([piece])
    assert done == ["once"]


def test_lanes_do_not_wait_for_each_other() -> None:
    done: list[str] = []
    met = threading.Barrier(2)

    def meets(name: str) -> None:
        met.wait(WAIT)
        done.append(name)

    with Background(lanes=2) as work:
        work.wait([work.begin(lambda lane=lane: meets(f"lane {lane}"), lane=lane) for lane in range(2)])
    assert sorted(done) == ["lane 0", "lane 1"]


def broken() -> None:
    raise ValueError("broken")


def test_the_first_error_leaves_out_what_has_not_begun() -> None:
    done: list[str] = []
    may_fail = threading.Event()

    def fails() -> None:
        may_fail.wait(WAIT)
        broken()

    def begin() -> None:
        with Background() as work:
            work.begin(fails)
            work.begin(lambda: done.append("later"))
            may_fail.set()

    with pytest.raises(ValueError, match="broken"):
        begin()
    assert done == []


def test_an_error_in_one_lane_leaves_out_what_has_not_begun_in_another() -> None:
    done: list[str] = []
    failed = threading.Event()

    def waits() -> None:
        failed.wait(WAIT)

    def begin() -> None:
        with Background(lanes=2) as work:
            work.begin(waits, lane=1)
            work.begin(lambda: done.append("later"), lane=1)
            with pytest.raises(ValueError, match="broken"):
                work.wait([work.begin(broken)])
            failed.set()

    with pytest.raises(ValueError, match="broken"):
        begin()
    assert done == []


def test_an_error_reaches_the_caller_where_it_waits_or_begins_something_else() -> None:
    def wait_and_begin() -> None:
        with Background() as work:
            failed = work.begin(broken)
            with pytest.raises(ValueError, match="broken"):
                work.wait([failed])
            work.begin(lambda: None)

    with pytest.raises(ValueError, match="broken"):
        wait_and_begin()


def test_an_error_of_the_caller_interrupts_work_that_waits_and_leaves_out_the_rest() -> None:
    done: list[str] = []
    began = threading.Event()

    def waits() -> None:
        began.set()
        interruption.sleep(WAIT)
        done.append("waited")

    with pytest.raises(OfTheCaller):
        stopped(waits, lambda: done.append("rest"), when=began.is_set)
    assert done == []


def test_ctrl_c_at_the_end_interrupts_the_last_work() -> None:
    """The caller has nothing left to do and waits for the thread."""

    def waits() -> None:
        threading.Timer(0.2, os.kill, [os.getpid(), signal.SIGINT]).start()
        interruption.sleep(WAIT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    started = time.monotonic()
    try:
        with pytest.raises(KeyboardInterrupt), Background() as work:
            work.begin(waits)
    finally:
        signal.signal(signal.SIGINT, before)
    assert time.monotonic() - started < WAIT


def test_an_interrupt_that_comes_too_late_reaches_no_later_thread() -> None:
    """A new thread often has the number of one that has ended."""
    numbers: list[int] = []

    def waits_for_nothing() -> None:
        numbers.append(threading.get_ident())
        time.sleep(0.05)

    def looks() -> None:
        numbers.append(threading.get_ident())
        interruption.check()

    for _ in range(5):
        with pytest.raises(OfTheCaller):
            stopped(waits_for_nothing, when=lambda: numbers)
        with Background() as work:
            work.begin(looks)
    assert len(set(numbers)) < len(numbers) == 10


def test_work_that_never_waits_is_interrupted_where_it_executes_python() -> None:
    rounds = 0

    def counts() -> None:
        nonlocal rounds
        end = time.monotonic() + WAIT
        while time.monotonic() < end:
            rounds += 1

    started = time.monotonic()
    with pytest.raises(OfTheCaller):
        stopped(counts, when=lambda: rounds)
    assert time.monotonic() - started < WAIT


def test_work_that_cannot_be_interrupted_is_left_behind_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "STOP_SECONDS", 0.1)
    began, may_end = threading.Event(), threading.Event()

    def works() -> None:
        began.set()
        may_end.wait(WAIT)

    with pytest.raises(OfTheCaller):
        stopped(works, when=began.is_set)
    (left,) = threads()
    assert left.daemon
    may_end.set()
    left.join()


def verifies(verifier: Verifier) -> Callable[[], None]:
    def work() -> None:
        verifier.verify([Attempt(problem=problem("What is 2 + 2?", "4"), response="four or so")])

    return work


def test_a_judge_that_waits_for_replies_is_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "DRAIN_SECONDS", 0.1)
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    with JudgeServer() as server:
        server.mix({"hang": 1.0})
        with pytest.raises(OfTheCaller):
            stopped(verifies(building.judge(base_url=server.base_url)), when=lambda: server.requests)


def test_a_server_of_rewards_that_does_not_answer_is_interrupted() -> None:
    over = threading.Event()
    with RewardServerAt(lambda *_: (200, {"reward": float(over.wait(WAIT))})) as server:
        name = f"{server.address}/verify"
        verifier = catalog.build(name, {})
        with pytest.raises(OfTheCaller):
            stopped(verifies(verifier), when=lambda: server.seen)
        over.set()
