from __future__ import annotations

import pytest

from edge.identity.oidc.url import HttpsUrl, UrlRefused, discovery_url, issuer_url, keys_url


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("https://accounts.google.com", "accounts.google.com", 443),
        ("https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbC123", "cognito-idp.eu-west-1.amazonaws.com", 443),
        ("https://keycloak.example:8443/realms/My%20Realm", "keycloak.example", 8443),
        ("https://tenant.auth0.com/", "tenant.auth0.com", 443),
        ("https://1.1.1.1/", "1.1.1.1", 443),
        ("https://[2606:4700::0001]:444", "2606:4700::1", 444),
        ("https://xn--bcher-kva.example", "xn--bcher-kva.example", 443),
    ],
)
def test_an_issuer(text: str, host: str, port: int) -> None:
    assert issuer_url(text) == HttpsUrl(text, host, port)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "http://idp.example",
        "HTTPS://idp.example",
        "//idp.example",
        "https://",
        "https:///path",
        "https://IdP.example",
        "https://user@idp.example",
        "https://user:pw@idp.example",
        "https://idp.example?x=1",
        "https://idp.example/#f",
        "https://idp.example\\@evil.example",
        "https://idp.example/a b",
        "https://idp.example/\n",
        "https://idp.example\n",
        "https://idp.example:",
        "https://idp.example:0",
        "https://idp.example:65536",
        "https://idp.example:443:443",
        "https://idp..example",
        "https://idp.example.",
        "https://-idp.example",
        "https://idp_.example",
        "https://bücher.example",
        "https://idp.example/../x",
        "https://idp.example/a/%2E%2e/b",
        "https://idp.example/%zz",
        "https://127.1",
        "https://0x7f.0.0.1",
        "https://0x7f000001",
        "https://2130706433",
        "https://0177.0.0.1",
        "https://1.1.1.256",
        "https://[::1%25eth0]",
        "https://[::1",
        "https://[1.1.1.1]",
        "https://idp.example/" + "a" * 300,
        "https://" + "a" * 64 + ".example",
    ],
)
def test_what_two_parsers_could_read_differently_is_refused(text: str) -> None:
    with pytest.raises(UrlRefused):
        issuer_url(text)


def test_the_configuration_lies_below_the_issuer_with_one_slash() -> None:
    wanted = "https://idp.example/realms/a/.well-known/openid-configuration"
    assert discovery_url("https://idp.example/realms/a").text == wanted
    assert discovery_url("https://idp.example/realms/a/").text == wanted


def test_keys_may_have_a_query_and_lie_elsewhere() -> None:
    assert keys_url("https://www.googleapis.com/oauth2/v3/certs?p=1&q=a/b").host == "www.googleapis.com"
    for text in ("http://idp.example/keys", "https://idp.example/keys#1", "https://a@idp.example/keys?x"):
        with pytest.raises(UrlRefused):
            keys_url(text)
