"""People with accounts: made over the API, with the links of the mails that an embedded Dojo prints, or on the page."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import aiohttp
from playwright.async_api import Page

from tests.running import RunningDojo

MAIL_SECONDS = 20.0
"""From a request to the printed mail: the worker looks every few seconds, and the machine may be busy."""
_POLL_SECONDS = 0.05
_MAIL = re.compile(r"----- Dojo would send this mail -----\n(.*?)----- end of the mail -----", re.DOTALL)


@dataclass(frozen=True)
class Person:
    """Somebody who may sign up."""

    name: str
    company: str
    email: str
    password: str = "a horse, a staple, a battery"

    @classmethod
    def new(cls, name: str, company: str = "Acme") -> Person:
        return cls(name, company, f"{name.split(maxsplit=1)[0].lower()}-{uuid4().hex[:12]}@example.com")


class Accounts:
    """What people do outside the page under test."""

    def __init__(self, dojo: RunningDojo) -> None:
        self._dojo = dojo

    async def sign_up(self, person: Person) -> None:
        """An account with a confirmed address, in a company of its own."""
        body = {
            "email": person.email,
            "password": person.password,
            "fullName": person.name,
            "companyName": person.company,
        }
        await self.call("POST", "/users", body)
        await self.call("POST", "/auth/email/verify", {"token": await self.link_token(person.email, "verify")})

    async def invite(self, admin: Person, guest: Person, role: str = "member") -> str:
        """The token of an invitation to the admin's company."""
        await self.call("POST", "/invitations", {"email": guest.email, "role": role}, await self.login(admin))
        return await self.link_token(guest.email, "invite")

    async def join(self, admin: Person, newcomer: Person, role: str = "member") -> None:
        """An account in the admin's company, besides others it may have."""
        body = {
            "email": newcomer.email,
            "password": newcomer.password,
            "fullName": newcomer.name,
            "companyName": newcomer.company,
            "invitationToken": await self.invite(admin, newcomer, role),
        }
        await self.call("POST", "/users", body)

    async def login(self, person: Person) -> str:
        """An access token, as a native app gets it."""
        answer = await self.call("POST", "/auth/login", {"email": person.email, "password": person.password})
        return str(answer["accessToken"])

    async def call(self, method: str, path: str, body: object = None, token: str | None = None) -> Any:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, f"{self._dojo.http}/api/v1{path}", json=body, headers=headers) as response,
        ):
            text = await response.text()
            assert response.status < 300, f"{method} {path} answered {response.status}: {text}"
            return await response.json() if text else None

    async def link(self, email: str, purpose: str, after: int = 0) -> str:
        """The address in the newest mail of this purpose (`verify`, `reset`, `invite`), of at least `after` + 1."""
        links: list[str] = []

        async def printed() -> bool:
            links[:] = self.links(email, purpose)
            return len(links) > after

        await wait_until(f"a mail to {email} to {purpose}", printed, MAIL_SECONDS)
        return links[-1]

    async def link_token(self, email: str, purpose: str) -> str:
        return (await self.link(email, purpose)).rpartition("=")[2]

    def links(self, email: str, purpose: str) -> list[str]:
        """The addresses in all mails to `email` so far, one of each mail."""
        log = (self._dojo.data_dir.parent / f"{self._dojo.data_dir.name}.log").read_text("utf-8", "replace")
        mails = [mail for mail in _MAIL.findall(log) if f"| To: {email}\n" in mail]
        found = [re.search(rf"\S+#{purpose}=\S+", mail) for mail in mails]
        return [match.group() for match in found if match is not None]


async def fill_sign_in(page: Page, email: str, password: str) -> None:
    await page.fill("#sign-in-email", email)
    await page.fill("#sign-in-password", password)
    await page.click("#sign-in-form .primary")


async def fill_sign_up(page: Page, person: Person) -> None:
    """All but the company."""
    await page.get_by_label("Full name").fill(person.name)
    await page.fill("#sign-up-email", person.email)
    await page.fill("#sign-up-password", person.password)
    await page.get_by_role("button", name="Create account").click()


async def wait_until(what: str, condition: Callable[[], Awaitable[bool]], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not await condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        await asyncio.sleep(_POLL_SECONDS)
