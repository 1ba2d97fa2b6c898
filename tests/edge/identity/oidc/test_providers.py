"""How often an issuer is asked, and what happens while it does not answer. Time is moved by hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from edge.identity.oidc.address import Reach
from edge.identity.oidc.fetch import Fetcher
from edge.identity.oidc.providers import (
    BACK_OFF_MOST_SECONDS,
    FRESH_SECONDS,
    ISSUERS_MOST,
    STALE_SECONDS,
    UNKNOWN_KEY_SECONDS,
    Providers,
)
from edge.identity.oidc.refusals import Fault, IssuerUnavailable, Refusal, TokenRefused
from edge.identity.oidc.resolve import SystemResolver
from tests.edge.identity.oidc.authority import Authority
from tests.edge.identity.oidc.conftest import LOOPBACK
from tests.edge.identity.oidc.issuer import Clock, LocalIssuer

DISCOVERY = "/.well-known/openid-configuration"


@pytest.fixture
async def providers(authority: Authority, clock: Clock) -> AsyncIterator[Providers]:
    """Operators' issuers may live on loopback, tenants' may not."""
    resolver = SystemResolver()
    fetcher = Fetcher(resolver, authority.ca_file)
    providers = Providers(fetcher, operators=Reach(LOOPBACK), tenants=Reach(), clock=clock)
    yield providers
    await providers.close()
    resolver.close()


async def get(providers: Providers, issuer: LocalIssuer, kid: str = "key-1") -> None:
    await providers.key(issuer.url, kid, "RS256", operator=True)


async def unknown(providers: Providers, issuer: LocalIssuer, kid: str) -> None:
    with pytest.raises(TokenRefused, match=Refusal.UNKNOWN_KEY):
        await get(providers, issuer, kid)


async def unavailable(providers: Providers, issuer: LocalIssuer, reason: Fault) -> None:
    with pytest.raises(IssuerUnavailable) as caught:
        await get(providers, issuer)
    assert caught.value.reason is reason


async def broken(_: web.BaseRequest) -> web.Response:
    return web.Response(status=500)


async def test_keys_are_asked_for_once_however_many_wait(providers: Providers, issuer: LocalIssuer) -> None:
    await asyncio.gather(*(get(providers, issuer) for _ in range(50)))
    await get(providers, issuer)
    assert issuer.requests == {DISCOVERY: 1, "/jwks": 1}


async def test_one_who_goes_away_does_not_take_the_others_answer_along(
    providers: Providers, issuer: LocalIssuer
) -> None:
    asked, released = asyncio.Event(), asyncio.Event()

    async def slow(_: web.BaseRequest) -> web.Response:
        asked.set()
        await released.wait()
        return web.json_response(issuer.jwks)

    issuer.handlers["/jwks"] = slow
    first = asyncio.create_task(get(providers, issuer))
    await asyncio.wait_for(asked.wait(), 5.0)
    second = asyncio.create_task(get(providers, issuer))
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    released.set()
    await second
    assert issuer.requests["/jwks"] == 1


async def test_keys_are_renewed_after_an_hour(providers: Providers, issuer: LocalIssuer, clock: Clock) -> None:
    await get(providers, issuer)
    issuer.rotate("key-2")
    clock.now += FRESH_SECONDS - 1
    await get(providers, issuer, "key-1")
    clock.now += 1
    await get(providers, issuer, "key-2")
    await unknown(providers, issuer, "key-1")
    assert issuer.requests["/jwks"] == 2


async def test_an_unknown_key_is_asked_for_at_most_once_a_minute(
    providers: Providers, issuer: LocalIssuer, clock: Clock
) -> None:
    await get(providers, issuer)
    issuer.rotate("key-2")
    await unknown(providers, issuer, "key-2")
    clock.now += UNKNOWN_KEY_SECONDS - 1
    await unknown(providers, issuer, "key-2")
    assert issuer.requests["/jwks"] == 1
    clock.now += 1
    await asyncio.gather(*(get(providers, issuer, "key-2") for _ in range(20)))
    assert issuer.requests["/jwks"] == 2
    for number in range(20):
        await unknown(providers, issuer, f"invented-{number}")
    assert issuer.requests["/jwks"] == 2


async def test_a_known_key_for_another_algorithm_is_not_asked_for_again(
    providers: Providers, issuer: LocalIssuer, clock: Clock
) -> None:
    await get(providers, issuer)
    clock.now += UNKNOWN_KEY_SECONDS
    with pytest.raises(TokenRefused, match=Refusal.UNKNOWN_KEY):
        await providers.key(issuer.url, "key-1", "PS256", operator=True)
    assert issuer.requests["/jwks"] == 1


async def test_a_failing_issuer_is_asked_less_and_less_often(
    providers: Providers, issuer: LocalIssuer, clock: Clock
) -> None:
    issuer.handlers[DISCOVERY] = broken
    pauses: list[float] = []
    for _ in range(8):
        before = issuer.requests[DISCOVERY]
        began = clock.now
        await unavailable(providers, issuer, Fault.STATUS)
        assert issuer.requests[DISCOVERY] == before + 1
        while issuer.requests[DISCOVERY] == before + 1:
            clock.now += 0.25
            if clock.now - began > BACK_OFF_MOST_SECONDS:
                break
            await unavailable(providers, issuer, Fault.STATUS)
        pauses.append(clock.now - began)
        clock.now += BACK_OFF_MOST_SECONDS
    assert 1.5 <= pauses[0] <= 2.25
    assert pauses[-1] >= 0.75 * BACK_OFF_MOST_SECONDS
    del issuer.handlers[DISCOVERY]
    clock.now += BACK_OFF_MOST_SECONDS
    await get(providers, issuer)


async def test_known_keys_live_on_for_a_day_while_the_issuer_is_down(
    providers: Providers, issuer: LocalIssuer, clock: Clock
) -> None:
    await get(providers, issuer)
    issuer.handlers["/jwks"] = broken
    clock.now += STALE_SECONDS - 1
    await get(providers, issuer)
    clock.now += 1
    await unavailable(providers, issuer, Fault.STATUS)
    assert issuer.requests["/jwks"] == 2


async def test_an_issuer_that_speaks_for_another_is_not_taken(providers: Providers, issuer: LocalIssuer) -> None:
    issuer.discovery = {**issuer.discovery, "issuer": issuer.url + "/"}
    await unavailable(providers, issuer, Fault.OTHER_ISSUER)
    assert issuer.requests["/jwks"] == 0


async def test_the_keys_url_is_checked_like_the_issuers(
    providers: Providers, issuer: LocalIssuer, clock: Clock
) -> None:
    for url, reason in (
        (issuer.url.replace("https", "http") + "/jwks", Fault.BAD_URL),
        ("https://169.254.169.254/latest/meta-data", Fault.ADDRESS),
        ("https://10.0.0.1/jwks", Fault.ADDRESS),
        ("https://localhost.invalid/jwks", Fault.UNKNOWN_HOST),
    ):
        issuer.discovery = {**issuer.discovery, "jwks_uri": url}
        await unavailable(providers, issuer, reason)
        clock.now += 2 * BACK_OFF_MOST_SECONDS


async def test_a_tenants_issuer_may_not_live_where_the_operators_may(providers: Providers, issuer: LocalIssuer) -> None:
    await get(providers, issuer)
    with pytest.raises(IssuerUnavailable) as caught:
        await providers.key(issuer.url, "key-1", "RS256", operator=False)
    assert caught.value.reason is Fault.ADDRESS
    with pytest.raises(IssuerUnavailable):
        await providers.check(issuer.url, operator=False)
    await providers.check(issuer.url, operator=True)


async def test_the_memory_is_bounded(providers: Providers, issuer: LocalIssuer) -> None:
    """The one unused for longest is forgotten."""

    async def others(first: int, count: int) -> None:
        for number in range(first, first + count):
            with pytest.raises(IssuerUnavailable):
                await providers.check(f"https://10.0.{number // 256}.{number % 256}", operator=False)

    await get(providers, issuer)
    await others(0, ISSUERS_MOST - 1)
    await get(providers, issuer)
    assert issuer.requests["/jwks"] == 1
    await others(ISSUERS_MOST, ISSUERS_MOST)
    await get(providers, issuer)
    assert issuer.requests["/jwks"] == 2


async def test_closing_ends_what_is_under_way(authority: Authority, issuer: LocalIssuer, clock: Clock) -> None:
    asked, released = asyncio.Event(), asyncio.Event()

    async def hangs(_: web.BaseRequest) -> web.Response:
        asked.set()
        await released.wait()
        return web.Response()

    issuer.handlers[DISCOVERY] = hangs
    resolver = SystemResolver()
    fetcher = Fetcher(resolver, authority.ca_file)
    providers = Providers(fetcher, operators=Reach(LOOPBACK), tenants=Reach(), clock=clock)
    waiting = asyncio.create_task(get(providers, issuer))
    await asyncio.wait_for(asked.wait(), 5.0)
    await asyncio.wait_for(providers.close(), 2.0)
    assert isinstance((await asyncio.gather(waiting, return_exceptions=True))[0], BaseException)
    assert not [task for task in asyncio.all_tasks() if task.get_name() == "oidc-keys"]
    released.set()
    resolver.close()
