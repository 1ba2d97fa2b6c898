"""ICE-lite with proof of address (RFC 8445, RFC 8489), without sockets: datagrams in, datagrams out.

Anybody who saw a client's request, or is a client, can send it from a forged address. So an authentic request only
makes its path a *candidate*: it gets STUN and nothing else, three packets in all, until it answers a Binding request of
ours (96 random bits, sealed with the client's password). Media is taken from such *valid* paths, and goes to the
nominated one.
"""

from __future__ import annotations

import base64
import os
from collections import Counter
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from media_sfu import stun
from media_sfu.stun import Address, Klass, Message, StunError

# What a transport calls the pair of addresses (or the connection) a packet came by and its answer leaves by.
Path = Hashable

# Packets to a path that has not answered: our answer, our check, the check once more. More would make this program a
# cannon against a forged address.
UNPROVEN_PACKETS: Final = 3
# Seconds until a check is sent again; doubles.
CHECK_SECONDS: Final = 0.25
# Seconds a candidate's answer is waited for: round trips of satellites and full mobile queues are below.
CANDIDATE_SECONDS: Final = 5.0
CANDIDATES_MOST: Final = 8
VALID_MOST: Final = 4
# Paths remembered as having had packets and not answered. A new one has a place when the oldest is so many seconds old;
# until then it gets nothing. So even a storm of forged addresses costs at most 128 * 3 packets a minute.
UNPROVEN_MOST: Final = 128
UNPROVEN_SECONDS: Final = 60.0
# Answers (400, 401) to requests nobody vouches for, one a path, and paths so many in an agent's life.
REFUSALS_MOST: Final = 16
# Seconds media is still taken from the paths before an ICE restart: packets under way when the client changed over.
CHANGEOVER_SECONDS: Final = 2.0
# RFC 8445 5.1.2.1: a peer-reflexive address (preference 110) of the only network interface, component 1.
CHECK_PRIORITY: Final = 110 << 24 | 65_535 << 8 | 255


@dataclass(frozen=True, slots=True)
class Credentials:
    """ice-ufrag and ice-pwd of one side (RFC 8839 5.4: 4..256 and 22..256 characters, checked where SDP is read)."""

    fragment: str
    password: str = field(repr=False)

    @classmethod
    def new(cls, random: Callable[[int], bytes] = os.urandom) -> Credentials:
        """48 random bits of fragment (24 are asked for), 144 of password (128); base64 has exactly ICE's alphabet."""
        return cls(base64.b64encode(random(6)).decode(), base64.b64encode(random(18)).decode())


class Send(NamedTuple):
    path: Path
    data: bytes


class _Generation:
    """The credentials between two ICE restarts, ready for use."""

    __slots__ = ("fragment", "incoming", "local_key", "outgoing", "remote_key")

    def __init__(self, local: Credentials, remote: Credentials) -> None:
        self.fragment = local.fragment
        # Whoever is asked comes first (RFC 8445 7.2.2).
        self.incoming = f"{local.fragment}:{remote.fragment}"
        self.outgoing = f"{remote.fragment}:{local.fragment}"
        self.local_key = local.password.encode()
        self.remote_key = remote.password.encode()


@dataclass(slots=True)
class _Candidate:
    generation: _Generation
    transaction: bytes
    check: bytes
    again: float  # when the check is sent once more, if the path may have another packet
    pause: float
    until: float
    nomination: int  # which nomination it shall have when valid, 0: none
    held: bytes | None = None  # the answer to its latest request, for when it is valid


@dataclass(slots=True)
class _Valid:
    generation: _Generation
    heard: float
    until: float | None = None  # of before a restart: media is taken from it until then


class IceAgent:
    """One peer's ICE. Lite, so always controlled; checks of its own only prove addresses.

    `nominated`: where media goes. `last_heard`: when an authentic message came last; `now` of the beginning before the
    first. `version` changes whenever `paths`, `nominated` or `fragments` do. `counts`: why packets were dropped.
    """

    def __init__(
        self,
        local: Credentials,
        remote: Credentials,
        *,
        random: Callable[[int], bytes] = os.urandom,
        now: float = 0.0,
    ) -> None:
        self._random = random
        self._tie_breaker = int.from_bytes(random(8), "big")
        self._current = _Generation(local, remote)
        self._previous: _Generation | None = None
        self._candidates: dict[Path, _Candidate] = {}
        self._valid: dict[Path, _Valid] = {}
        # Packets a path got without proof, and when it got the first.
        self._unproven: dict[Path, tuple[int, float]] = {}
        self._refused: set[Path] = set()
        self._nominations = 0
        self._nominated_as = 0
        self.nominated: Path | None = None
        self.last_heard = now
        self.version = 0
        self.counts: Counter[str] = Counter()

    @property
    def paths(self) -> tuple[Path, ...]:
        """Where packets of this peer may come from: valid paths, and candidates, whose answers name nobody."""
        return (*self._valid, *(path for path in self._candidates if path not in self._valid))

    @property
    def fragments(self) -> tuple[str, ...]:
        """Our user name fragments that are honoured: requests from elsewhere that begin with one belong here."""
        if self._previous is None:
            return (self._current.fragment,)
        return self._current.fragment, self._previous.fragment

    @property
    def due(self) -> float | None:
        """When `tick` has something to do next."""
        times = [self._next(path, candidate) for path, candidate in self._candidates.items()]
        times.extend(valid.until for valid in self._valid.values() if valid.until is not None)
        return min(times, default=None)

    def valid(self, path: Path) -> bool:
        """Whether media is taken from `path`: it has answered a check."""
        return path in self._valid

    def receive(self, data: bytes, path: Path, address: Address, now: float) -> list[Send]:
        """What to send upon STUN from `path`, whose sender is seen as `address`. Never raises for what `data` is."""
        try:
            message = stun.parse(data)
        except StunError:
            return self._dropped("malformed")
        if message.method != stun.BINDING or message.klass is Klass.INDICATION:
            return self._dropped("unasked")
        if message.klass is not Klass.REQUEST:
            return self._answered(message, path, now)
        return self._asked(message, path, address, now)

    def tick(self, now: float) -> list[Send]:
        """Checks that are to be sent once more; forgets what has run out."""
        sends: list[Send] = []
        for path, candidate in list(self._candidates.items()):
            if now >= candidate.until:
                del self._candidates[path]
                self.version += 1
            elif now >= candidate.again and self._allowance(path):
                candidate.pause *= 2
                candidate.again = now + candidate.pause
                self._spend(path, now)
                sends.append(Send(path, candidate.check))
        for path, valid in list(self._valid.items()):
            if valid.until is not None and now >= valid.until:
                del self._valid[path]
                self.version += 1
        return sends

    def restart(self, local: Credentials, remote: Credentials) -> None:
        """New credentials (RFC 8445 2.4). Everything stays as it is until a path is nominated with them."""
        # Of several restarts in a row only what is in use, and the newest, count. (A nomination clears `_previous`.)
        if self._previous is None:
            self._previous = self._current
        self._current = _Generation(local, remote)
        self.version += 1

    def lost(self, path: Path) -> None:
        """`path`, a connection, was closed and never comes again."""
        self._unproven.pop(path, None)
        self._refused.discard(path)
        self._candidates.pop(path, None)
        self._valid.pop(path, None)
        if self.nominated == path:
            self.nominated = None
        self.version += 1

    def _asked(self, message: Message, path: Path, address: Address, now: float) -> list[Send]:
        username = message.username
        if username is None or not message.integrity_at:
            return self._refuse(message, path, 400, "Bad Request")
        if username == self._current.incoming:
            generation = self._current
        elif self._previous is not None and username == self._previous.incoming:
            generation = self._previous
        else:
            return self._refuse(message, path, 401, "Unauthenticated")
        if not message.authentic(generation.local_key):
            return self._refuse(message, path, 401, "Unauthenticated")
        self.last_heard = now
        valid = self._valid.get(path)
        error = _error(message, proven=valid is not None)
        if error is not None:
            return self._fail(message, path, generation, error, now)
        if valid is None:
            return self._candidate(message, path, address, generation, now)
        valid.heard = now
        if generation is self._current:
            valid.generation = generation
            valid.until = None
        answer = Send(path, stun.success(message, address, generation.local_key))
        if not message.use_candidate:
            return [answer]
        self._nominations += 1
        if self.nominated in (None, path):
            self._nominate(path, generation, self._nominations, now)
            return [answer]
        # The request may have been overheard, and come again from an address its client has left: media follows only
        # once the client has answered from there anew.
        candidate = self._candidates.get(path)
        if candidate is not None and candidate.generation is generation:
            candidate.nomination = self._nominations
            return [answer]
        return [self._check(path, generation, self._nominations, now), answer]

    def _check(self, path: Path, generation: _Generation, nomination: int, now: float) -> Send:
        """A check of ours for `path`, which counts as a candidate until it is answered."""
        transaction = self._random(12)
        check = stun.request(
            transaction,
            username=generation.outgoing,
            password=generation.remote_key,
            priority=CHECK_PRIORITY,
            controlled=self._tie_breaker,
        )
        self._candidates[path] = _Candidate(
            generation, transaction, check, now + CHECK_SECONDS, CHECK_SECONDS, now + CANDIDATE_SECONDS, nomination
        )
        self.version += 1
        return Send(path, check)

    def _answered(self, message: Message, path: Path, now: float) -> list[Send]:
        """An answer to a check of ours: it proves `path` if it came by the path the check went (RFC 8445 7.2.5.2.1)."""
        candidate = self._candidates.get(path)
        if candidate is None or message.transaction != candidate.transaction:
            return self._dropped("unasked")
        if message.klass is not Klass.SUCCESS or message.unknown:
            return self._dropped("failed")
        if not message.authentic(candidate.generation.remote_key):
            return self._dropped("unauthentic")
        del self._candidates[path]
        self._unproven.pop(path, None)
        self._refused.discard(path)
        if path not in self._valid and len(self._valid) >= VALID_MOST:
            replaceable = (known for known in self._valid if known != self.nominated)
            del self._valid[min(replaceable, key=lambda known: self._valid[known].heard)]
        self._valid[path] = _Valid(candidate.generation, now)
        self.last_heard = now
        self.version += 1
        if candidate.nomination:
            self._nominate(path, candidate.generation, candidate.nomination, now)
        return [] if candidate.held is None else [Send(path, candidate.held)]

    def _candidate(
        self, message: Message, path: Path, address: Address, generation: _Generation, now: float
    ) -> list[Send]:
        """An authentic request from an address that has proven nothing."""
        nomination = 0
        if message.use_candidate:
            self._nominations = nomination = self._nominations + 1
        candidate = self._candidates.get(path)
        if candidate is not None:
            if candidate.generation is generation:
                candidate.nomination = nomination or candidate.nomination
            if candidate.generation is generation or generation is self._previous:
                # What may still be sent is kept for the check, which alone moves things on. Without the answer held the
                # client would find out only half a second later, when it repeats its request.
                candidate.held = stun.success(message, address, generation.local_key)
                return self._dropped("waiting")
        allowance = self._allowance(path)
        if not allowance:
            return self._dropped("unproven")
        if candidate is None and not self._place(path, now):
            return self._dropped("crowded")
        # The check goes first, so that the client has answered it before it goes on upon our answer.
        sends = [self._check(path, generation, nomination, now)]
        self._spend(path, now)
        if allowance > 1:
            self._spend(path, now)
            sends.append(Send(path, stun.success(message, address, generation.local_key)))
        return sends

    def _nominate(self, path: Path, generation: _Generation, nomination: int, now: float) -> None:
        if generation is not self._current and generation is not self._previous:
            return
        restarted = self._previous is not None and generation is self._current
        if nomination < self._nominated_as and not restarted:
            return
        self._nominated_as = nomination
        if self.nominated != path:
            self.nominated = path
            self.version += 1
        if not restarted:
            return
        # The restart is through: what only the old credentials vouch for goes.
        self._previous = None
        self.version += 1
        for old, valid in self._valid.items():
            if valid.generation is not generation and old != path:
                valid.until = now + CHANGEOVER_SECONDS
        self._valid[path].generation = generation
        for old in [old for old, candidate in self._candidates.items() if candidate.generation is not generation]:
            del self._candidates[old]

    def _refuse(self, message: Message, path: Path, code: int, reason: str) -> list[Send]:
        """The answer to a request nobody vouches for: takes but one of the packets from whom the path truly is."""
        if path not in self._valid:
            if path in self._refused or len(self._refused) >= REFUSALS_MOST or not self._allowance(path):
                return self._dropped("unauthentic")
            self._refused.add(path)
        self._dropped("unauthentic")
        return [Send(path, stun.failure(message, code, reason, None))]

    def _fail(
        self, message: Message, path: Path, generation: _Generation, error: tuple[int, str], now: float
    ) -> list[Send]:
        self._dropped("failed")
        if path not in self._valid:
            if not self._allowance(path) or not self._room(path, now):
                return []
            self._spend(path, now)
        code, reason = error
        # RFC 8489 9.1.3: a request without what it must have is answered 400 without MESSAGE-INTEGRITY.
        return [Send(path, stun.failure(message, code, reason, None if code == 400 else generation.local_key))]

    def _next(self, path: Path, candidate: _Candidate) -> float:
        return min(candidate.again, candidate.until) if self._allowance(path) else candidate.until

    def _allowance(self, path: Path) -> int:
        """Packets `path` may still have, if it has proven nothing."""
        if path in self._valid:
            return UNPROVEN_PACKETS
        return UNPROVEN_PACKETS - self._unproven.get(path, (0, 0.0))[0] - (path in self._refused)

    def _spend(self, path: Path, now: float) -> None:
        if path in self._valid:
            return
        spent, since = self._unproven.get(path, (0, now))
        self._unproven[path] = (spent + 1, since)

    def _place(self, path: Path, now: float) -> bool:
        """Makes room for one more candidate, at the cost of one that had all its packets and time to answer."""
        if len(self._candidates) >= CANDIDATES_MOST:
            for old, candidate in self._candidates.items():
                if now >= candidate.again and not self._allowance(old):
                    del self._candidates[old]
                    self.version += 1
                    break
            else:
                return False
        return self._room(path, now)

    def _room(self, path: Path, now: float) -> bool:
        """Whether it can be remembered what `path` gets."""
        if path in self._unproven or len(self._unproven) < UNPROVEN_MOST:
            return True
        oldest = next(iter(self._unproven))
        if now - self._unproven[oldest][1] < UNPROVEN_SECONDS:
            return False
        del self._unproven[oldest]
        return True

    def _dropped(self, why: str) -> list[Send]:
        self.counts[why] += 1
        return []


def _error(message: Message, *, proven: bool) -> tuple[int, str] | None:
    """What is wrong with an authentic request."""
    if message.unknown:
        return 420, "Unknown Attribute"
    # Consent requests (RFC 7675) needn't say a priority, checks must (RFC 8445 7.1.1).
    if not proven and message.priority is None:
        return 400, "Bad Request"
    # A lite agent never controls: there is no tie to break (RFC 8445 6.1.1).
    if message.controlled is not None:
        return 487, "Role Conflict"
    return None
