"""One small JSON document from a server somebody else chose, without becoming their tool.

https only, no redirects, no proxy of the environment, no cookies, no compression. The name is resolved once, every
address it has must be allowed, and the connection goes to one of exactly those addresses, with the certificate checked
for the name: an answer that changes between check and connection (DNS rebinding) has no second question to answer.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from edge.identity.oidc.address import Reach
from edge.identity.oidc.refusals import Fault, IssuerUnavailable
from edge.identity.oidc.resolve import Resolve
from edge.identity.oidc.url import HttpsUrl

DOCUMENT_BYTES: Final = 64 * 1024
EXCHANGE_SECONDS: Final = 3.0
"""From waiting for a place to the document's last byte."""
AT_ONCE: Final = 16
"""Exchanges under way."""
ASKED_MOST: Final = 64
"""Exchanges under way and waiting for a place. More are refused at once."""
ADDRESSES_TRIED: Final = 4
"""Of however many a name has."""
_HEADERS: Final = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "dojo"}


class Fetcher:
    """Asks issuers. Used on one event loop; holds nothing between exchanges."""

    def __init__(self, resolve: Resolve, ca_file: Path | None = None) -> None:
        """`ca_file` (PEM) is trusted besides the system's authorities. Raises `ValueError` if it cannot be read."""
        self._resolve = resolve
        self._tls = ssl.create_default_context()
        if ca_file is not None:
            try:
                self._tls.load_verify_locations(ca_file)
            except OSError as error:
                raise ValueError(f"cannot read certificate authorities from {ca_file}: {error.strerror}") from error
        self._places = asyncio.Semaphore(AT_ONCE)
        self._asked = 0

    async def get(self, url: HttpsUrl, reach: Reach) -> bytes:
        """The document at `url`, at most `DOCUMENT_BYTES`, within `EXCHANGE_SECONDS`, from an address in `reach`.
        Raises `IssuerUnavailable`."""
        if self._asked >= ASKED_MOST:
            raise IssuerUnavailable(Fault.BUSY)
        self._asked += 1
        try:
            async with asyncio.timeout(EXCHANGE_SECONDS), self._places:
                return await self._exchange(url, await self._addresses(url, reach))
        except TimeoutError:
            raise IssuerUnavailable(Fault.TIMEOUT) from None
        except (aiohttp.ClientSSLError, ssl.SSLError):
            raise IssuerUnavailable(Fault.TLS) from None
        except (aiohttp.ClientError, OSError, ValueError):
            raise IssuerUnavailable(Fault.UNREACHABLE) from None
        finally:
            self._asked -= 1

    async def _addresses(self, url: HttpsUrl, reach: Reach) -> list[str]:
        """All addresses of the host. One that is not allowed refuses them all: such a name wants to be mistaken."""
        if _is_address(url.host):
            addresses = [url.host]
        else:
            try:
                addresses = await self._resolve(url.host, url.port)
            except OSError:
                addresses = []
        if not addresses:
            raise IssuerUnavailable(Fault.UNKNOWN_HOST)
        if not all(reach.permits(address) for address in addresses):
            raise IssuerUnavailable(Fault.ADDRESS)
        return addresses[:ADDRESSES_TRIED]

    async def _exchange(self, url: HttpsUrl, addresses: Sequence[str]) -> bytes:
        connector = aiohttp.TCPConnector(
            resolver=_Pinned(addresses), use_dns_cache=False, ssl=self._tls, force_close=True, limit=1
        )
        async with (
            aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None, connect=None, sock_connect=None, sock_read=None),
                trust_env=False,
                auto_decompress=False,
            ) as session,
            session.get(URL(url.text, encoded=True), headers=_HEADERS, allow_redirects=False) as response,
        ):
            if response.status != 200:
                raise IssuerUnavailable(Fault.STATUS)
            if not _is_json(response):
                raise IssuerUnavailable(Fault.CONTENT_TYPE)
            return await _body(response)


class _Pinned(AbstractResolver):
    """Answers with the addresses that were checked, whatever it is asked."""

    def __init__(self, addresses: Sequence[str]) -> None:
        self._addresses = addresses

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for address in self._addresses
        ]

    async def close(self) -> None:
        """Nothing is held."""


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _is_json(response: aiohttp.ClientResponse) -> bool:
    encoding = response.headers.get("Content-Encoding", "identity").lower()
    kind = response.content_type.lower()
    return encoding == "identity" and (kind == "application/json" or kind.endswith("+json"))


async def _body(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for piece in response.content.iter_any():
        body += piece
        if len(body) > DOCUMENT_BYTES:
            raise IssuerUnavailable(Fault.TOO_LARGE)
    return bytes(body)
