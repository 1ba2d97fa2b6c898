"""What is said into one Chromium's microphone comes out of another's loudspeaker."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from playwright.async_api import async_playwright

from tests.media_sfu.browser.caller import Caller
from tests.media_sfu.browser.conftest import Join
from tests.media_sfu.browser.sentence import RATE, likeness, read, speak
from tests.media_sfu.browser.voice_server import VoiceServer
from tests.media_sfu.chromium import ARGUMENTS, CHROMIUM

pytestmark = pytest.mark.asyncio(loop_scope="package")

TEXT = "Seven wizards watch the quick brown fox."
LEAST = 0.8
"""Opus at its usual rate and a player that stretches a pause leave 0.9 and more; another sentence has below 0.4."""
RECORD_SECONDS = 30.0


async def test_a_spoken_sentence_arrives(join: Join, server: VoiceServer, site: str, tmp_path: Path) -> None:
    wav = tmp_path / "sentence.wav"
    speak(TEXT, wav)
    original = read(wav)
    listener = await join(2, "none")
    await listener.page.evaluate("(rate) => caller.record(rate)", RATE)
    arguments = (*ARGUMENTS, f"--use-file-for-fake-audio-capture={wav}")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=arguments, ignore_default_args=["--mute-audio"]
        )
        page = await browser.new_page()
        await page.goto(site)
        await Caller.join(page, server, 1, voice="microphone")
        begun = await listener.page.evaluate("() => caller.kept.length")
        # The sentence is said over and over, so that much from wherever it was has it whole.
        enough = begun + 2 * len(original) + RATE
        async with asyncio.timeout(RECORD_SECONDS):
            await listener.page.wait_for_function("(enough) => caller.kept.length > enough", arg=enough)
        recording = [float(sample) for sample in await listener.page.evaluate("() => caller.recorded()")][begun:]
        await browser.close()
    found = await asyncio.to_thread(likeness, original, recording)
    assert found > LEAST
    backwards = await asyncio.to_thread(likeness, original[::-1], recording)
    assert backwards < LEAST / 2
