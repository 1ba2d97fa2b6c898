"""Mail printed on standard error: what a Dojo without a mail server does with it."""

from __future__ import annotations

import asyncio
import os
import threading

from edge.identity.mail.port import Mail, MailAway

BEGIN = "----- Dojo would send this mail -----"
END = "----- end of the mail -----"
STANDARD_ERROR = 2


class PrintedMailer:
    """Prints mails as blocks of lines:

        ----- Dojo would send this mail -----
        | To: ana@example.com
        | Subject: ...
        |
        | first line of the text
        ----- end of the mail -----

    Not through logging: that redacts tokens, and here the token is the point. Every line of the mail has its bar, so
    no text can pass for the end of the block.
    """

    def __init__(self, descriptor: int = STANDARD_ERROR) -> None:
        """`descriptor` stays open and is the caller's."""
        self._descriptor = descriptor
        self._turn = threading.Lock()

    async def send(self, mail: Mail) -> None:
        """Raises `MailAway` if nothing can be written there any more."""
        # In a thread: a pipe that nobody reads blocks.
        await asyncio.to_thread(self._write, printed(mail).encode())

    def _write(self, block: bytes) -> None:
        try:
            with self._turn:
                # One write: up to 4 KiB, which our mails stay below, no log line of anybody can come between.
                written = os.write(self._descriptor, block)
                while written < len(block):
                    written += os.write(self._descriptor, block[written:])
        except OSError as error:
            raise MailAway(f"the mail could not be printed: {error.strerror}") from None


def printed(mail: Mail) -> str:
    """The block for `mail`, with its last line feed."""
    lines = (f"To: {mail.to}", f"Subject: {mail.subject}", "", *mail.text.removesuffix("\n").split("\n"))
    return "\n".join((BEGIN, *(f"| {line}".rstrip() for line in lines), END, ""))
