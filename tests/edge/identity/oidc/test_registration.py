from __future__ import annotations

from uuid import UUID

import msgspec
import pytest

from edge.identity.oidc.registration import OperatorIssuers, Registration
from edge.identity.oidc.settings import OidcSettings, OperatorIssuer

ACME = UUID("0190c3f0-0000-7000-8000-000000000001")
KEYCLOAK = "https://keycloak.example/realms/staff"
COGNITO = "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbC123"


def test_the_operators_issuers_are_found_by_issuer_and_client() -> None:
    issuers = OperatorIssuers(
        [
            OperatorIssuer(issuer=KEYCLOAK, client_ids=("web", "phone"), tenant=ACME),
            OperatorIssuer(issuer=COGNITO, client_ids=("web",), tenant_claim="custom:tenant_id"),
        ]
    )
    assert issuers.find(KEYCLOAK, "phone") == Registration(KEYCLOAK, "phone", ACME, operator=True)
    assert issuers.find(COGNITO, "web") == Registration(
        COGNITO, "web", None, operator=True, tenant_claim="custom:tenant_id"
    )
    assert issuers.find(COGNITO, "phone") is None
    assert issuers.find(KEYCLOAK + "/", "web") is None


@pytest.mark.parametrize(
    "wrong",
    [
        (OperatorIssuer(issuer="http://idp.example", client_ids=("a",), tenant=ACME),),
        (OperatorIssuer(issuer=KEYCLOAK, client_ids=("a",)),),
        (OperatorIssuer(issuer=KEYCLOAK, client_ids=("a",), tenant=ACME, tenant_claim="t"),),
        (
            OperatorIssuer(issuer=KEYCLOAK, client_ids=("a",), tenant=ACME),
            OperatorIssuer(issuer=KEYCLOAK, client_ids=("b", "a"), tenant_claim="t"),
        ),
    ],
)
def test_wrong_settings_are_named(wrong: tuple[OperatorIssuer, ...]) -> None:
    with pytest.raises(ValueError, match=r"oidc\.issuers"):
        OperatorIssuers(wrong)


def test_settings_of_a_file() -> None:
    settings = msgspec.toml.decode(
        f"""
        allowed_networks = ["10.0.0.0/8"]
        [[issuers]]
        issuer = "{KEYCLOAK}"
        client_ids = ["web"]
        tenant = "{ACME}"
        """,
        type=OidcSettings,
    )
    assert settings.issuers[0].tenant == ACME
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"issuers": [{"issuer": KEYCLOAK, "client_ids": []}]}, OidcSettings)
