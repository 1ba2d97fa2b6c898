"""What a mock shall do besides answering: a scripted partner, and failures at chosen places. Pure: counts in, decisions
out, so that two runs of one app's tests meet the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final, Literal, TypeVar

import msgspec
from msgspec import Meta

from collab_core.closes import CloseCode

MOST_DELAY_MS: Final = 60_000

Delay = Annotated[int, Meta(ge=0, le=MOST_DELAY_MS)]
Count = Annotated[int, Meta(ge=1)]


class ScenarioError(Exception):
    """The scenario cannot be read; the text says where it is wrong."""


class HttpFailure(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What happens to requests of one operation. Nothing given but the operation: it answers as ever."""

    operation: str
    """Its `operationId` in `docs/openapi.json`; `*` for all."""
    requests: tuple[Count, ...] = ()
    """Which of them, counted from 1 since the start; empty for all."""
    status: Annotated[int, Meta(ge=400, le=599)] | None = None
    code: str = "mock"
    """The problem's code."""
    delay_ms: Delay = 0
    lose_reply: bool = False
    """The work is done, and the connection ends without an answer."""


class LiveFailure(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What happens to one socket. `connection` counts sockets, `message` what a socket sends in JSON; both from 1.

    close: with `code`, on entering (`message` 0) or instead of taking the message. stale_version: an edit is answered
    with the file as it is, and not applied. lose_reply: the message is taken, and the connection breaks before anything
    is answered. drop: it breaks at once. delay: the message is taken `delay_ms` later.
    """

    connection: Count = 1
    message: Annotated[int, Meta(ge=0)] = 0
    do: Literal["close", "stale_version", "lose_reply", "drop", "delay"]
    code: Annotated[int, Meta(ge=4000, le=4999)] = 4500
    """As the plain dialect and `dojo.v1` say it: on `dojo.json.v1` 4401, 4404, 4409 and 4403 become 4001 to 4004."""
    delay_ms: Delay = 0


class Step(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something the partner does once `after` messages in JSON came from anybody: 0 as soon as somebody is there."""

    after: Annotated[int, Meta(ge=0)] = 0
    delay_ms: Delay = 0
    say: str | None = None
    """In the chat."""
    type: str | None = None
    """Inserted into the main file, at `at` (code points), or at its end."""
    at: Annotated[int, Meta(ge=0)] | None = None
    delete: Annotated[int, Meta(ge=0)] = 0
    """Characters deleted at `at` first."""
    turn: Literal["start", "skip", "stop", "pause", "resume"] | None = None
    """Done as the host. Turns are of `seconds`."""
    seconds: Annotated[int, Meta(ge=10, le=14_400)] | None = None


class Scenario(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One TOML file. The default partner greets, and types a comment at the first message."""

    access_requests: Count | None = None
    """So many requests an access token is good for; then 401 `invalid_token` until `refresh` or `login`."""
    http_delay_ms: Delay = 0
    language: str = "python"
    initial_code: str = "def fizzbuzz(n):\n    pass\n"
    partner: str = "Grace Hopper"
    http: tuple[HttpFailure, ...] = ()
    live: tuple[LiveFailure, ...] = ()
    steps: tuple[Step, ...] = (Step(say="Hi! Shall we start?"), Step(after=1, type="# Grace was here\n", at=0))


def load(path: Path) -> Scenario:
    """Read a scenario. Raises `ScenarioError`."""
    try:
        scenario = msgspec.toml.decode(path.read_bytes(), type=Scenario)
    except OSError as error:
        raise ScenarioError(f"{path}: {error.strerror}") from error
    except (msgspec.DecodeError, ValueError) as error:  # tomllib's own error is a ValueError
        raise ScenarioError(f"{path}: {error}") from error
    codes = {int(code) for code in CloseCode}
    if unknown := [failure.code for failure in scenario.live if failure.code not in codes]:
        raise ScenarioError(f"{path}: the server has no close code {unknown[0]}; see docs/protocol.md")
    return scenario


Failure = TypeVar("Failure", HttpFailure, LiveFailure)


class HttpPlan:
    """Which failure a request meets."""

    def __init__(self, failures: Sequence[HttpFailure]) -> None:
        self._failures = failures
        self._asked: Counter[str] = Counter()

    def next(self, operation: str) -> HttpFailure | None:
        """Of the next request of `operation`: the first failure that is meant for it."""
        self._asked[operation] += 1
        self._asked["*"] += 1
        for failure in self._failures:
            if failure.operation in (operation, "*"):
                number = self._asked[failure.operation]
                if not failure.requests or number in failure.requests:
                    return failure
        return None


class LivePlan:
    """Which failure a socket or a message meets."""

    def __init__(self, failures: Sequence[LiveFailure]) -> None:
        self._failures = failures
        self._connections = 0

    def connect(self) -> tuple[int, LiveFailure | None]:
        """The number of the next socket, and what meets it on entering."""
        self._connections += 1
        return self._connections, self.of(self._connections, 0)

    def of(self, connection: int, message: int) -> LiveFailure | None:
        """What meets message `message` of socket `connection`."""
        for failure in self._failures:
            if (failure.connection, failure.message) == (connection, message):
                return failure
        return None


class Script:
    """What the partner still has to do."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self._steps = sorted(steps, key=lambda step: step.after)  # stable: as written, where they are due together
        self._messages = 0

    def entered(self) -> list[Step]:
        """Somebody is there."""
        return self._due()

    def heard(self) -> list[Step]:
        """Somebody said something in JSON."""
        self._messages += 1
        return self._due()

    def _due(self) -> list[Step]:
        due = [step for step in self._steps if step.after <= self._messages]
        self._steps = self._steps[len(due) :]
        return due
