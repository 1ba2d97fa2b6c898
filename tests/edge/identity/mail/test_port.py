"""A mail's value: what cannot be one is refused before it reaches a server."""

from __future__ import annotations

import pytest

from edge.identity.mail.port import SUBJECT_CHARACTERS, TEXT_CHARACTERS, Mail, MailRefused


@pytest.mark.parametrize(
    "to", ["ana@example.com", "a.b+c-d_e@sub.example.com.br", "o'neil@example.com", "joão@exemplo.com", "a@ação.com.br"]
)
def test_a_plain_address_is_taken(to: str) -> None:
    assert Mail(to, "Olá", "text\n").to == to


@pytest.mark.parametrize(
    "to",
    [
        "",
        "ana",
        "@example.com",
        "ana@",
        "ana@example.com\r\nBcc: eve@example.com",
        "ana@example.com\nRCPT TO:<eve@example.com>",
        "ana@example.com, eve@example.com",
        "ana@example.com;eve@example.com",
        "Ana <ana@example.com>",
        "<ana@example.com>",
        "ana@example.com@eve.example",
        '"ana\\" eve"@example.com',
        "ana(eve)@example.com",
        "ana@[127.0.0.1]",
        "ana@example.com\0",
        "ana@example.com\u2028",
        "ana\ud800@example.com",
        "x" * 65 + "@example.com",
        "ana@" + "x" * 255,
    ],
)
def test_what_is_no_plain_address_is_refused_without_being_quoted(to: str) -> None:
    with pytest.raises(MailRefused) as refused:
        Mail(to, "Olá", "text")
    assert not to or to not in str(refused.value)


@pytest.mark.parametrize(
    "subject", ["", "a\r\nBcc: eve@example.com", "a\nb", "\x1b[2J", "x" * (SUBJECT_CHARACTERS + 1)]
)
def test_a_subject_is_one_line(subject: str) -> None:
    with pytest.raises(MailRefused, match="subject"):
        Mail("ana@example.com", subject, "text")


@pytest.mark.parametrize("text", ["a\r\n.\r\nb", "\x1b]0;title\x07", "\x00", "\ud800", "x" * (TEXT_CHARACTERS + 1)])
def test_a_text_is_printable_lines(text: str) -> None:
    with pytest.raises(MailRefused, match="text"):
        Mail("ana@example.com", "Olá", text)


def test_a_repr_shows_neither_address_nor_text() -> None:
    shown = repr(Mail("ana@example.com", "Olá", "https://dojo.example.com/#reset=secret"))
    assert "ana" not in shown
    assert "secret" not in shown
    assert "Olá" in shown
