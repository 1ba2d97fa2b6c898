"""Common passwords: what everybody tries first is known, what somebody thought up is not."""

from __future__ import annotations

import subprocess
import sys

import pytest

from edge.identity.common_passwords import fold, is_common, load, trimmed


@pytest.mark.parametrize(
    "password",
    [
        "basketball",
        "BasketBall",
        "password123",
        "Password2024!",
        "p\u0301assword123",  # an accent hides nothing
        "ｐａｓｓｗｏｒｄ１２３",  # nor does width
        "123password",
        "!!qwerty!!",
        "iloveyou!!!!",
        "dragon20240101",
        "senha123456",
        "Flamengo@2024",
        "EuTeAmo123!",
        "mudar12345",
        "1234567890",
        "0123456789!",
        "12345678901234567890",
        "9876543210",
        "abcdefghij",
        "ABCDEFGHIJKLM",
        "aaaaaaaaaa",
        "abcabcabcabc",
        "abcabcabcab",
        "passwordpassword",
        "senhasenha",
        "passwordpassword1",
        "qwertyuiop",
        "Elizabeth1",
        "fernanda2024",
        "1q2w3e4r5t",
    ],
)
def test_what_everybody_tries_is_common(password: str) -> None:
    assert is_common(password)


@pytest.mark.parametrize(
    "password",
    [
        "correct horse battery staple",
        "x7!kQ9z#Lm2p",
        "4831x5520177",
        "8471920344",
        "Tr0ub4dor&3rdx",
        "três pratos de trigo",
        "password8471920344",
        "パスワードは秘密です",
        "🥋🥊🤼🥋🤺🥊🏹",
        "gato azul 91",
        "aprendiz-de-feiticeiro-aprendiz",
    ],
)
def test_what_somebody_thought_up_is_not(password: str) -> None:
    assert not is_common(password)


def test_short_and_empty_texts_are_judged_too() -> None:
    assert is_common("love")
    assert not is_common("")
    assert not is_common("q")
    assert trimmed("12345") == ""
    assert trimmed("12ab3cd!") == "ab3cd"
    assert fold("ÀÇÃO Straße") == "acao strasse"


def test_the_list_is_whole_and_folded() -> None:
    words = load()
    assert len(words) > 50_000
    assert words == {fold(word) for word in words}


def test_loading_waits_for_the_first_use_and_leaves_the_package_itself_alone() -> None:
    """Importing the whole package would keep 14 MB of indices."""
    program = (
        "import sys; import edge.identity.passwords; from edge.identity.common_passwords import is_common, load;"
        "assert load.cache_info().currsize == 0; assert is_common('basketball'); assert load() is load();"
        "print([name for name in sys.modules if name.startswith('zxcvbn')])"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True)
    assert ran.stdout == "[]\n"
