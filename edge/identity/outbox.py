"""The outbox: mails that are sent exactly if the transaction that wants them sent commits.

A mail's text holds a token that opens an account, so it is sealed: who reads the database reads no mail.
"""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID, uuid4

import msgspec

from edge.identity.mail.port import Mail
from kernel.secrets import MasterKeys

_PURPOSE: Final = b"mail_outbox.sealed:"


class _Sealed(msgspec.Struct, frozen=True, array_like=True):
    to: str
    subject: str
    text: str


async def put(db: Any, keys: MasterKeys, mail: Mail, *, wanted: bool = True) -> None:
    """Have `mail` sent once the transaction of `db` commits. With `wanted` false the same work is done and nothing is
    sent, where the time must not tell the one from the other."""
    mail_id = uuid4()
    await db.execute(
        "INSERT INTO mail_outbox (mail_id, sealed) SELECT $1, $2 WHERE $3", mail_id, seal(keys, mail_id, mail), wanted
    )


def seal(keys: MasterKeys, mail_id: UUID, mail: Mail) -> bytes:
    """What the row `mail_id` holds. It opens as no other row."""
    plain = msgspec.msgpack.encode(_Sealed(mail.to, mail.subject, mail.text))
    return keys.seal(plain, purpose=_PURPOSE + mail_id.bytes)


def unseal(keys: MasterKeys, mail_id: UUID, sealed: bytes) -> Mail:
    """The mail of a row. Raises `kernel.secrets.SecretUnreadable`."""
    content = msgspec.msgpack.decode(keys.open(sealed, purpose=_PURPOSE + mail_id.bytes), type=_Sealed)
    return Mail(content.to, content.subject, content.text)
