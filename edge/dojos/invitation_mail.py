"""The mail that invites to a dojo: Brazilian Portuguese first, English below it."""

from __future__ import annotations

from urllib.parse import quote

from edge.identity.mail.messages import plain_name
from edge.identity.mail.port import Mail


def dojo_invitation(to: str, *, base_url: str, token: str, dojo: str, inviter: str, days: int) -> Mail:
    """Invites somebody to `dojo`. The token is valid for `days`; it is in the link's fragment, which reaches no log.

    Raises `MailRefused` for an address no mail can go to.
    """
    address = f"{base_url.rstrip('/')}/#dojo-invite={quote(token, safe='')}"
    dojo, inviter = plain_name(dojo), plain_name(inviter)
    paragraphs = (
        "(English below)",
        "Olá!",
        f"{inviter} convidou você para o dojo “{dojo}”. Para participar, abra:",
        address,
        f"O convite vale por {days} dias, uma única vez e só para este e-mail.",
        "Se você não conhece quem convidou, ignore este e-mail.",
        "Equipe Dojo",
        "-" * 40,
        "Hello!",
        f"{inviter} invited you to the dojo “{dojo}”. To take part, open:",
        address,
        f"The invitation is valid for {days} days, once, and for this e-mail address only.",
        "If you do not know who invited you, ignore this e-mail.",
        "The Dojo team",
    )
    return Mail(to, "Convite para um dojo / Invitation to a dojo", "\n\n".join(paragraphs) + "\n")
