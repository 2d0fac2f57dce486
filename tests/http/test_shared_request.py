"""A request that several logins need at the same time."""

import threading
import time

import pytest

from extauth_http.http import shared_request
from extauth_http.http.shared_request import SharedRequest


def test_one_thread_sends_and_the_others_wait_for_it() -> None:
    shared, sent, ran = SharedRequest(), [], []

    def send() -> None:
        time.sleep(0.2)
        sent.append(1)

    def run() -> None:
        ran.append(shared.run(send, time.monotonic() + 5))

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(sent), sorted(ran)) == (1, [False] * 7 + [True])


def test_a_thread_does_not_wait_beyond_its_own_deadline() -> None:
    shared, release = SharedRequest(), threading.Event()
    sending = threading.Thread(
        target=lambda: shared.run(lambda: print(release.wait()), time.monotonic() + 5)
    )
    sending.start()
    with pytest.raises(TimeoutError):
        shared.run(lambda: None, time.monotonic() + 0.1)
    release.set()
    sending.join()


def test_a_request_whose_thread_was_stopped_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_request, "LOST_SECONDS", 0.1)
    shared = SharedRequest()
    # A thread that is stopped here does not remove what it has stored.
    shared._pending["request"] = (threading.Event(), time.monotonic())
    with pytest.raises(TimeoutError):
        shared.run(lambda: None, time.monotonic() + 0.01)
    time.sleep(0.15)
    assert shared.run(lambda: None, time.monotonic() + 5)
    assert shared.run(lambda: None, time.monotonic() + 5)


def test_an_error_of_the_request_does_not_block_the_next_one() -> None:
    shared = SharedRequest()
    with pytest.raises(ZeroDivisionError):
        shared.run(lambda: print(1 / 0), time.monotonic() + 5)
    assert shared.run(lambda: None, time.monotonic() + 5)
