"""Mail over SMTP against a real server: what arrives, and what happens when the server refuses, lies or hangs."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from email import message_from_bytes
from email.policy import SMTP, SMTPUTF8
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from edge.identity.mail.port import Mail, MailAway, Mailer, MailRefused
from edge.identity.mail.smtp import SmtpMailer, SmtpMisconfigured, SmtpServer, compose
from tests.edge.identity.mail.post_office import (
    PASSWORD,
    USERNAME,
    PostOffice,
    post_office,
    self_signed,
    stranger,
)

HEADERS = (
    "From",
    "To",
    "Subject",
    "Date",
    "Message-ID",
    "Auto-Submitted",
    "Content-Type",
    "Content-Transfer-Encoding",
    "MIME-Version",
)
NOW = 1_800_000_000.0
LINK = "https://dojo.example.com/#reset=" + "t0kEn-" * 30
MAIL = Mail("ana@example.com", "Redefina sua senha – ação", f"Olá, João! 🥋\n\n{LINK}\n\n.\n..\nFrom here\n")


def plain(port: int, **changes: object) -> SmtpServer:
    server = SmtpServer(host="127.0.0.1", port=port, encryption="none", sender="dojo@mail.example.com", step_seconds=5)
    return replace(server, **changes)  # type: ignore[arg-type]


def encrypted(port: int, ca_file: Path | None, **changes: object) -> SmtpServer:
    return plain(port, **{"encryption": "starttls", "ca_file": ca_file, **changes})


@pytest.fixture
async def office() -> AsyncIterator[PostOffice]:
    async with post_office() as made:
        yield made


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    return self_signed(tmp_path / "server.pem", "127.0.0.1")


async def away(server: SmtpServer, mail: Mail = MAIL) -> str:
    with pytest.raises(MailAway) as refused:
        await SmtpMailer(server).send(mail)
    assert_tells_nothing(refused.value, mail)
    return str(refused.value)


async def refused_for_good(server: SmtpServer, mail: Mail = MAIL) -> str:
    with pytest.raises(MailRefused) as refused:
        await SmtpMailer(server).send(mail)
    assert_tells_nothing(refused.value, mail)
    return str(refused.value)


def assert_tells_nothing(error: Exception, mail: Mail) -> None:
    """Neither the text nor what a traceback would show of the causes holds the address, the token or the password."""
    assert error.__cause__ is None
    assert error.__suppress_context__ or error.__context__ is None
    for secret in (mail.to, "t0kEn", PASSWORD):
        assert secret not in str(error)


async def test_a_mail_arrives_as_it_was_written(office: PostOffice) -> None:
    mailer: Mailer = SmtpMailer(plain(office.port), clock=lambda: NOW)
    await mailer.send(MAIL)
    [envelope], [message] = office.envelopes, office.messages()
    assert (envelope.mail_from, envelope.rcpt_tos) == ("dojo@mail.example.com", ["ana@example.com"])
    assert message.get_content().replace("\r\n", "\n") == MAIL.text
    assert message["Subject"] == MAIL.subject
    assert message["From"] == "Dojo <dojo@mail.example.com>"
    assert message["To"] == "ana@example.com"
    assert message["Auto-Submitted"] == "auto-generated"
    assert parsedate_to_datetime(message["Date"]).timestamp() == NOW
    assert message["Message-ID"].endswith("@mail.example.com>")
    assert (envelope.original_content or b"").isascii()
    assert max(map(len, (envelope.original_content or b"").split(b"\r\n"))) <= 998
    assert office.greeted_as == ["mail.example.com"]


async def test_the_same_mail_keeps_its_message_id_and_another_has_another(office: PostOffice) -> None:
    mailer = SmtpMailer(plain(office.port))
    for mail in (MAIL, MAIL, replace(MAIL, text="other")):
        await mailer.send(mail)
    first, again, other = (message["Message-ID"] for message in office.messages())
    assert first == again != other


def test_a_composed_mail_has_exactly_these_headers() -> None:
    message = compose(MAIL, "dojo@mail.example.com", 'Dojo, "Inc."', NOW)
    assert sorted(message.keys()) == sorted(HEADERS)
    head = message.as_bytes().partition(b"\r\n\r\n")[0]
    assert b'From: "Dojo, \\"Inc.\\"" <dojo@mail.example.com>\r\n' in head


@pytest.mark.parametrize("answer", ["550 5.1.1 <ana@example.com> unknown", "553 no", "501 5.1.3 bad", "552 full"])
async def test_a_recipient_refused_for_good_is_told(office: PostOffice, answer: str) -> None:
    office.answers["RCPT"] = answer
    assert (await refused_for_good(plain(office.port))).startswith(
        f"the mail server refused the recipient: {answer[:3]}"
    )


async def test_what_the_server_said_is_told_by_its_codes_alone(office: PostOffice) -> None:
    office.answers["RCPT"] = f"550 5.1.1 <ana@example.com> {LINK[-40:]}"
    assert await refused_for_good(plain(office.port)) == "the mail server refused the recipient: 550 5.1.1"
    office.answers["RCPT"] = "450 ana@example.com is greylisted"
    assert await away(plain(office.port)) == "the mail server cannot take the mail now: 450"


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("RCPT", "450 4.2.0 greylisted"),
        ("RCPT", "421 4.3.2 going down"),
        ("RCPT", "530 5.7.0 authentication required"),
        ("MAIL", "451 4.7.1 later"),
        ("MAIL", "550 5.7.1 this sender is not ours"),  # the operator can mend it: the mail waits
        ("DATA", "452 4.3.1 no room"),
        ("DATA", "451 4.7.1 later"),
    ],
)
async def test_what_may_pass_later_is_tried_later(office: PostOffice, command: str, answer: str) -> None:
    office.answers[command] = answer
    assert answer[:3] in await away(plain(office.port))
    assert not office.envelopes
    office.answers.clear()
    await SmtpMailer(plain(office.port)).send(MAIL)
    assert len(office.envelopes) == 1


async def test_a_mail_refused_for_good_is_told(office: PostOffice) -> None:
    office.answers["DATA"] = "554 5.7.1 spam"
    assert await refused_for_good(plain(office.port)) == "the mail server refused the mail: 554 5.7.1"


async def test_addresses_beyond_ascii(office: PostOffice) -> None:
    await SmtpMailer(plain(office.port)).send(replace(MAIL, to="ana@ação.com.br"))
    assert office.envelopes[0].rcpt_tos == ["ana@xn--ao-siap.com.br"]
    assert office.messages()[0]["To"] == "ana@xn--ao-siap.com.br"
    assert "SMTPUTF8" in await refused_for_good(plain(office.port), replace(MAIL, to="joão@example.com"))
    for domain in ("exa..mple.com", "faß.de", "ｅxample.com", "x" * 64 + ".com"):
        assert "domain" in await refused_for_good(plain(office.port), replace(MAIL, to=f"ana@{domain}"))
    assert len(office.envelopes) == 1
    async with post_office(smtputf8=True) as modern:
        await SmtpMailer(plain(modern.port)).send(replace(MAIL, to="joão@example.com"))
        assert modern.envelopes[0].rcpt_tos == ["joão@example.com"]
        assert "SMTPUTF8" in modern.envelopes[0].mail_options


@pytest.mark.parametrize("local", ["a..b", ".a", "!#$%&'*+/=?^_`{|}~-", "-oQ", "x" * 64])
async def test_unusual_addresses_arrive_unchanged(office: PostOffice, local: str) -> None:
    mail = replace(MAIL, to=f"{local}@example.com")
    await SmtpMailer(plain(office.port)).send(mail)
    assert office.envelopes[0].rcpt_tos == [mail.to]


@given(st.text(max_size=70), st.text(max_size=40), st.text(max_size=210), st.text(max_size=300))
@example("a", "[", "a", "b")
@example("a", "xn--", "a", "b")
def test_whatever_is_a_mail_becomes_a_message_or_is_refused(local: str, domain: str, subject: str, text: str) -> None:
    try:
        mail = Mail(f"{local}@{domain}.example", subject, text)
        message = compose(mail, "dojo@mail.example.com", "Dojo", NOW)
    except MailRefused:
        return
    sent = message.as_bytes(policy=SMTPUTF8 if not mail.to.isascii() else SMTP)
    assert sorted(message_from_bytes(sent).keys()) == sorted(HEADERS)


async def test_starttls_with_a_password(certificate: Path) -> None:
    async with post_office(certificate=certificate, wants_login=True) as office:
        server = encrypted(office.port, certificate, username=USERNAME, password=PASSWORD)
        await SmtpMailer(server).send(MAIL)
        assert office.envelopes[0].rcpt_tos == ["ana@example.com"]
        assert "user name and password: 535" in await away(replace(server, password="wrong"))
        assert "530" in await away(replace(server, username=None, password=None))
        assert len(office.envelopes) == 1


async def test_tls_from_the_start(certificate: Path) -> None:
    async with post_office(certificate=certificate, implicit_tls=True) as office:
        await SmtpMailer(encrypted(office.port, certificate, encryption="tls")).send(MAIL)
        assert office.envelopes[0].rcpt_tos == ["ana@example.com"]


@pytest.mark.parametrize("implicit", [False, True])
@pytest.mark.parametrize("fault", ["wrong name", "unknown issuer", "expired", "only the system's"])
async def test_a_wrong_certificate_ends_the_attempt(tmp_path: Path, implicit: bool, fault: str) -> None:
    name = "elsewhere.example" if fault == "wrong name" else "127.0.0.1"
    shown = self_signed(tmp_path / "shown.pem", name, days=-1 if fault == "expired" else 1)
    trusted: Path | None = shown
    if fault == "unknown issuer":
        trusted = self_signed(tmp_path / "other.pem", "127.0.0.1")
    elif fault == "only the system's":
        trusted = None
    async with post_office(certificate=shown, implicit_tls=implicit) as office:
        server = encrypted(office.port, trusted, encryption="tls" if implicit else "starttls")
        assert "certificate is not valid" in await away(server)
        assert not office.envelopes


async def test_without_starttls_nothing_is_said(office: PostOffice, certificate: Path) -> None:
    """Whoever sits between may take STARTTLS out of the server's answer: neither password nor mail may follow."""
    await away(encrypted(office.port, certificate, username=USERNAME, password=PASSWORD))
    assert not office.envelopes
    assert not [line for line in office.commands if line.startswith(("235", "334", "354", "535"))]


async def test_nobody_listens() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        assert "no mail server" in await away(plain(taken.getsockname()[1]))
    assert "no mail server" in await away(plain(25, host="nowhere.invalid"))


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def greets_then_hangs(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"220 hello\r\n")
    await reader.read()


async def hangs_in_starttls(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"220 hello\r\n")
    await reader.readline()
    writer.write(b"250-hello\r\n250 STARTTLS\r\n")
    await reader.readline()
    writer.write(b"220 go ahead\r\n")
    await reader.read()


async def goes_away(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"220 hello\r\n")
    await reader.readline()


async def talks_rubbish(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"\xff\xfe\x00 HTTP/1.1 400 ana@example.com\r\n" * 10)
    await reader.read()


async def floods(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"220-" + b"x" * 500 + b"\r\n")
        await writer.drain()


@pytest.mark.parametrize("encryption", ["none", "starttls", "tls"])
@pytest.mark.parametrize(
    "conversation", [silent, greets_then_hangs, hangs_in_starttls, goes_away, talks_rubbish, floods]
)
async def test_a_server_that_misbehaves_costs_one_step_at_most(
    conversation: object, encryption: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with stranger(conversation) as port:  # type: ignore[arg-type]
        started = time.monotonic()
        await away(plain(port, encryption=encryption, step_seconds=0.3))
        assert time.monotonic() - started < 3
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_a_server_that_answers_ever_so_slowly_costs_the_whole_time_at_most() -> None:
    answered = 0

    async def crawls(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal answered
        writer.write(b"220 hello\r\n")
        while await reader.readline():
            answered += 1
            await asyncio.sleep(0.15)
            writer.write(b"250 yes\r\n")

    async with stranger(crawls) as port:
        assert await away(plain(port, step_seconds=5, whole_seconds=0.4)) == "the mail server did not answer in time"
    assert answered > 1


async def test_a_cancelled_send_leaves_no_connection() -> None:
    ended = asyncio.Event()
    greeted = asyncio.Event()

    async def watches(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 hello\r\n")
        await reader.readline()
        greeted.set()
        await reader.read()
        ended.set()

    async with stranger(watches) as port, asyncio.timeout(10):
        task = asyncio.create_task(SmtpMailer(plain(port)).send(MAIL))
        await greeted.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await ended.wait()


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"username": USERNAME}, "belong together"),
        ({"password": PASSWORD}, "belong together"),
        ({"username": USERNAME, "password": PASSWORD}, "not sent unencrypted"),
        ({"sender": "dojo"}, "sender"),
        ({"sender": "dojo@example.com\r\nBcc: eve@example.com"}, "sender"),
        ({"sender_name": "Dojo\r\nBcc: eve@example.com"}, "sender"),
    ],
)
def test_contradicting_settings_are_refused(changes: dict[str, object], fault: str) -> None:
    with pytest.raises(SmtpMisconfigured, match=fault) as refused:
        plain(25, **changes)
    assert PASSWORD not in str(refused.value)


def test_an_unreadable_ca_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SmtpMisconfigured, match=r"absent\.pem: No such file"):
        SmtpMailer(encrypted(25, tmp_path / "absent.pem"))
    rubbish = tmp_path / "rubbish.pem"
    rubbish.write_text("no certificate")
    with pytest.raises(SmtpMisconfigured, match=r"rubbish\.pem"):
        SmtpMailer(encrypted(25, rubbish))


def test_a_repr_shows_no_password() -> None:
    assert PASSWORD not in repr(encrypted(25, None, username=USERNAME, password=PASSWORD))
