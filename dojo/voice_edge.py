"""Voice as the edge is told of it, from the settings."""

from __future__ import annotations

from dojo.settings import VoiceSettings
from edge.voice.settings import VoiceEdge


def voice_edge(settings: VoiceSettings) -> VoiceEdge:
    """Without a secret nobody can tell an SFU anything, so there is no voice. Raises `SettingsError`."""
    return VoiceEdge(
        secret=settings.secret_bytes if settings.enabled and settings.secret is not None else None,
        control_url=settings.control_url,
        turn_urls=settings.turn_urls,
        turn_secret=settings.turn_secret,
        turn_seconds=settings.turn_hours * 3600,
    )
