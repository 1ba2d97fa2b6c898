"""Mail over SMTP (RFC 5321), encrypted and with the server's certificate checked."""

from __future__ import annotations

import asyncio
import hashlib
import re
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as LINES_OF_SMTP
from email.utils import formatdate
from pathlib import Path
from typing import Final, Literal

import aiosmtplib
from aiosmtplib.errors import (
    SMTPAuthenticationError,
    SMTPDataError,
    SMTPException,
    SMTPNotSupported,
    SMTPRecipientRefused,
    SMTPRecipientsRefused,
    SMTPResponseException,
)

from edge.identity.mail.port import Mail, MailAway, MailRefused

STEP_SECONDS: Final = 15.0
"""How long one answer of the server may take, connecting and the TLS handshake included."""
WHOLE_SECONDS: Final = 60.0
"""How long a mail may take altogether. A server that answers one byte at a time keeps each step but not this."""

_OURS_NOT_THE_MAILS = frozenset({530, 534, 535, 538})
"""The server wants to know who we are, or better (RFC 4954): whoever runs Dojo can set that right."""
_ENHANCED_STATUS = re.compile(r"[245]\.\d{1,3}\.\d{1,3}(?= |$)")


class SmtpMisconfigured(ValueError):
    """The settings of the mail server contradict each other; the text says what to change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpServer:
    """Where mail is handed in. Raises `SmtpMisconfigured`."""

    host: str
    port: int = 587
    encryption: Literal["starttls", "tls", "none"] = "starttls"
    """`starttls` upgrades the connection or gives up, `tls` starts with it (port 465), `none` is for a relay on this
    machine."""
    sender: str
    """The address mails come from."""
    sender_name: str = "Dojo"
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: Path | None = None
    """Certificates (PEM) to trust instead of the system's."""
    step_seconds: float = STEP_SECONDS
    whole_seconds: float = WHOLE_SECONDS

    def __post_init__(self) -> None:
        if (self.username is None) != (self.password is None):
            raise SmtpMisconfigured("user name and password of the mail server belong together: give both or none")
        if self.username is not None and self.encryption == "none":
            raise SmtpMisconfigured("a password is not sent unencrypted: use encryption `starttls` or `tls`")
        try:
            Mail(self.sender, self.sender_name, "")
        except MailRefused:
            raise SmtpMisconfigured(
                "the sender of mails must be a plain e-mail address and a name of one line"
            ) from None


class SmtpMailer:
    """Hands each mail in over a connection of its own: mails are few, and a kept connection is one to be lost."""

    def __init__(self, server: SmtpServer, clock: Callable[[], float] = time.time) -> None:
        """`clock` gives Unix seconds, for the Date header. Raises `SmtpMisconfigured` on an unusable `ca_file`."""
        self._server = server
        self._clock = clock
        self._trust = None if server.encryption == "none" else _trust(server.ca_file)

    async def send(self, mail: Mail) -> None:
        """See `Mailer.send`. A mail whose acceptance got lost is sent again under the same Message-ID."""
        server = self._server
        client = aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            # Else the client looks up this machine's own name, which may take seconds, and tells it.
            local_hostname=_parts(server.sender)[1],
            username=server.username,
            password=server.password,
            timeout=server.step_seconds,
            use_tls=server.encryption == "tls",
            start_tls=server.encryption == "starttls",
            tls_context=self._trust,
        )
        recipient = _on_the_wire(mail.to)
        message = compose(mail, server.sender, server.sender_name, self._clock())
        try:
            async with asyncio.timeout(server.whole_seconds):
                try:
                    await client.connect()
                    await client.send_message(message, sender=server.sender, recipients=[recipient])
                finally:
                    # No QUIT: the mail is taken or not by now, and a server that hangs must not keep us.
                    client.close()
        except TimeoutError:
            raise MailAway("the mail server did not answer in time") from None
        except SMTPNotSupported as error:
            if not recipient.isascii():
                raise MailRefused("the mail server takes no address with such characters (SMTPUTF8)") from None
            raise _judged(error) from None
        except (SMTPException, OSError) as error:
            # `from None`: the reply quotes the address, and perhaps the mail.
            raise _judged(error) from None


def compose(mail: Mail, sender: str, sender_name: str, now: float) -> EmailMessage:
    """The message as it goes over the wire; `now` in Unix seconds."""
    message = EmailMessage(policy=LINES_OF_SMTP)
    message["From"] = Address(sender_name, *_parts(sender))
    message["To"] = Address("", *_parts(_on_the_wire(mail.to)))
    message["Subject"] = mail.subject
    message["Date"] = formatdate(now)
    # Of the content: the same mail sent again is known as the same. Its token keeps different ones apart.
    digest = hashlib.sha256("\0".join((mail.to, mail.subject, mail.text)).encode()).hexdigest()
    message["Message-ID"] = f"<{digest[:40]}@{_parts(sender)[1]}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's holiday message answers
    # Quoted-printable: whole on its way through a server without 8BITMIME, whatever the length of a line.
    message.set_content(mail.text, charset="utf-8", cte="quoted-printable")
    return message


def _parts(address: str) -> tuple[str, str]:
    # Not `addr_spec`: its parser raises on local parts that mail servers take, as "a..b".
    local, _, domain = address.rpartition("@")
    return local, domain


def _on_the_wire(address: str) -> str:
    """The address with its domain in ASCII (RFC 3490), as servers without SMTPUTF8 want it. Raises `MailRefused`."""
    local, domain = _parts(address)
    try:
        encoded = domain.encode("idna")
        # RFC 3490 writes "faß.de" as "fass.de", which is somebody else's.
        same = domain.isascii() or encoded.decode("idna") == domain.lower()
    except UnicodeError:
        same = False
    if not same:
        raise MailRefused("the recipient's domain cannot be written in ASCII")
    return f"{local}@{encoded.decode()}"


def _trust(ca_file: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:  # an SSLError, too
        raise SmtpMisconfigured(f"cannot read certificates (PEM) from {ca_file}: {error.strerror}") from None


def _judged(error: Exception) -> MailRefused | MailAway:
    """Whether trying again can help. Only what the server says of this recipient or this mail is final; what it says
    of us (sender, credentials, greeting) changes when somebody mends the settings."""
    if isinstance(error, SMTPRecipientsRefused):
        error = error.recipients[0]
    if isinstance(error, SMTPResponseException):
        status = _ENHANCED_STATUS.match(error.message)
        said = f"{error.code} {status[0]}" if status else str(error.code)
        final = 500 <= error.code < 600 and error.code not in _OURS_NOT_THE_MAILS
        if final and isinstance(error, SMTPRecipientRefused):
            return MailRefused(f"the mail server refused the recipient: {said}")
        if final and isinstance(error, SMTPDataError):
            return MailRefused(f"the mail server refused the mail: {said}")
        if isinstance(error, SMTPAuthenticationError):
            return MailAway(f"the mail server did not take our user name and password: {said}")
        return MailAway(f"the mail server cannot take the mail now: {said}")
    return MailAway(f"no mail server to be had: {_kind(error)}")


def _kind(error: Exception) -> str:
    """What went wrong with the connection, without what the other side said."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is not valid: {cause.verify_message}"
        cause = cause.__cause__ or cause.__context__
    return type(error).__name__
