"""A small issuer over https whose every answer a test can choose, and tokens signed with keys of its own."""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Literal

from aiohttp import web
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from tests.edge.identity.oidc.authority import Authority

AnyKey = RSAKey | ECKey | OKPKey | OctKey
Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
CLIENT = "dojo-app"


class Clock:
    """Unix seconds, moved by hand."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def new_key(algorithm: str) -> RSAKey | ECKey | OKPKey:
    if algorithm == "EdDSA":
        return OKPKey.generate_key("Ed25519")
    if algorithm.startswith("ES"):
        return ECKey.generate_key({"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}[algorithm])
    return RSAKey.generate_key(2048)


def jwk(key: RSAKey | ECKey | OKPKey, kid: str, **members: Any) -> dict[str, Any]:
    """The public half as an issuer publishes it."""
    return {**key.as_dict(private=False), "kid": kid, "use": "sig", **members}


def encoded(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()


def signed(header: dict[str, Any] | bytes, claims: dict[str, Any] | bytes, key: AnyKey, algorithm: str) -> str:
    """A compact JWS of whatever header and claims, signed as `algorithm` says, whatever the header says."""
    parts = [part if isinstance(part, bytes) else json.dumps(part).encode() for part in (header, claims)]
    text = ".".join(encoded(part) for part in parts)
    return f"{text}.{encoded(JWSRegistry.algorithms[algorithm].sign(text.encode(), key))}"


class LocalIssuer:
    """`requests` counts by path; `discovery` and `jwks` are what it answers, `handlers` come before both."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.requests: Counter[str] = Counter()
        self.kid = "key-1"
        self.key: RSAKey | ECKey | OKPKey = new_key("RS256")
        self.algorithm = "RS256"
        self.discovery: dict[str, Any] = {"issuer": url, "jwks_uri": f"{url}/jwks"}
        self.jwks: dict[str, Any] = {"keys": [jwk(self.key, self.kid, alg="RS256")]}
        self.handlers: dict[str, Handler] = {}

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        self.requests[request.path] += 1
        handler = self.handlers.get(request.path)
        if handler is not None:
            return await handler(request)
        if request.path.endswith("/.well-known/openid-configuration"):
            return web.json_response(self.discovery)
        return web.json_response(self.jwks)

    def rotate(self, kid: str) -> None:
        self.kid = kid
        self.key = new_key(self.algorithm)
        self.jwks = {"keys": [jwk(self.key, kid, alg=self.algorithm)]}

    def claims(self, now: float, **changes: Any) -> dict[str, Any]:
        """An ID token's; a change to None leaves the claim out."""
        claims = {"iss": self.url, "sub": "ana", "aud": CLIENT, "iat": int(now), "exp": int(now) + 300, **changes}
        return {name: value for name, value in claims.items() if value is not None}

    def token(self, now: float, **changes: Any) -> str:
        return self.sign(self.claims(now, **changes))

    def sign(self, claims: dict[str, Any] | bytes, **header: Any) -> str:
        return signed({"alg": self.algorithm, "kid": self.kid, **header}, claims, self.key, self.algorithm)


@asynccontextmanager
async def serving(
    authority: Authority,
    *names: str,
    host: str = "127.0.0.1",
    port: int = 0,
    scheme: Literal["https", "http"] = "https",
) -> AsyncIterator[LocalIssuer]:
    """An issuer that listens on `host` with a certificate for `names`; its URL has the first of them."""
    issuers: list[LocalIssuer] = []

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        return await issuers[0].answer(request)

    runner = web.ServerRunner(web.Server(handle), shutdown_timeout=0.0)
    await runner.setup()
    context = authority.server_context(*names) if scheme == "https" else None
    site = web.TCPSite(runner, host, port, ssl_context=context)
    await site.start()
    issuers.append(LocalIssuer(f"{scheme}://{names[0]}:{runner.addresses[0][1]}"))
    yield issuers[0]
    await runner.cleanup()
