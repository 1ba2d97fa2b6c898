from __future__ import annotations

import time
from uuid import uuid4

import pytest

from kernel.tokens import SigningKey
from kernel.tokens.jws import TOKEN_BYTES
from kernel.tokens.said import tenant_said


def test_the_tenant_is_read_without_a_key() -> None:
    tenant = uuid4()
    token = SigningKey.generate().mint(
        tenant=tenant, user=uuid4(), name="Ana", rooms=["*"], write=True, now=time.time(), seconds=60
    )
    assert tenant_said(token) == tenant
    assert tenant_said(token.rpartition(".")[0] + ".forged") == tenant


@pytest.mark.parametrize(
    "token", ["", "forged", "a.b.c", "é.é.é", "a.e30.c", "a.eyJ0aWQiOjd9.c", "a" * TOKEN_BYTES + "b"]
)
def test_what_is_no_token_names_nobody(token: str) -> None:
    assert tenant_said(token) is None
