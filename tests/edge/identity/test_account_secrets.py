"""What must not be seen is not seen: in logs, in the reprs of values, in problems."""

from __future__ import annotations

import logging
from uuid import uuid4

import pytest

from edge.identity.grant import Grant, SocketTicket
from edge.identity.login import Credentials
from edge.identity.memberships import Member
from edge.identity.password_change import PasswordExchange
from edge.identity.password_reset import NewPassword
from edge.identity.session_routes import RefreshRequest
from edge.identity.sessions import Kind, Opened
from edge.identity.sign_up import NewUser
from kernel.http.operation import Role
from tests.edge.identity.accounts_api import ORIGIN, PASSWORD, AccountsApi

NEW = "a wholly different sentence"


async def test_no_log_line_holds_a_secret(api: AccountsApi, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    await api.sign_up("ana@example.com")
    verification = await api.mailed_token()
    await api.post("/api/v1/auth/email/verify", {"token": verification})
    await api.login("ana@example.com", "some wrong password")
    granted = await api.signed_in("ana@example.com")
    token = granted["accessToken"]
    refreshed = (await api.refresh(granted["refreshToken"])).body
    browser = await api.login("ana@example.com", more={"client": "browser"}, headers={"Origin": ORIGIN})
    cookie = browser.cookies["dojo_refresh"].value
    await api.post("/api/v1/auth/refresh", headers={"Origin": ORIGIN, "Cookie": f"dojo_refresh={cookie}"})
    ticket = (await api.post("/api/v1/auth/tickets", None, token=token)).body["ticket"]
    change = {"currentPassword": PASSWORD, "newPassword": NEW}
    assert (await api.post("/api/v1/auth/password", change, token=token)).status == 204
    await api.post("/api/v1/auth/password/reset", {"email": "ana@example.com"})
    reset = await api.mailed_token()
    assert (
        await api.post("/api/v1/auth/password/reset/confirm", {"token": reset, "newPassword": PASSWORD})
    ).status == 204
    seen = "\n".join([caplog.text, *(str(vars(record)) for record in caplog.records)])
    assert "POST /api/v1/auth/login" in seen
    secrets = [PASSWORD, NEW, "some wrong password", verification, reset, ticket, token, cookie]
    secrets += [granted["refreshToken"], refreshed["refreshToken"], refreshed["accessToken"]]
    for secret in secrets:
        assert secret not in seen
    assert "ana@example.com" not in seen


def test_no_repr_shows_a_secret() -> None:
    user, tenant = uuid4(), uuid4()
    member = Member(tenant, user, Role.MEMBER, "Ana", 1)
    for value in (
        NewUser(email="a@b", password="SECRET", full_name="Ana", invitation_token="SECRET"),
        Credentials(email="a@b", password="SECRET"),
        RefreshRequest(refresh_token="SECRET"),
        NewPassword(token="SECRET", new_password="SECRET"),
        PasswordExchange(current_password="SECRET", new_password="SECRET"),
        SocketTicket(ticket="SECRET", expires_in=30),
        Grant(
            access_token="SECRET",
            expires_in=600,
            token_type="Bearer",
            user_id=user,
            tenant_id=tenant,
            refresh_token="SECRET",
        ),
        Opened(member, user, Kind.NATIVE, "SECRET", 1),
    ):
        assert "SECRET" not in repr(value)
        assert "SECRET" not in f"{value}"
