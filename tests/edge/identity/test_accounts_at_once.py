"""Everything about one person at the same moment: each request is answered, none with an error of ours, and what ended
stays ended."""

from __future__ import annotations

import asyncio

from redis.asyncio import Redis

from edge.identity.accounts import AccountSettings
from edge.identity.attempt_limits import AttemptLimits
from tests.conftest import Database
from tests.edge.identity.accounts_api import PASSWORD, serving_accounts

LIMITS = AttemptLimits(
    logins_per_network_per_minute=1e6,
    logins_per_account_and_network=1e6,
    mails_per_address_per_hour=1e6,
    mails_per_network_per_hour=1e6,
)


async def test_logins_refreshes_changes_resets_and_logouts_together(database: Database, redis: Redis) -> None:
    async with serving_accounts(database, redis, AccountSettings(attempts=LIMITS)) as api:
        ana = await api.sign_up("ana@example.com")
        tenants = [str(ana.tenant), str(await api.member(ana)), str(await api.member(ana))]
        for _ in range(4):
            sessions = [await api.signed_in("ana@example.com", tenantId=tenant) for tenant in tenants * 2]
            await api.post("/api/v1/auth/password/reset", {"email": "ana@example.com"})
            reset = await api.mailed_token()
            change = {"currentPassword": PASSWORD, "newPassword": PASSWORD}
            answers = await asyncio.gather(
                *(api.login("ana@example.com", more={"tenantId": tenant}) for tenant in tenants),
                *(api.refresh(session["refreshToken"]) for session in sessions),
                api.post("/api/v1/auth/password", change, token=sessions[0]["accessToken"]),
                api.post("/api/v1/auth/logout", {"everywhere": True}, token=sessions[1]["accessToken"]),
                api.post("/api/v1/auth/logout", {"everywhere": True}, token=sessions[2]["accessToken"]),
                api.post("/api/v1/auth/password/reset/confirm", {"token": reset, "newPassword": PASSWORD}),
            )
            assert {answer.status for answer in answers} <= {200, 204, 401}
            for session in sessions:
                assert (await api.refresh(session["refreshToken"])).status == 401
                await api.refused(session["accessToken"])
