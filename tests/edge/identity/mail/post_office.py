"""A real SMTP server on loopback (aiosmtpd) that keeps what it is given, and servers that misbehave."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default as modern
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

USERNAME, PASSWORD = "dojo-mailer", "s3cret-of-the-relay"


@dataclass
class PostOffice:
    """What came in. `answers` overrides what RCPT ("RCPT") and the end of the mail ("DATA") are answered with."""

    port: int = 0
    answers: dict[str, str] = field(default_factory=dict)
    envelopes: list[Envelope] = field(default_factory=list)
    greeted_as: list[str] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)

    def messages(self) -> list[EmailMessage]:
        return [message_from_bytes(envelope.original_content or b"", policy=modern) for envelope in self.envelopes]

    # aiosmtpd calls these by name.
    async def handle_EHLO(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        self.greeted_as.append(hostname)
        return responses

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if (answer := self.answers.get("RCPT")) is not None:
            return answer
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_MAIL(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if (answer := self.answers.get("MAIL")) is not None:
            return answer
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        if (answer := self.answers.get("DATA")) is not None:
            return answer
        self.envelopes.append(envelope)
        return "250 OK"


@asynccontextmanager
async def post_office(
    *,
    certificate: Path | None = None,
    implicit_tls: bool = False,
    wants_login: bool = False,
    smtputf8: bool = False,
) -> AsyncIterator[PostOffice]:
    """With a `certificate` the server offers STARTTLS and insists on it, or starts with TLS at once."""
    office = PostOffice()
    context = None
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)

    def login(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
        assert isinstance(data, LoginPassword)
        right = (data.login, data.password) == (USERNAME.encode(), PASSWORD.encode())
        return AuthResult(success=right, handled=False)

    class Connection(SMTP):
        async def handle_exception(self, error: Exception) -> str:
            return "451 4.3.0 internal error"

        async def push(self, status: Any) -> None:
            office.commands.append(str(status))
            await super().push(status)

    loop = asyncio.get_running_loop()

    def connected() -> SMTP:
        return Connection(
            office,
            hostname="post-office.test",
            tls_context=None if implicit_tls else context,
            require_starttls=certificate is not None and not implicit_tls,
            auth_required=wants_login,
            auth_require_tls=not implicit_tls,
            authenticator=login,
            enable_SMTPUTF8=smtputf8,
            loop=loop,
        )

    server = await loop.create_server(connected, "127.0.0.1", 0, ssl=context if implicit_tls else None)
    office.port = server.sockets[0].getsockname()[1]
    try:
        yield office
    finally:
        server.close()
        await server.wait_closed()


Conversation = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def stranger(conversation: Conversation) -> AsyncIterator[int]:
    """A server that does with each connection what `conversation` says; yields its port."""
    open_ones: set[asyncio.Task[None]] = set()

    async def met(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        open_ones.add(task)
        try:
            await conversation(reader, writer)
        except (ConnectionError, asyncio.CancelledError):
            pass  # asyncio's streams of Python 3.11 log a handler that ends cancelled as an error
        finally:
            writer.close()

    server = await asyncio.start_server(met, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in open_ones:
            task.cancel()
        await asyncio.gather(*open_ones, return_exceptions=True)


def self_signed(path: Path, *names: str, days: int = 1) -> Path:
    """A certificate for `names` (addresses or hosts) and its key in one PEM file; expired if `days` is negative."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    end = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=days)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(end - datetime.timedelta(days=30))
        .not_valid_after(end)
        .add_extension(x509.SubjectAlternativeName([_general(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    return path


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
