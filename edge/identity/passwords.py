"""Passwords: which are taken, and how they are hashed without holding up anything else.

argon2id with 19 MiB, two passes and one lane: the first choice of OWASP's Password Storage Cheat Sheet (2024), between
the two of RFC 9106 (64 MiB and more), which take 101-132 ms a hash here; this takes 21 ms on the 2-core reference
machine. With as many hashes at once as there are cores and 20 waiting, the last one waits about 0.25 s.
"""

from __future__ import annotations

import asyncio
import base64
import os
import re
import sys
import threading
import unicodedata
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, Literal, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError

from edge.identity import common_passwords

SHORTEST_BYTES: Final = 10
LONGEST_BYTES: Final = 256
LONGEST_CHARACTERS: Final = 1024
"""Of the text as it comes. Composing (NFC) makes at most four characters into one, so none that has 256 bytes
afterwards is longer, and none that is longer needs to be composed."""

MEMORY_KIB: Final = 19 * 1024
PASSES: Final = 2
LANES: Final = 1
WAITING: Final = 20
"""Hashes that may wait for a free thread."""
NICENESS: Final = 10
"""Added to the hashing threads' nice value. With both cores hashing, a 2 ms timer of the event loop is late by
1.07 ms at p99 instead of 1.62 ms, and hashing loses 5% of its throughput (19: 12%, for no further gain)."""

Weakness = Literal["not_text", "too_short", "too_long", "common", "personal"]

_PERSONAL_SHORTEST = 3
"""Shorter parts of a name stand in other words by chance."""
_REST_CHARACTERS = 6
"""So many characters must be left once the person's own words, and signs and digits at either end, are taken away."""
_PRODUCT = "dojo"
_ADVICE: Final[dict[Weakness, str]] = {
    "not_text": "the password holds characters that are not valid Unicode",
    "too_short": f"the password must have at least {SHORTEST_BYTES} bytes",
    "too_long": f"the password must have at most {LONGEST_BYTES} bytes",
    "common": "the password is one of the first that anybody would try",
    "personal": "the password consists of the name, the e-mail address or the product's name",
}

T = TypeVar("T")


class WeakPassword(Exception):
    """A new password is not taken. `reason` is for programs, the text for people; neither quotes it."""

    def __init__(self, reason: Weakness) -> None:
        super().__init__(_ADVICE[reason])
        self.reason: Weakness = reason


class Busy(Exception):
    """All hashing threads have work and enough callers wait already, or hashing was closed: try again later."""


class UnreadableHash(Exception):
    """What is stored as a password's hash is none."""


def check_new(password: str, *, email: str, full_name: str) -> None:
    """Raises `WeakPassword` unless `password` may be chosen by this person. See `common_passwords.load`."""
    raw = _raw(password)
    if raw is None or len(raw) > LONGEST_BYTES:
        raise WeakPassword("too_long")
    if len(raw) < SHORTEST_BYTES:
        raise WeakPassword("too_short")
    try:
        raw.decode()
    except UnicodeDecodeError:
        raise WeakPassword("not_text") from None
    if common_passwords.is_common(password):
        raise WeakPassword("common")
    if _personal(password, _own_words(email, full_name)):
        raise WeakPassword("personal")


class PasswordHashing:
    """Hashes and checks passwords in threads of its own. One for a process, used from one event loop; a password's
    text is in nothing it raises."""

    def __init__(self) -> None:
        cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
        self._hasher = PasswordHasher(time_cost=PASSES, memory_cost=MEMORY_KIB, parallelism=LANES)
        self._dummy = _dummy_hash(self._hasher)
        self._pool = ThreadPoolExecutor(cores, "password", initializer=_give_way)
        self._free = asyncio.Semaphore(cores)
        self._waiting = 0
        self._closed = False

    def start(self) -> None:
        """Have the common passwords loaded, so that nobody's sign-up waits for them. No thread runs before."""
        self._pool.submit(common_passwords.load)

    async def hash(self, password: str) -> str:
        """The argon2id hash of a password that `check_new` took, in PHC form. Raises `Busy`; `ValueError` on a
        password that could not be verified afterwards."""
        raw = _raw(password)
        if raw is None or not SHORTEST_BYTES <= len(raw) <= LONGEST_BYTES:
            raise ValueError("this password was not checked")
        return await self._run(lambda: self._hasher.hash(raw))

    async def verify(self, stored: str | None, password: str) -> bool:
        """Whether `stored` is the hash of `password`. Without one the same work is done and the answer is no, so that
        the time does not tell whether an account exists. Raises `Busy`, `UnreadableHash`."""
        raw = _raw(password)
        if raw is None or len(raw) > LONGEST_BYTES:
            stored, raw = None, b""
        return await self._run(lambda: self._matches(stored or self._dummy, raw))

    def needs_rehash(self, stored: str) -> bool:
        """Whether `stored` was made with other parameters: hash the password anew while it is at hand. (Until then,
        such an account's login takes another time than the dummy's.) Raises `UnreadableHash`."""
        try:
            return self._hasher.check_needs_rehash(stored)
        except InvalidHashError:
            raise UnreadableHash("a stored password hash is not argon2id in PHC form") from None

    async def close(self) -> None:
        """Refuse further work, let what runs end (21 ms), end the threads."""
        self._closed = True
        await asyncio.to_thread(self._pool.shutdown, wait=True)

    def _matches(self, stored: str, raw: bytes) -> bool:
        try:
            return self._hasher.verify(stored, raw)
        except VerifyMismatchError:
            return False
        except (InvalidHashError, VerificationError):
            raise UnreadableHash("a stored password hash is not argon2id in PHC form") from None

    async def _run(self, work: Callable[[], T]) -> T:
        if self._closed or self._waiting >= WAITING:
            raise Busy
        self._waiting += 1
        try:
            await self._free.acquire()
        finally:
            self._waiting -= 1
        try:
            running = self._pool.submit(work)
        except RuntimeError:  # closed meanwhile
            self._free.release()
            raise Busy from None
        loop = asyncio.get_running_loop()

        def ended(_: Future[T]) -> None:
            # Not when the caller is done waiting: one that was cancelled leaves its hash running in the thread.
            if not loop.is_closed():
                loop.call_soon_threadsafe(self._free.release)

        running.add_done_callback(ended)
        return await asyncio.wrap_future(running)


def _give_way() -> None:
    """A hash must not delay a request. Linux gives every thread a nice value of its own; elsewhere the number would
    be taken for a process."""
    if sys.platform == "linux":
        thread = threading.get_native_id()
        now = os.getpriority(os.PRIO_PROCESS, thread)
        os.setpriority(os.PRIO_PROCESS, thread, min(now + NICENESS, 19))


def _dummy_hash(hasher: PasswordHasher) -> str:
    """A hash of nothing anybody knows: random bytes in the place of a result."""

    def field(length: int) -> str:
        return base64.b64encode(os.urandom(length)).rstrip(b"=").decode()

    costs = f"m={hasher.memory_cost},t={hasher.time_cost},p={hasher.parallelism}"
    return f"$argon2id$v=19${costs}${field(hasher.salt_len)}${field(hasher.hash_len)}"


def _raw(password: str) -> bytes | None:
    """The bytes that are hashed; None if there are surely too many. A lone surrogate stays one: it is never equal to
    what `check_new` takes."""
    if len(password) > LONGEST_CHARACTERS:
        return None
    return unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")


def _own_words(email: str, full_name: str) -> list[str]:
    """What others know of the person, folded, longest first: the whole goes before its parts."""
    local, _, domain = common_passwords.fold(email).partition("@")
    name = common_passwords.fold(full_name)
    parts = re.split(r"[\W_]+", f"{local} {domain.rpartition('.')[0]} {name}")
    words = {_PRODUCT, local, "".join(name.split()), *parts}
    return sorted((word for word in words if len(word) >= _PERSONAL_SHORTEST), key=len, reverse=True)


def _personal(password: str, own: list[str]) -> bool:
    folded = common_passwords.fold(password)
    rest = folded
    for word in own:
        rest = rest.replace(word, "")
    return rest != folded and len(common_passwords.trimmed(rest)) < _REST_CHARACTERS
