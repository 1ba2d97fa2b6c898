"""Passwords: which are taken, that hashing is bounded, gives way to the event loop, and tells nothing by its time."""

from __future__ import annotations

import asyncio
import logging
import os
import statistics
import threading
import time
import unicodedata
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from argon2.low_level import Type
from hypothesis import given
from hypothesis import strategies as st

from edge.identity import passwords
from edge.identity.passwords import (
    LONGEST_BYTES,
    LONGEST_CHARACTERS,
    NICENESS,
    SHORTEST_BYTES,
    WAITING,
    Busy,
    PasswordHashing,
    UnreadableHash,
    WeakPassword,
    check_new,
)

GOOD = "três pratos de trigo"
DEADLINE_SECONDS = 20.0
"""For conditions that hold within a second on a quiet machine."""
CORES = len(os.sched_getaffinity(0))


@pytest.fixture
async def hashing() -> AsyncIterator[PasswordHashing]:
    made = PasswordHashing()
    yield made
    await made.close()


def check(password: str, email: str = "joao.silva@acme.com.br", full_name: str = "João da Silva") -> None:
    check_new(password, email=email, full_name=full_name)


def weakness(password: str) -> str:
    with pytest.raises(WeakPassword) as refused:
        check(password)
    assert not password or password not in str(refused.value)
    assert refused.value.__cause__ is None
    return refused.value.reason


@pytest.mark.parametrize(
    "password", [GOOD, "x7!kQ9z#Lm2p", "ção-ção", "🥋🥊🤼", "x" + "🥋🤺" * 31 + "1234567", "a\0b\0c\0dxyz"]
)
def test_good_passwords_are_taken(password: str) -> None:
    check(password)


@pytest.mark.parametrize(
    ("password", "reason"),
    [
        ("", "too_short"),
        ("x7!kQ9z#L", "too_short"),
        ("e\u0301e\u0301e\u0301e\u0301", "too_short"),  # 12 bytes, but 8 once composed
        ("x7!kQ9z#" * 32 + "y", "too_long"),
        ("🥋🤺" * 32 + "x", "too_long"),
        ("x7!kQ9z#Lm" * 100_000, "too_long"),
        ("x7!kQ9z#Lm\ud800", "not_text"),
        ("basketball", "common"),
        ("Password2024!", "common"),
        ("joao.silva@acme.com.br", "personal"),
        ("JoaoSilva2024!", "personal"),
        ("joão-da-silva", "personal"),
        ("silva8471920344", "personal"),
        ("Acme-Silva-99", "personal"),
        ("dojo-dojo-2026", "personal"),
        ("DOJO83920192", "personal"),
        ("dojosilva-abc", "personal"),
    ],
)
def test_weak_passwords_are_refused(password: str, reason: str) -> None:
    assert weakness(password) == reason


def test_own_words_in_a_longer_password_do_no_harm() -> None:
    check("dojo f3kz9qtv 2")
    check("o gato do silva toca piano")
    check("banana-boat-99999", full_name="Ana Lu")
    check("nguyen lutou bem", email="a@b.co", full_name="Ng Lu")


def test_the_bounds_are_what_they_say() -> None:
    check("x7!kQ9z#Lm")
    check(("x7!kQ9z#Lmb4" * 30)[:LONGEST_BYTES])
    with pytest.raises(WeakPassword, match="at most 256 bytes"):
        check(("x7!kQ9z#Lmb4" * 30)[: LONGEST_BYTES + 1])
    # The longest text that composes to few enough bytes: three characters make one of two bytes.
    longest = "".join(base + "\u0308\u0304" for base in "uUoO" * 40)[: 3 * 128]
    with pytest.raises(WeakPassword) as refused:
        check(longest)
    assert refused.value.reason == "common"  # the same four again and again: of its length nothing is said
    assert len(longest) < LONGEST_CHARACTERS


@given(st.text(max_size=400), st.text(max_size=60), st.text(max_size=60))
def test_any_text_is_judged(password: str, email: str, full_name: str) -> None:
    try:
        check_new(password, email=email, full_name=full_name)
        found = None
    except WeakPassword as refused:
        found = refused.reason
    size = len(unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass"))
    assert (found == "too_short") == (size < SHORTEST_BYTES)
    assert (found == "too_long") == (size > LONGEST_BYTES)
    assert found != "not_text"  # hypothesis makes no lone surrogates


async def test_a_hash_is_argon2id_and_verifies(hashing: PasswordHashing) -> None:
    stored = await hashing.hash(GOOD)
    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert stored != await hashing.hash(GOOD)
    assert await hashing.verify(stored, GOOD)
    assert await hashing.verify(stored, "tre\u0302s pratos de trigo")  # the same, decomposed
    assert not await hashing.verify(stored, GOOD + "s")
    assert not await hashing.verify(stored, "")
    assert not await hashing.verify(None, GOOD)
    assert not hashing.needs_rehash(stored)


@pytest.mark.parametrize("password", ["\ud800" * 12, "x" * 257, "x" * 100_000])
async def test_what_can_be_no_password_matches_nothing(hashing: PasswordHashing, password: str) -> None:
    stored = await hashing.hash(GOOD)
    assert not await hashing.verify(stored, password)
    assert not await hashing.verify(None, password)


@pytest.mark.parametrize("password", ["", "short", "x" * 257, "x" * 100_000])
async def test_an_unchecked_password_is_not_hashed(hashing: PasswordHashing, password: str) -> None:
    with pytest.raises(ValueError, match="this password was not checked"):
        await hashing.hash(password)


async def test_a_hash_of_other_parameters_verifies_and_is_due_for_another(hashing: PasswordHashing) -> None:
    old = PasswordHasher(time_cost=1, memory_cost=8192, parallelism=1).hash(GOOD)
    assert await hashing.verify(old, GOOD)
    assert hashing.needs_rehash(old)
    argon2i = PasswordHasher(
        time_cost=passwords.PASSES, memory_cost=passwords.MEMORY_KIB, parallelism=1, type=Type.I
    ).hash(GOOD)
    assert hashing.needs_rehash(argon2i)


@pytest.mark.parametrize("stored", ["", "plain text", "$argon2id$v=19$m=19456,t=2,p=1$AAAA", "$2b$12$" + "x" * 53, "$"])
async def test_what_is_no_hash_is_named_without_being_quoted(hashing: PasswordHashing, stored: str) -> None:
    if stored:  # the empty text is no account's, as None
        with pytest.raises(UnreadableHash) as refused:
            await hashing.verify(stored, GOOD)
        assert stored not in str(refused.value).split()
    with pytest.raises(UnreadableHash):
        hashing.needs_rehash(stored)


async def test_an_unknown_account_takes_as_long_as_a_wrong_password(hashing: PasswordHashing) -> None:
    stored = await hashing.hash(GOOD)

    async def seconds(known: str | None, password: str) -> float:
        started = time.process_time()  # of all threads, and of nothing else that the machine does
        await hashing.verify(known, password)
        return time.process_time() - started

    cases: dict[str, tuple[str | None, str]] = {
        "wrong": (stored, "wrong password"),
        "right": (stored, GOOD),
        "unknown": (None, GOOD),
        "too long": (stored, "x" * 100_000),
    }
    taken: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(9):  # in turns: whatever else the machine does falls on all alike
        for name, case in cases.items():
            taken[name].append(await seconds(*case))
    fastest = {name: min(times) for name, times in taken.items()}
    assert max(fastest.values()) < 1.5 * min(fastest.values()), fastest


async def test_twenty_wait_and_the_next_is_told_to_come_later(hashing: PasswordHashing) -> None:
    room = CORES + WAITING
    tasks = [asyncio.create_task(hashing.verify(None, GOOD)) for _ in range(room + 7)]
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(answer) for answer in answers] == [bool] * room + [Busy] * 7
    assert not await hashing.verify(None, GOOD)


async def test_callers_that_leave_free_their_places(hashing: PasswordHashing) -> None:
    room = CORES + WAITING
    for _ in range(4):
        tasks = [asyncio.create_task(hashing.verify(None, GOOD)) for _ in range(room)]
        await asyncio.sleep(0)  # each has a thread or waits; from the second time on the threads may be taken still
        for task in tasks:
            task.cancel()
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        left = [isinstance(answer, asyncio.CancelledError) for answer in answers]
        assert sum(left) >= WAITING
        assert all(gone or isinstance(answer, Busy) for gone, answer in zip(left, answers, strict=True))
    # The places that wait are free at once; the threads are when their hash is done.
    tasks = [asyncio.create_task(hashing.verify(None, GOOD)) for _ in range(WAITING)]
    async with asyncio.timeout(DEADLINE_SECONDS):
        assert await asyncio.gather(*tasks) == [False] * WAITING
    # And all threads are: as many as before run and wait.
    tasks = [asyncio.create_task(hashing.verify(None, GOOD)) for _ in range(room)]
    async with asyncio.timeout(DEADLINE_SECONDS):
        assert await asyncio.gather(*tasks) == [False] * room


async def test_never_more_hashes_run_than_there_are_cores(
    hashing: PasswordHashing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cancelled callers leave their hash running: those that follow must not add threads' work on top."""
    at_once: list[int] = []
    running = 0
    lock = threading.Lock()
    matches = hashing._matches

    def counted(stored: str, raw: bytes) -> bool:
        nonlocal running
        with lock:
            running += 1
            at_once.append(running)
        try:
            return matches(stored, raw)
        finally:
            with lock:
                running -= 1

    monkeypatch.setattr(hashing, "_matches", counted)
    for _ in range(4):
        tasks = [asyncio.create_task(hashing.verify(None, GOOD)) for _ in range(CORES + 5)]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    assert max(at_once) == CORES


async def test_the_threads_give_way(hashing: PasswordHashing) -> None:
    await hashing.verify(None, GOOD)
    nice = {
        (Path("/proc/self/task") / str(thread.native_id)).joinpath("stat").read_text().rpartition(")")[2].split()[16]
        for thread in threading.enumerate()
        if thread.name.startswith("password")
    }
    here = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    assert nice == {str(min(here + NICENESS, 19))}


async def test_the_event_loop_goes_on_while_all_threads_hash(hashing: PasswordHashing) -> None:
    late: list[float] = []
    hashes = [asyncio.create_task(hashing.verify(None, GOOD)) for _ in range(CORES + WAITING)]
    while not all(task.done() for task in hashes):
        started = time.perf_counter()
        await asyncio.sleep(0.001)
        late.append(time.perf_counter() - started - 0.001)
    assert len(late) > 20
    # One hash takes 21 ms: a loop that had to wait for one would show it. The median bears a busy machine.
    assert statistics.median(late) < 0.010


async def test_closing_lets_what_runs_end_and_refuses_the_rest(caplog: pytest.LogCaptureFixture) -> None:
    others = set(threading.enumerate())
    hashing = PasswordHashing()
    tasks = [asyncio.create_task(hashing.verify(None, GOOD)) for _ in range(CORES + 5)]
    await asyncio.sleep(0)
    await hashing.close()
    async with asyncio.timeout(DEADLINE_SECONDS):
        answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(answer) for answer in answers] == [bool] * CORES + [Busy] * 5
    with pytest.raises(Busy):
        await hashing.hash(GOOD)
    left = set(threading.enumerate()) - others
    assert not [thread for thread in left if thread.name.startswith("password")]
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
    await hashing.close()
