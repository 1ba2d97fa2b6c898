"""What mails say: Brazilian Portuguese first, English below it.

Links carry their token in the fragment, which browsers send to no server: it reaches no proxy's log and no `Referer`.
Names come from strangers (anyone may found a company and invite anybody), so they are cut, put on one line, and can
neither be a link nor hide what follows.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final, Literal
from urllib.parse import quote

from edge.identity.mail.port import Mail

NAME_CHARACTERS: Final = 60
"""Of a person's or a company's name in a mail: room for a name, not for an advertisement."""

Purpose = Literal["verify", "reset", "invite"]

_JOINED = "\u2060"  # word joiner: invisible, and no mail program takes what it splits for an address
_LINK_SIGNS = re.compile(r"(?<=[.:/@])(?=\S)|(?<=\S)(?=[.:/@])")

_NOT_YOU_PT = "Se não foi você, ignore este e-mail: nada será alterado."
_NOT_YOU_EN = "If this was not you, ignore this e-mail: nothing will change."


def verification(to: str, *, base_url: str, token: str, hours: int) -> Mail:
    """Asks a new person to prove that the address is theirs. The token is valid for `hours`."""
    address = link(base_url, "verify", token)
    return _mail(
        to,
        ("Confirme seu e-mail", "Confirm your e-mail"),
        [
            "Olá!",
            "Para confirmar que este e-mail é seu e começar a usar o Dojo, abra:",
            address,
            f"O link vale por {_hours_pt(hours)} e funciona uma única vez.",
            _NOT_YOU_PT,
        ],
        [
            "Hello!",
            "To confirm that this e-mail address is yours and start using Dojo, open:",
            address,
            f"The link is valid for {_hours_en(hours)} and works once.",
            _NOT_YOU_EN,
        ],
    )


def password_reset(to: str, *, base_url: str, token: str, hours: int) -> Mail:
    """Lets a person who has an account choose a new password. The token is valid for `hours`."""
    address = link(base_url, "reset", token)
    return _mail(
        to,
        ("Redefina sua senha", "Reset your password"),
        [
            "Olá!",
            "Recebemos um pedido para redefinir a sua senha no Dojo. Para escolher uma nova, abra:",
            address,
            f"O link vale por {_hours_pt(hours)} e funciona uma única vez. "
            "Ao trocar a senha, você sai do Dojo em todos os aparelhos.",
            _NOT_YOU_PT,
        ],
        [
            "Hello!",
            "We received a request to reset your Dojo password. To choose a new one, open:",
            address,
            f"The link is valid for {_hours_en(hours)} and works once. "
            "A new password signs you out of Dojo on every device.",
            _NOT_YOU_EN,
        ],
    )


def password_reset_without_account(to: str, *, base_url: str) -> Mail:
    """Tells who asked for a reset that there is no account: the page may not, or strangers would learn who has one."""
    address = base_url.rstrip("/") + "/"
    return _mail(
        to,
        ("Não há conta com este e-mail", "No account with this e-mail"),
        [
            "Olá!",
            "Recebemos um pedido para redefinir a senha desta conta no Dojo, mas não existe conta com este e-mail. "
            "Talvez você tenha se cadastrado com outro endereço. Para tentar de novo ou criar uma conta, abra:",
            address,
            _NOT_YOU_PT,
        ],
        [
            "Hello!",
            "We received a request to reset the password of this Dojo account, but there is no account with this "
            "e-mail address. Perhaps you signed up with another one. To try again or to create an account, open:",
            address,
            _NOT_YOU_EN,
        ],
    )


def invitation(to: str, *, base_url: str, token: str, company: str, inviter: str, days: int) -> Mail:
    """Invites a person to a company. The token is valid for `days`."""
    address, company, inviter = link(base_url, "invite", token), plain_name(company), plain_name(inviter)
    return _mail(
        to,
        ("Convite para o Dojo", "Invitation to Dojo"),
        [
            "Olá!",
            f"{inviter} convidou você para participar de “{company}” no Dojo. Para aceitar, abra:",
            address,
            f"O convite vale por {_days_pt(days)} e só para este e-mail.",
            "Se você não conhece quem convidou, ignore este e-mail: nada será criado em seu nome.",
        ],
        [
            "Hello!",
            f"{inviter} invited you to join “{company}” on Dojo. To accept, open:",
            address,
            f"The invitation is valid for {_days_en(days)}, and for this e-mail address only.",
            "If you do not know who invited you, ignore this e-mail: nothing will be created in your name.",
        ],
    )


def link(base_url: str, purpose: Purpose, token: str) -> str:
    """Where the page takes the token: `https://dojo.example.com/#reset=TOKEN`."""
    return f"{base_url.rstrip('/')}/#{purpose}={quote(token, safe='')}"


def plain_name(name: str) -> str:
    """`name` on one line of at most 60 characters, without invisible characters, and never clickable."""
    visible = "".join(" " if character.isspace() else character for character in name if _visible(character))
    words = " ".join(visible.split())
    cut = words if len(words) <= NAME_CHARACTERS else words[: NAME_CHARACTERS - 1].rstrip() + "…"
    return _LINK_SIGNS.sub(_JOINED, cut) or "—"


def _visible(character: str) -> bool:
    # Cc, Cf, Cs, Co, Cn: controls, marks of direction and width, halves of characters, what nobody has defined.
    return character.isspace() or not unicodedata.category(character).startswith("C")


def _mail(to: str, subject: tuple[str, str], portuguese: list[str], english: list[str]) -> Mail:
    text = "\n\n".join(("(English below)", *portuguese, "Equipe Dojo", "-" * 40, *english, "The Dojo team"))
    return Mail(to, f"{subject[0]} / {subject[1]}", text + "\n")


def _hours_pt(hours: int) -> str:
    return "1 hora" if hours == 1 else f"{hours} horas"


def _hours_en(hours: int) -> str:
    return "1 hour" if hours == 1 else f"{hours} hours"


def _days_pt(days: int) -> str:
    return "1 dia" if days == 1 else f"{days} dias"


def _days_en(days: int) -> str:
    return "1 day" if days == 1 else f"{days} days"
