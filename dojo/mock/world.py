"""Who and what there is in a mock: fixed ids, one company, one dojo with one room, and whoever signs in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from dojo.mock.examples import MOMENT, Known, named_id
from edge.dojos import join_codes

TENANT: Final = named_id("tenant")
DOJO: Final = named_id("dojo")
DOJO_NAME: Final = "FizzBuzz"
ROOM: Final = named_id("room")
PARTNER: Final = named_id("partner")
JOIN_CODE: Final = "M0CKD-0J000"
WRONG_PASSWORD: Final = "wrong"  # noqa: S105 - the one that is refused
EXPIRES_IN: Final = 600


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody signed in. The same e-mail address is the same person again."""

    user: UUID
    name: str
    guest: bool = False

    @classmethod
    def of(cls, email: str) -> Person:
        """`ada@example.com` is shown as `Ada`."""
        return cls(named_id(email.lower()), email.partition("@")[0].replace(".", " ").title())


class Tokens:
    """Access tokens, tickets and guests' tokens: names with a number behind. Nothing about them is secret."""

    def __init__(self, requests: int | None) -> None:
        """`requests`: so many an access token is good for; None for any number."""
        self._requests = requests
        self._people: dict[str, Person] = {}
        self._used: dict[str, int] = {}

    def issue(self, person: Person, kind: str = "access") -> str:
        """A new token of `person`."""
        token = f"mock-{kind}-{len(self._people) + 1}"
        self._people[token] = person
        return token

    def request(self, token: str) -> Person | None:
        """Who asks, once more; None if the token is unknown or used up."""
        person = self._people.get(token)
        used = self._used[token] = self._used.get(token, 0) + 1
        return None if self._requests is not None and used > self._requests else person

    def owner(self, token: str) -> Person | None:
        """Whose it is, without using it up."""
        return self._people.get(token)

    def take(self, token: str) -> Person | None:
        """Whose it is; it is gone now."""
        return self._people.pop(token, None)


def fixed(partner: str, language: str, code: str, live_url: str) -> dict[str, list[Any]]:
    """The world as answers show it: values by the name of the field they are for."""
    return {
        "tenantId": [TENANT],
        "dojoId": [DOJO],
        "roomId": [ROOM],
        "creatorId": [PARTNER],
        "creatorName": [partner],
        "userName": [partner],
        "fullName": [partner],
        "companyName": ["Mock Company"],
        "name": [DOJO_NAME],
        "description": ["A dojo that is always there."],
        "language": [language],
        "initialCode": [code],
        "joinCode": [JOIN_CODE],
        "status": ["ACTIVE", "ADMITTED", "PENDING"],
        "isPrivate": [False],
        "isMain": [True],
        "role": ["host", "HOST", "PARTICIPANT"],
        "participantCount": [2],
        "version": [1],
        "page": [1],
        "pageSize": [20],
        "totalItems": [1],
        "totalPages": [1],
        "expiresIn": [EXPIRES_IN],
        "liveUrl": [live_url],
        "scheduledStartTime": [MOMENT],
        "startedAt": [MOMENT],
        "rooms": [[ROOM]],
        "waiting": [False],
    }


def known_to(world: Known, *nearer: Mapping[str, Any]) -> dict[str, list[Any]]:
    """`world`, with what a request says of itself before it: the first of `nearer` is the nearest."""
    known = {name: list(values) for name, values in world.items()}
    for values in reversed(nearer):
        for name, value in values.items():
            known.setdefault(name, []).insert(0, value)
    return known


def lets_in(code: str) -> bool:
    """Whether it is the dojo's join code, however it was typed."""
    return join_codes.normal(code) == join_codes.normal(JOIN_CODE)
