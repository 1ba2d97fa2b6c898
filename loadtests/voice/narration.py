"""Speech to talk with: a text spoken by espeak-ng. Beeps would not do, for codecs treat speech, pauses and all, their
own way."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Final

TEXT: Final = """
We begin with a test that fails. The function should split a line into words, and the first case is the empty line.
What does it return there? An empty list, I would say, not a list with an empty word in it. Good, write that down.
Now the second case: one word and nothing else. Run it. Red, as we want it. The simplest thing that makes it pass is to
give back the line itself, so do that, and do not think of blanks yet. Green. Who is next at the keyboard?
I would like to try two words with several blanks between them. That one fails, because we still return everything.
Let us take the loop apart: read a character, decide whether it is a blank, and if it is, close the word before it.
Careful with the end of the line, the last word has no blank after it. Yes, that is the bug we had last week.
Before we go on, could somebody rename this variable? It says index, but what it holds is the beginning of a word.
"""
_WORDS_PER_MINUTE: Final = "160"
_SECONDS: Final = 30.0


class NarrationFailed(Exception):
    """There is no espeak-ng, or it failed."""


def narrate(wav: Path) -> None:
    """Some 50 s of speech with natural pauses, mono, 16 bits. Raises `NarrationFailed`."""
    program = shutil.which("espeak-ng")
    if program is None:
        raise NarrationFailed("espeak-ng is not installed (Debian's package espeak-ng)")
    try:
        subprocess.run(
            [program, "-w", str(wav), "-s", _WORDS_PER_MINUTE, " ".join(TEXT.split())],
            check=True, capture_output=True, timeout=_SECONDS,
        )  # fmt: skip
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        raise NarrationFailed(f"espeak-ng failed: {error}") from error
