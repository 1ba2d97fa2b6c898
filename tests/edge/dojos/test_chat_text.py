from __future__ import annotations

import pytest

from edge.dojos.chat_text import CHAT_CHARACTERS, NotSaid, chat_text


def test_chat_keeps_characters_and_drops_controls() -> None:
    assert chat_text(" a\x00\x1b[31m\u0085\n\tb \U0001f600 ") == "a[31m\n\tb \U0001f600"
    assert len(chat_text("\U0001f600" * CHAT_CHARACTERS)) == CHAT_CHARACTERS
    for content, code in (("", "empty_message"), (" \x00\n", "empty_message"), ("x" * 2_001, "message_too_long")):
        with pytest.raises(NotSaid) as found:
            chat_text(content)
        assert found.value.code == code
