"""The client's STUN, read by an implementation that is not ours."""

from __future__ import annotations

from aioice import stun as other

from loadtests.voice import stun

PASSWORD = "a-password-of-24-letters"


def test_a_check_is_what_the_rfc_says() -> None:
    number, data = stun.binding_request("server:client", PASSWORD, b"12345678")

    read = other.parse_message(data)

    assert read.check_message_integrity(PASSWORD.encode())
    assert read.transaction_id == number == stun.transaction(data)
    assert read.message_method == other.Method.BINDING
    assert read.attributes["USERNAME"] == "server:client"
    assert read.attributes["ICE-CONTROLLING"] == int.from_bytes(b"12345678", "big")
    assert "USE-CANDIDATE" in read.attributes
    assert "FINGERPRINT" in read.attributes


def test_an_answer_tells_where_the_check_came_from() -> None:
    _, request = stun.binding_request("server:client", PASSWORD, bytes(8), nominate=False)

    answer = stun.binding_success(request, ("127.64.1.2", 50_000), PASSWORD)

    read = other.parse_message(answer)
    assert read.check_message_integrity(PASSWORD.encode())
    assert stun.kind(answer) == stun.BINDING_SUCCESS
    assert read.attributes["XOR-MAPPED-ADDRESS"] == ("127.64.1.2", 50_000)
    assert read.transaction_id == stun.transaction(request)


def test_only_who_knows_the_password_is_believed() -> None:
    made = other.Message(message_method=other.Method.BINDING, message_class=other.Class.REQUEST)
    made.attributes["USERNAME"] = "client:server"
    made.add_message_integrity(PASSWORD.encode())
    made.add_fingerprint()

    assert stun.kind(bytes(made)) == stun.BINDING_REQUEST
    assert stun.authentic(bytes(made), PASSWORD)
    assert not stun.authentic(bytes(made), PASSWORD + "!")
    assert not stun.authentic(bytes(made)[:20], PASSWORD)


def test_what_is_not_stun_is_told_apart() -> None:
    assert stun.kind(bytes(40)) == -1
    assert stun.kind(b"\x01\x01") == -1
