"""Token buckets that all processes share in Redis: how often somebody may do something.

A bucket is kept as one number: the instant at which it will be full again. Taking from it moves that instant on; what
is not kept at all is full. So a bucket takes one small value, and it may expire exactly when it says nothing any more.

While Redis is away each process counts for itself, starting with full buckets: limits are then looser by the number of
processes, but there are limits.
"""

from __future__ import annotations

import hashlib
import logging
import math
import random
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from redis.asyncio import Redis

from kernel.redis import RedisAway, or_away

log = logging.getLogger(__name__)

AWAY_SECONDS: Final = 1.0
"""After a failure Redis is not asked for this long: a request must not wait for a time limit to find out again."""
AWAY_JITTER: Final = 0.2
"""Part of `AWAY_SECONDS` by which it varies, so that the processes do not come back all at once."""
LOCAL_BUCKETS: Final = 10_000
"""Buckets of one process while Redis is away, some 200 bytes each. Past it the one not used for longest is dropped:
it counts as full then."""
MOST_DRAWS: Final = 8
KEY_PREFIX: Final = "dojo:bucket:"

_MICROSECONDS: Final = 1_000_000
_ID_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class Bucket:
    """Holds up to `capacity` tokens, refilled evenly with `per_second`."""

    capacity: float
    per_second: float

    def __post_init__(self) -> None:
        if not (0 < self.capacity < math.inf and 0 < self.per_second < math.inf):
            raise ValueError("capacity and per_second of a bucket must be above zero and finite")

    @property
    def span(self) -> int:
        """Microseconds from empty to full. Rounded up, and prices down, so that all of `capacity` can be had."""
        return math.ceil(self.capacity / self.per_second * _MICROSECONDS)

    def price(self, tokens: float) -> int:
        """Microseconds of refilling that `tokens` cost. Raises `ValueError` for more than the bucket can ever hold."""
        if not 0 < tokens <= self.capacity:
            raise ValueError(f"{tokens:g} tokens can never be taken from a bucket of {self.capacity:g}")
        return max(1, math.floor(tokens / self.per_second * _MICROSECONDS))


@dataclass(frozen=True, slots=True)
class Draw:
    """`tokens` out of the bucket that `name` (what is limited, "login.network") has for `id` (whom).

    The id is stored hashed only: it may be an address or an e-mail.
    """

    name: str
    id: str = field(repr=False)
    bucket: Bucket
    tokens: float = 1.0


def draw(full_at: int | None, now: int, span: int, price: int) -> tuple[int, int]:
    """Take from one bucket, all in microseconds of one clock: when it will be full after that, and how long to wait.

    `full_at` is None for a bucket nothing is known of. Only with a wait of 0 may the new instant be kept.
    """
    # Never further off than a full span: a clock that was set back must not lock anybody out.
    begin = now if full_at is None else min(max(full_at, now), now + span)
    end = begin + price
    return end, max(0, end - now - span)


class Buckets:
    """The buckets in Redis, and those of this process while it is away (with `client` None: always)."""

    def __init__(self, client: Redis | None, *, key: bytes = b"", clock: Callable[[], float] = time.monotonic) -> None:
        """`key` (up to 64 bytes, the same in all processes) keeps ids from being guessed from their hashes.

        `clock` is for the local buckets and for when to try again; Redis uses its own.
        """
        self._script = client.register_script(_TAKE) if client is not None else None
        self._key = key
        self._clock = clock
        self._local: OrderedDict[str, int] = OrderedDict()
        self._retry_at = -math.inf
        self._away = False

    async def take(self, *draws: Draw) -> float:
        """Take from all buckets, or from none: 0.0, or the seconds until the emptiest of them has enough.

        Several at once cost one round trip. They must be different buckets, `MOST_DRAWS` at most.
        """
        keys = [self._name(each) for each in draws]
        if not 0 < len(keys) <= MOST_DRAWS or len(set(keys)) != len(keys):
            raise ValueError(f"take from 1 to {MOST_DRAWS} different buckets at once")
        terms = [(each.bucket.span, each.bucket.price(each.tokens)) for each in draws]
        now = self._clock()
        if self._script is None or now < self._retry_at:
            return self._take_here(keys, terms, now)
        if self._away:
            self._retry_at = now + _pause()  # one request finds out whether Redis is back, the others do not wait
        try:
            with or_away():
                wait: int = await self._script(keys=keys, args=[number for pair in terms for number in pair])
        except RedisAway as error:
            now = self._clock()
            self._retry_at = now + _pause()
            if not self._away:
                self._away = True
                log.warning("limits are counted per process until Redis is back (%s)", error)
            return self._take_here(keys, terms, now)
        if self._away:
            self._away = False
            self._retry_at = -math.inf
            log.info("limits are counted in Redis again")
        return wait / _MICROSECONDS

    def _take_here(self, keys: Sequence[str], terms: Sequence[tuple[int, int]], seconds: float) -> float:
        now = int(seconds * _MICROSECONDS)
        drawn = [draw(self._local.get(key), now, span, price) for key, (span, price) in zip(keys, terms, strict=True)]
        longest = max(wait for _, wait in drawn)
        for key, (full_at, _) in zip(keys, drawn, strict=True):
            if longest == 0:
                self._local[key] = full_at
            if key in self._local:
                self._local.move_to_end(key)  # in use, though refused: must not be forgotten for it
            while len(self._local) > LOCAL_BUCKETS:
                self._local.popitem(last=False)
        return longest / _MICROSECONDS

    def _name(self, each: Draw) -> str:
        hashed = hashlib.blake2b(each.id.encode(), digest_size=_ID_BYTES, key=self._key).hexdigest()
        return f"{KEY_PREFIX}{each.name}:{hashed}"


def _pause() -> float:
    return AWAY_SECONDS * random.uniform(1 - AWAY_JITTER, 1 + AWAY_JITTER)  # noqa: S311 - spreads load, hides nothing


_CLOCK: Final = "redis.call('TIME')"

# `draw`, for several buckets at once: ARGV has span and price of each key. Microseconds since 1970 are whole numbers
# below 2^53, exact in Lua's doubles, but its own way to write them stops at 14 digits: hence %.0f.
_TAKE: Final = f"""
local time = {_CLOCK}
local now = time[1] * 1000000 + time[2]
local longest = 0
local ends = {{}}
for i, key in ipairs(KEYS) do
  local span, price = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
  local full_at = tonumber(redis.call('GET', key) or now)
  ends[i] = math.min(math.max(full_at, now), now + span) + price
  longest = math.max(longest, ends[i] - now - span)
end
if longest == 0 then
  for i, key in ipairs(KEYS) do
    redis.call('SET', key, string.format('%.0f', ends[i]), 'PX', math.ceil((ends[i] - now) / 1000))
  end
end
return longest
"""
