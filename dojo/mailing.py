"""How mail leaves, as the settings say it."""

from __future__ import annotations

from typing import Final, Literal
from urllib.parse import unquote, urlsplit

from dojo.settings import MailSettings
from edge.identity.mail.port import Mailer
from edge.identity.mail.printed import PrintedMailer
from edge.identity.mail.smtp import SmtpMailer, SmtpMisconfigured, SmtpServer
from kernel.settings import SettingsError

PRINT: Final = "print:"
_SCHEMES: Final[dict[str, tuple[Literal["starttls", "tls", "none"], int]]] = {
    "smtp": ("starttls", 587),
    "smtps": ("tls", 465),
    "smtp+plain": ("none", 25),
}


def mailer_of(settings: MailSettings) -> Mailer:
    """Raises `SettingsError`, which shows nothing of the address: it may hold a password."""
    if settings.url is None:
        raise SettingsError("mail.url is not set: mails wait for an SMTP server, or `print:`")
    if settings.url == PRINT:
        return PrintedMailer()
    if settings.sender is None:
        raise SettingsError("mail.sender is not set: mails must come from some address")
    try:
        url = urlsplit(settings.url)
        encryption, port = _SCHEMES[url.scheme]
        host, port = url.hostname, url.port or port
    except (ValueError, KeyError):
        raise SettingsError("mail.url cannot be read: is what is special in it percent-encoded?") from None
    if not host or url.path.strip("/") or url.query or url.fragment:
        raise SettingsError("mail.url has a server and perhaps a port, a user name and a password, and nothing else")
    try:
        return SmtpMailer(
            SmtpServer(
                host=host,
                port=port,
                encryption=encryption,
                sender=settings.sender,
                sender_name=settings.sender_name,
                username=unquote(url.username) if url.username is not None else None,
                password=unquote(url.password) if url.password is not None else None,
                ca_file=settings.ca_file,
            )
        )
    except SmtpMisconfigured as error:
        raise SettingsError(f"mail: {error}") from None
