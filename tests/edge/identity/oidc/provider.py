"""The real `oidc-provider` (npm) as a child process, and somebody who signs in there with a browser's manners."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
import secrets
import ssl
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import aiohttp
import msgspec
from yarl import URL

from tests.node import NodeProcess

REDIRECT = "https://app.example/callback"
ANSWER_SECONDS = 20.0
"""From a command, or the start, to the answer: four key pairs are made, on a machine that may be busy."""
STEPS_MOST = 12
"""Redirects and pages from the request to the code; the provider needs nine."""
_FORM = re.compile(r'action="([^"]+)"')
_HIDDEN = re.compile(r'type="hidden" name="([^"]+)" value="([^"]+)"')


class OidcProvider:
    """A context manager. `issuer` is its URL, `kids` its current key ids by algorithm.

    Its public clients (PKCE, no secret) are `dojo-RS256`, `dojo-PS256`, `dojo-ES256`, `dojo-EdDSA`, whose ID tokens are
    signed so, and `another-app`."""

    def __init__(self, certificate: Path, key: Path, tls: ssl.SSLContext) -> None:
        self.issuer = ""
        self.kids: dict[str, str] = {}
        self._tls = tls
        self._node = NodeProcess("oidc-provider.mjs", str(certificate), str(key))

    async def __aenter__(self) -> Self:
        await self._node.start()
        await self._read()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._node.end()

    async def rotate(self) -> None:
        """New keys; the old ones are no longer published."""
        self._node.stdin.write(b'{"do": "rotate"}\n')
        await self._read()

    async def sign_in(
        self, person: str, client_id: str = "dojo-RS256", nonce: str | None = None, verifier: str | None = None
    ) -> dict[str, Any]:
        """The token response of an authorization code flow with PKCE (RFC 7636). `verifier` replaces the one the code
        was asked for with; then the answer is the provider's error."""
        asked_with = secrets.token_urlsafe(48)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(asked_with.encode()).digest()).rstrip(b"=").decode()
        parameters = {
            "client_id": client_id,
            "response_type": "code",
            "scope": "openid email profile",
            "redirect_uri": REDIRECT,
            "state": "state-1",
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        if nonce is not None:
            parameters["nonce"] = nonce
        connector = aiohttp.TCPConnector(ssl=self._tls, force_close=True)
        async with aiohttp.ClientSession(connector=connector) as browser:
            code = await self._code(browser, URL(f"{self.issuer}/auth").with_query(parameters), person)
            form = {
                "grant_type": "authorization_code",
                "client_id": client_id,
                "redirect_uri": REDIRECT,
                "code": code,
                "code_verifier": verifier or asked_with,
            }
            async with browser.post(f"{self.issuer}/token", data=form) as response:
                return msgspec.json.decode(await response.read(), type=dict[str, Any])

    async def _code(self, browser: aiohttp.ClientSession, address: URL, person: str) -> str:
        """Signs in and consents on the provider's own pages, up to the redirect back to the app."""
        form: dict[str, str] | None = None
        for _ in range(STEPS_MOST):
            method = "GET" if form is None else "POST"
            async with browser.request(method, address, data=form, allow_redirects=False) as response:
                form = None
                if response.status in (302, 303):
                    target = response.headers["Location"]
                    if target.startswith(REDIRECT):
                        answer = parse_qs(urlsplit(target).query)
                        assert answer["state"] == ["state-1"]
                        return answer["code"][0]
                    address = response.url.join(URL(target))
                    continue
                page = await response.text()
                assert response.status == 200, page
            action = _FORM.search(page)
            assert action is not None, page
            address = address.join(URL(action[1]))
            form = dict(_HIDDEN.findall(page))
            if form["prompt"] == "login":
                form |= {"login": person, "password": "anything"}
        raise AssertionError(f"no code after {STEPS_MOST} steps, but {address.path}")

    async def _read(self) -> None:
        line = await asyncio.wait_for(self._node.stdout.readline(), ANSWER_SECONDS)
        assert line, self._node.stderr()
        answer = msgspec.json.decode(line, type=dict[str, Any])
        self.issuer, self.kids = answer["issuer"], answer["kids"]
