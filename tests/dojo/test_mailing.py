from __future__ import annotations

from pathlib import Path

import pytest

from dojo.mailing import mailer_of
from dojo.settings import MailSettings, load
from edge.identity.mail.printed import PrintedMailer
from edge.identity.mail.smtp import SmtpMailer, SmtpServer
from kernel.settings import SettingsError

HIDDEN = "hidden-word"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("smtp://mail.example.com", ("mail.example.com", 587, "starttls", None, None)),
        ("smtps://mail.example.com", ("mail.example.com", 465, "tls", None, None)),
        ("smtp+plain://127.0.0.1", ("127.0.0.1", 25, "none", None, None)),
        ("smtp://ana%40example.com:p%2Fw%3A@[::1]:2525/", ("::1", 2525, "starttls", "ana@example.com", "p/w:")),
    ],
)
def test_an_address_says_where_mail_is_handed_in(url: str, expected: tuple[object, ...]) -> None:
    mailer = mailer_of(MailSettings(url=url, sender="dojo@example.com", sender_name="Acme"))
    assert isinstance(mailer, SmtpMailer)
    server: SmtpServer = mailer._server
    assert (server.host, server.port, server.encryption, server.username, server.password) == expected
    assert (server.sender, server.sender_name) == ("dojo@example.com", "Acme")


def test_mails_can_be_printed() -> None:
    assert isinstance(mailer_of(MailSettings(url="print:")), PrintedMailer)


@pytest.mark.parametrize(
    "settings",
    [
        MailSettings(),
        MailSettings(url=f"smtp://u:{HIDDEN}@mail.example.com"),
        MailSettings(url=f"smtp://u:{HIDDEN}@mail.example.com", sender="nobody"),
        MailSettings(url=f"smtp://u:{HIDDEN}@mail.example.com:port", sender="a@b.example"),
        MailSettings(url=f"smtp://u:{HIDDEN}@[mail.example.com", sender="a@b.example"),
        MailSettings(url=f"smtp://u:{HIDDEN}@mail.example.com/path", sender="a@b.example"),
        MailSettings(url=f"smtp://u:{HIDDEN}@", sender="a@b.example"),
        MailSettings(url=f"smtp+plain://u:{HIDDEN}@127.0.0.1", sender="a@b.example"),
        MailSettings(url="smtp://u@mail.example.com", sender="a@b.example"),
        MailSettings(url="smtp://mail.example.com", sender="a@b.example", ca_file=Path("/nowhere/ca.pem")),
    ],
)
def test_settings_that_send_no_mail_are_refused_without_showing_the_password(settings: MailSettings) -> None:
    with pytest.raises(SettingsError, match="mail") as refused:
        mailer_of(settings)
    assert HIDDEN not in str(refused.value)
    assert HIDDEN not in repr(settings)


def test_another_kind_of_address_is_no_setting() -> None:
    with pytest.raises(SettingsError) as refused:
        load(None, {"DOJO_MAIL__URL": f"https://u:{HIDDEN}@example.com"})
    assert HIDDEN not in str(refused.value)
