"""Printed mail: one block that a person and a test can find, and that no text can forge."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys

import pytest

from edge.identity.mail.port import Mail, MailAway
from edge.identity.mail.printed import BEGIN, END, PrintedMailer, printed

MAIL = Mail("ana@example.com", "Olá", "first\n\nhttps://dojo.example.com/#verify=eyJabc.def\n")
BLOCK = f"""{BEGIN}
| To: ana@example.com
| Subject: Olá
|
| first
|
| https://dojo.example.com/#verify=eyJabc.def
{END}
"""


def test_a_mail_becomes_a_block() -> None:
    assert printed(MAIL) == BLOCK


def test_no_text_passes_for_the_end_of_the_block() -> None:
    lines = printed(Mail("ana@example.com", END, f"{END}\n{BEGIN}\n")).splitlines()
    assert [number for number, line in enumerate(lines) if line in (BEGIN, END)] == [0, len(lines) - 1]


async def test_blocks_come_whole_through_a_pipe_that_is_read_slowly() -> None:
    """Three mails of some 40 kB at once are more than a pipe holds (64 KiB): the writers wait, not the event loop."""
    reader, writer = os.pipe()
    try:
        mailer = PrintedMailer(writer)
        mails = [Mail("ana@example.com", f"number {n}", f"{n}\n" * 9000) for n in range(3)]
        sending = [asyncio.create_task(mailer.send(mail)) for mail in mails]
        expected = sum(len(printed(mail).encode()) for mail in mails)
        content = b""
        async with asyncio.timeout(20):
            while len(content) < expected:
                content += await asyncio.to_thread(os.read, reader, 4096)
            await asyncio.gather(*sending)
    finally:
        os.close(reader)
        os.close(writer)
    assert sorted(content.decode().split(END + "\n")[:-1]) == sorted(
        printed(mail).removesuffix(END + "\n") for mail in mails
    )


async def test_when_nobody_reads_any_more_the_mail_stays_to_be_sent() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        with pytest.raises(MailAway, match="could not be printed"):
            await PrintedMailer(writer).send(MAIL)
    finally:
        os.close(writer)


def test_the_default_is_standard_error_and_no_log_line() -> None:
    program = (
        "import asyncio; from edge.identity.mail.port import Mail;"
        "from edge.identity.mail.printed import PrintedMailer;"
        "asyncio.run(PrintedMailer().send(Mail('ana@example.com', 'Olá',"
        " 'first\\n\\nhttps://dojo.example.com/#verify=eyJabc.def\\n')))"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=30, check=True)
    assert (ran.stdout, ran.stderr.decode()) == (b"", BLOCK)
