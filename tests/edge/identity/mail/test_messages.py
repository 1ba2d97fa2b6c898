"""What mails say: both languages, the link alone on its line, and names that cannot do harm."""

from __future__ import annotations

import select
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.identity.mail.messages import (
    NAME_CHARACTERS,
    invitation,
    link,
    password_reset,
    password_reset_without_account,
    plain_name,
    verification,
)
from edge.identity.mail.port import Mail
from edge.identity.mail.printed import printed

BASE = "https://dojo.example.com"
TOKEN = "vt_abc-DEF_123"
TO = "ana@example.com"


def invited(company: str = "Acme", inviter: str = "João") -> Mail:
    return invitation(TO, base_url=BASE, token=TOKEN, company=company, inviter=inviter, days=7)


MAILS = {
    "verify": verification(TO, base_url=BASE, token=TOKEN, hours=24),
    "reset": password_reset(TO, base_url=BASE, token=TOKEN, hours=1),
    "invite": invited(),
}


@pytest.mark.parametrize("purpose", list(MAILS))
def test_the_link_stands_alone_in_both_languages_and_hides_its_token_from_servers(purpose: str) -> None:
    mail = MAILS[purpose]
    wanted = f"{BASE}/#{purpose}={TOKEN}"
    assert mail.text.split("\n").count(wanted) == 2
    assert mail.text.count(TOKEN) == 2
    assert urlsplit(wanted).fragment == f"{purpose}={TOKEN}"
    assert TOKEN not in mail.subject
    assert mail.to == TO
    assert mail.text.index("Olá!") < mail.text.index("Hello!")


def test_the_texts_name_their_time() -> None:
    assert "vale por 24 horas" in MAILS["verify"].text
    assert "valid for 24 hours" in MAILS["verify"].text
    assert "vale por 1 hora " in MAILS["reset"].text
    assert "valid for 1 hour " in MAILS["reset"].text
    assert "vale por 7 dias" in MAILS["invite"].text
    one_day = invitation(TO, base_url=BASE, token=TOKEN, company="Acme", inviter="João", days=1).text
    assert "vale por 1 dia " in one_day
    assert "valid for 1 day," in one_day


def test_a_printed_mail_fits_one_atomic_write() -> None:
    longest = invitation(
        "x" * 64 + "@" + "y" * 185 + ".com",
        base_url="https://" + "dojo" * 20 + ".example.com",
        token="t" * 200,
        company="道" * 100,
        inviter="場" * 100,
        days=30,
    )
    assert len(printed(longest).encode()) <= select.PIPE_BUF


def test_a_reset_without_account_has_no_token() -> None:
    mail = password_reset_without_account(TO, base_url=BASE + "/")
    assert mail.text.split("\n").count(BASE + "/") == 2
    assert "#" not in mail.text
    assert "não existe conta" in mail.text
    assert "there is no account" in mail.text


def test_a_link_takes_any_base_and_any_token() -> None:
    assert (
        link("http://127.0.0.1:8080/", "verify", "a/b?c#d&e=f g")
        == "http://127.0.0.1:8080/#verify=a%2Fb%3Fc%23d%26e%3Df%20g"
    )


def test_the_invitation_names_company_and_inviter() -> None:
    assert "João convidou você para participar de “Acme & Filhos”" in invited("Acme & Filhos").text
    assert "João invited you to join “Acme & Filhos”" in invited("Acme & Filhos").text
    assert "Acme" not in invited().subject  # a stranger's words belong in no subject


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("João da Silva", "João da Silva"),
        ("  Ana\r\n\t Maria ", "Ana Maria"),
        ("Ana\n\nOpen this:\nnow", "Ana Open this\u2060: now"),
        ("\u202eevil\u202c\u200b\u2066", "evil"),
        ("\x1b[31mred\x07", "[31mred"),
        ("\ud800", "—"),
        ("", "—"),
        (" \u200b ", "—"),
        ("x" * 200, "x" * (NAME_CHARACTERS - 1) + "…"),
        ("🥋 Dojo 道場", "🥋 Dojo 道場"),
    ],
)
def test_a_name_is_one_plain_line(name: str, shown: str) -> None:
    assert plain_name(name) == shown


@pytest.mark.parametrize(
    "name",
    ["https://evil.example/win", "evil.example", "www.evil.example/a", "eve@evil.example", "HTTP://EVIL.EXAMPLE"],
)
def test_a_name_is_no_link(name: str) -> None:
    text = invited(company=name, inviter=name).text
    assert name not in text
    assert plain_name(name).replace("\u2060", "") == name  # and reads as it was written
    for sign in "./@":
        assert all(before in "\u2060" for before in _before(plain_name(name), sign))


def _before(text: str, sign: str) -> list[str]:
    return [text[place - 1] for place, character in enumerate(text) if character == sign]


@given(st.text(max_size=300), st.text(max_size=300))
def test_any_names_make_a_mail(company: str, inviter: str) -> None:
    mail = invited(company, inviter)
    assert mail.text.split("\n").count(f"{BASE}/#invite={TOKEN}") == 2
    assert len(mail.text.split("\n")) == len(invited().text.split("\n"))
