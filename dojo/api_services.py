"""What the API process is made of: identity's services, wired to a database pool, Redis and keys."""

from __future__ import annotations

import time
from typing import Any, Final
from uuid import UUID

import msgspec
from redis.asyncio import Redis

from collab_core.nodes import Nodes
from dojo.guest_tickets import GuestTickets, is_loopback
from dojo.settings import Settings
from dojo.voice_edge import voice_edge
from edge.dojos.bell import Bell
from edge.dojos.dojos import Dojos
from edge.dojos.forgetting import forget_person
from edge.dojos.live_addresses import LiveAddresses
from edge.dojos.telling import tell_person
from edge.identity.accounts import Accounts, AccountSettings
from edge.identity.administration import Administration
from edge.identity.issuers import Issuers
from edge.identity.oidc.outside import OutsideTokens
from edge.identity.oidc.registration import OperatorIssuers
from edge.identity.oidc_exchange import OidcExchange
from edge.identity.passwords import PasswordHashing
from edge.identity.readmission import Readmission
from edge.voice.routes import VoiceRoutes
from edge.voice.voice import Voice
from kernel.buckets import Buckets
from kernel.http.authentication import TokenAuthenticator
from kernel.http.operation import ANYBODY, Operation, PublicCall
from kernel.http.router import Guard, Router
from kernel.secrets import MasterKeys
from kernel.tokens import SigningKey
from kernel.tokens.authority import Authority
from kernel.tokens.keyring import KeyRing

CONNECTIONS: Final = 12
"""Of the pool: requests at once, and two for exports."""
STATEMENT_SECONDS: Final = 5.0


class Config(msgspec.Struct, frozen=True, rename="camel"):
    """What a client has to know before anybody is signed in."""

    live_url: str
    """Where the sockets are, without a path."""
    guests: bool
    """Whether rooms can be entered without an account: on one's own machine."""


class Destination(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """Where a client wants to go."""

    dojo_id: UUID | None = None


class ApiServices:
    """`start` it, bind `operations` with `router`, `close` it at the end. Pool and Redis stay the caller's to close."""

    def __init__(
        self, settings: Settings, *, pool: Any, redis: Redis | None, master: MasterKeys, room_key: SigningKey
    ) -> None:
        """`pool` has connections of the services' role. `room_key` signs room tickets, where there are any."""
        self._settings = settings
        self._pool = pool
        self.nodes = Nodes(redis)
        self._addresses = LiveAddresses(self.nodes, settings.live_url)
        self.authority = Authority(pool, redis)
        self.keys = KeyRing(master)
        self._hashing = PasswordHashing()
        buckets = Buckets(redis)
        self._accounts = Accounts(
            pool,
            buckets=buckets,
            hashing=self._hashing,
            master=master,
            keys=self.keys,
            authority=self.authority,
            settings=AccountSettings(
                require_verified_email=settings.require_verified_email, attempts=settings.identity.attempts
            ),
            base_url=settings.public_url,
        )
        self._administration = Administration(
            pool,
            buckets=buckets,
            hashing=self._hashing,
            attempts=self._accounts.attempts,
            master=master,
            ring=self.authority.ring,
            base_url=settings.public_url,
            forget=(forget_person,),
            tell={"dojos": tell_person},
        )
        self.voice = Voice(pool, redis, voice_edge(settings.voice))
        self._dojos = Dojos(
            pool,
            redis,
            buckets=buckets,
            master=master,
            keys=self.keys,
            authority=self.authority,
            base_url=settings.public_url,
            addresses=self._addresses,
            ice=self.voice.ice,
            changed=self.voice.changed,
        )
        self._voice_routes = VoiceRoutes(self.voice, Bell(redis, own=self.voice.changed))
        self._outside = OutsideTokens(settings.oidc, time.time)
        operators = OperatorIssuers(settings.oidc.issuers)
        exchange = OidcExchange(
            pool,
            self._outside,
            operators,
            self._accounts.granting,
            self.authority,
            buckets=buckets,
            later=self._accounts.later,
        )
        issuers = Issuers(self._outside, operators, buckets, self.authority.ring)
        self._outside_people = (exchange, issuers, Readmission())
        self._guests = (
            GuestTickets(
                room_key,
                addresses=self._addresses,
                seconds=settings.ticket_hours * 3600,
                allowed_origins=settings.origins,
            )
            if settings.guests and is_loopback(settings.http.host)
            else None
        )
        self.router = Router(
            pool,
            Guard(
                TokenAuthenticator(self.authority),
                buckets,
                settings.http_limits,
                frozenset(origin.rstrip("/").lower() for origin in settings.origins),
                settings.http.trusted_proxies,
            ),
            master,
        )

    def operations(self) -> list[Operation]:
        """Everything the API can be asked."""
        config = Operation("GET", "/api/v1/config", self.get_config, access=ANYBODY, tag="service")
        guests = self._guests.operations() if self._guests is not None else []
        outside = [operation for routes in self._outside_people for operation in routes.operations()]
        identity = [*self._accounts.operations(), *outside, *self._administration.operations()]
        return [config, *guests, *identity, *self._dojos.operations(), *self._voice_routes.operations()]

    async def get_config(self, call: PublicCall[None, Destination]) -> Config:
        """What a client has to know before anybody is signed in.

        With a dojo, `liveUrl` is the node that its rooms prefer. Any node serves any room, so it is advice: ask again
        before each connect, because nodes come and go, and another address is told then.
        """
        dojo = call.query.dojo_id
        url = self._addresses.anywhere() if dojo is None else self._addresses.of_dojo(dojo)
        return Config(url, self._guests is not None)

    @property
    def ready(self) -> bool:
        """Whether requests can be answered: tokens can be checked."""
        return self.authority.fresh

    async def start(self) -> None:
        """Make a signing key if there is none, and keep up with keys and revocations. Raises what asyncpg raises,
        `NoSigningKey`, `AuthorityAway`."""
        await self.keys.start(self._pool)
        await self.authority.start()
        self.nodes.start()
        self._hashing.start()
        self._accounts.start()
        self.voice.start()

    async def close(self) -> None:
        """Finish what is under way."""
        await self._accounts.close()
        await self.voice.close()
        await self._outside.close()
        await self.nodes.close()
        await self.authority.close()
        await self.keys.close()
        await self._hashing.close()
