"""The shared counts tell which worker has more connections than its share."""

import os

import pytest

from extauth_http.service.connection_counts import NOT_ACCEPTING, ConnectionCounts


def counts_of(*counts: int) -> ConnectionCounts:
    shared = ConnectionCounts(len(counts))
    for worker, count in enumerate(counts):
        if count != NOT_ACCEPTING:
            shared.set(worker, count)
    return shared


@pytest.mark.parametrize(
    ("counts", "surplus"),
    [
        ((64, 0), [32, 0]),
        ((17, 16), [0, 0]),
        ((18, 15), [1, 0]),
        ((5, 5, 0), [1, 1, 0]),
        ((0, 0), [0, 0]),
        ((7,), [0]),
        ((40, NOT_ACCEPTING), [0, 0]),
        ((40, NOT_ACCEPTING, 10), [15, 0, 0]),
    ],
)
def test_the_surplus_is_what_a_worker_has_above_its_share(
    counts: tuple[int, ...], surplus: list[int]
) -> None:
    shared = counts_of(*counts)
    assert [shared.surplus(worker) for worker in range(len(counts))] == surplus


@pytest.mark.parametrize(
    ("counts", "has_most"),
    [
        ((2, 1), [True, False]),
        ((1, 1), [False, False]),
        ((3, NOT_ACCEPTING), [False, True]),
        ((0,), [False]),
    ],
)
def test_a_worker_has_most_if_another_one_that_accepts_has_fewer(
    counts: tuple[int, ...], has_most: list[bool]
) -> None:
    shared = counts_of(*counts)
    assert [shared.has_most(worker) for worker in range(len(counts))] == has_most


def test_a_child_process_and_its_parent_see_the_same_counts() -> None:
    shared = ConnectionCounts(2)
    child = os.fork()
    if child == 0:
        shared.set(0, 12)
        shared.set(1, 2)
        os._exit(0)
    os.waitpid(child, 0)
    assert shared.surplus(0) == 5
