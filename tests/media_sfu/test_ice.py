"""Proof of addresses, nomination and restart, against a client whose answers aioice makes."""

from __future__ import annotations

import pytest
from aioice import stun as peer

from media_sfu import ice, stun
from media_sfu.ice import IceAgent, Send
from media_sfu.stun import Klass
from tests.media_sfu.ice_client import ADDRESS, Client, only

VICTIM = "198.51.100.66:53"


@pytest.fixture
def client() -> Client:
    return Client()


def drain(agent: IceAgent, until: float) -> list[Send]:
    """Everything the agent sends by itself; it has to come to rest."""
    sends: list[Send] = []
    for _ in range(100):
        due = agent.due
        if due is None or due > until:
            return sends
        sends += agent.tick(due)
    raise AssertionError("the agent is due for ever")


class TestProof:
    def test_a_first_request_is_answered_and_checked(self, client: Client) -> None:
        check, answer = client.ask("a", 100.0)
        assert (answer.path, check.path) == ("a", "a")
        read = peer.parse_message(answer.data)
        assert read.check_message_integrity(client.server.password.encode())
        assert read.attributes["XOR-MAPPED-ADDRESS"] == ADDRESS
        assert "FINGERPRINT" in read.attributes
        asked = peer.parse_message(check.data)
        assert asked.check_message_integrity(client.own.password.encode())
        assert asked.attributes["USERNAME"] == f"{client.own.fragment}:{client.server.fragment}"
        assert asked.attributes["PRIORITY"] == ice.CHECK_PRIORITY
        assert {"ICE-CONTROLLED", "FINGERPRINT"} <= asked.attributes.keys()
        assert not {"ICE-CONTROLLING", "USE-CANDIDATE"} & asked.attributes.keys()
        assert not client.agent.valid("a")

    def test_an_answer_to_the_check_makes_the_path_valid(self, client: Client) -> None:
        check = client.ask("a", 100.0)[0]
        client.agent.receive(client.answer(check.data), "a", ADDRESS, 100.04)
        assert client.agent.valid("a")
        assert client.nominated() is None
        assert client.agent.due is None

    def test_a_forged_address_gets_three_packets_ever_and_media_never(self, client: Client) -> None:
        agent = client.agent
        client.validate("a", 100.0, nominate=True)
        to_victim: list[Send] = []
        for step in range(3_000):
            now = 101.0 + step * 0.1
            to_victim += client.ask(VICTIM, now, nominate=True)
            to_victim += agent.tick(now)
            if step % 20 == 0:
                client.ask("a", now)
            assert not agent.valid(VICTIM)
            assert client.nominated() == "a"
        assert [send.path for send in to_victim] == [VICTIM] * 3
        assert [stun.parse(send.data).klass for send in to_victim] == [Klass.REQUEST, Klass.SUCCESS, Klass.REQUEST]
        client.restart()
        assert client.ask(VICTIM, 500.0, nominate=True) == []

    def test_a_forged_address_gets_three_packets_of_whatever_kinds(self, client: Client) -> None:
        requests = [
            client.request(password="x" * 24),
            client.request(username="some:body"),
            client.request(controlling=None, controlled=1),
            client.request(priority=None),
            client.request(),
        ]
        for order in (requests, requests[::-1]):
            victim = repr(order)
            sends: list[Send] = []
            for now in range(200, 230):
                for data in order:
                    sends += client.agent.receive(data, victim, ADDRESS, float(now))
                sends += client.agent.tick(now + 0.9)
            assert len(sends) == 3

    def test_many_forged_addresses_are_bounded_together(self, client: Client) -> None:
        client.validate("a", 100.0, nominate=True)
        sends: list[Send] = []
        for step in range(5_000):
            now = 101.0 + step * 0.01
            sends += client.ask(f"forged {step}", now, nominate=True)
            sends += client.agent.tick(now)
            assert len(client.agent.paths) <= 1 + ice.CANDIDATES_MOST
        assert len(sends) <= 3 * ice.UNPROVEN_MOST
        assert client.nominated() == "a"
        client.validate("b", 400.0, nominate=True)
        assert client.nominated() == "b"

    def test_refusals_to_forged_addresses_are_bounded_together(self, client: Client) -> None:
        sends = [
            send
            for step in range(1_000)
            for send in client.agent.receive(client.request(password="x" * 24), f"forged {step}", ADDRESS, 100.0)
        ]
        assert len(sends) == ice.REFUSALS_MOST
        client.validate("a", 101.0)

    def test_bad_requests_in_a_path_s_name_do_not_keep_it_out(self, client: Client) -> None:
        for _ in range(10):
            client.agent.receive(client.request(password="x" * 24), "a", ADDRESS, 100.0)
        client.validate("a", 101.0, nominate=True)
        assert client.nominated() == "a"

    def test_an_answer_by_another_path_proves_neither(self, client: Client) -> None:
        check = client.ask("a", 100.0)[0]
        client.ask("b", 100.0)
        client.agent.receive(client.answer(check.data), "b", ADDRESS, 100.1)
        assert not client.agent.valid("a")
        assert not client.agent.valid("b")

    def test_an_answer_under_a_wrong_password_or_transaction_proves_nothing(self, client: Client) -> None:
        check = client.ask("a", 100.0)[0]
        client.agent.receive(client.answer(check.data, "x" * 24), "a", ADDRESS, 100.1)
        client.agent.receive(client.answer(client.request()), "a", ADDRESS, 100.1)
        assert not client.agent.valid("a")
        assert client.agent.counts == {"unauthentic": 1, "unasked": 1}

    def test_an_error_answer_proves_nothing(self, client: Client) -> None:
        check = client.ask("a", 100.0)[0]
        failure = stun.failure(stun.parse(check.data), 487, "Role Conflict", client.own.password.encode())
        client.agent.receive(failure, "a", ADDRESS, 100.1)
        assert not client.agent.valid("a")

    def test_the_lost_check_is_sent_again_unchanged_and_its_answer_counts(self, client: Client) -> None:
        check = client.ask("a", 100.0, nominate=True)[0]
        assert client.agent.tick(100.2) == []
        assert client.agent.due == pytest.approx(100.25)
        assert client.agent.tick(100.25) == [check]
        client.agent.receive(client.answer(check.data), "a", ADDRESS, 101.9)  # a round trip of 1.65 s
        assert client.nominated() == "a"

    def test_checks_come_to_rest_and_the_candidate_is_forgotten(self, client: Client) -> None:
        check = client.ask("a", 100.0)[0]
        assert drain(client.agent, 1_000.0) == [check]
        assert client.agent.due is None
        assert client.agent.paths == ()
        client.agent.receive(client.answer(check.data), "a", ADDRESS, 106.0)
        assert not client.agent.valid("a")

    def test_the_latest_request_meanwhile_is_answered_with_the_proof(self, client: Client) -> None:
        check = client.ask("a", 100.0)[0]
        assert client.ask("a", 100.02) == []
        data = client.request(nominate=True)
        assert client.agent.receive(data, "a", ADDRESS, 100.05) == []
        got = only(client.agent.receive(client.answer(check.data), "a", ADDRESS, 100.06))
        assert got.transaction == stun.parse(data).transaction
        assert got.mapped == ADDRESS
        assert got.authentic(client.server.password.encode())
        assert client.nominated() == "a"

    def test_eight_candidates_wait_at_once(self, client: Client) -> None:
        for number in range(ice.CANDIDATES_MOST):
            assert len(client.ask(f"path {number}", 100.0)) == 2
        assert client.ask("one more", 100.1) == []
        assert client.agent.counts["crowded"] == 1
        client.agent.tick(100.25)
        assert client.ask("one more", 100.7) == []
        # The oldest had all its packets and time to answer.
        assert len(client.ask("one more", 100.8)) == 2
        assert len(client.agent.paths) == ice.CANDIDATES_MOST

    def test_a_connection_closed_is_forgotten(self, client: Client) -> None:
        client.validate("tcp 1", 100.0, nominate=True)
        client.ask("tcp 2", 100.0)
        client.agent.lost("tcp 1")
        client.agent.lost("tcp 2")
        assert client.nominated() is None
        assert client.agent.paths == ()
        assert client.agent.due is None


class TestNomination:
    def test_a_nomination_waits_for_the_proof(self, client: Client) -> None:
        check = client.ask("a", 100.0, nominate=True)[0]
        assert client.nominated() is None
        client.agent.receive(client.answer(check.data), "a", ADDRESS, 100.1)
        assert client.nominated() == "a"

    def test_a_later_nomination_moves_media_and_the_earlier_path_stays_valid(self, client: Client) -> None:
        client.validate("wifi", 100.0, nominate=True)
        client.validate("mobile", 101.0)
        assert client.nominated() == "wifi"
        version = client.agent.version
        client.validate("mobile", 102.0, nominate=True)
        assert client.nominated() == "mobile"
        assert client.agent.version > version
        assert client.agent.valid("wifi")

    def test_a_nomination_that_was_overheard_takes_media_nowhere(self, client: Client) -> None:
        """The client has left the network, somebody there sends its request again."""
        client.validate("wifi", 100.0, nominate=True)
        overheard = client.request(nominate=True)
        client.validate("mobile", 101.0, nominate=True)
        sends = client.agent.receive(overheard, "wifi", ADDRESS, 102.0)
        assert [stun.parse(send.data).klass for send in sends] == [Klass.REQUEST, Klass.SUCCESS]
        again = client.agent.receive(overheard, "wifi", ADDRESS, 102.1)
        assert [stun.parse(send.data).klass for send in again] == [Klass.SUCCESS]
        assert client.nominated() == "mobile"
        drain(client.agent, 108.0)
        assert client.nominated() == "mobile"
        assert set(client.agent.paths) == {"wifi", "mobile"}

    def test_a_slow_proof_does_not_overrule_a_later_nomination(self, client: Client) -> None:
        check = client.ask("a", 100.0, nominate=True)[0]
        client.validate("b", 100.1, nominate=True)
        client.agent.receive(client.answer(check.data), "a", ADDRESS, 100.2)
        assert client.agent.valid("a")
        assert client.nominated() == "b"

    def test_at_most_four_paths_are_valid_and_the_nominated_one_stays(self, client: Client) -> None:
        client.validate("nominated", 100.0, nominate=True)
        for number in range(6):
            client.validate(f"path {number}", 101.0 + number)
        assert set(client.agent.paths) == {"nominated", "path 3", "path 4", "path 5"}
        client.ask("path 3", 110.0)
        client.validate("path 6", 111.0)
        assert set(client.agent.paths) == {"nominated", "path 3", "path 5", "path 6"}

    def test_a_path_that_had_to_go_comes_back_by_a_new_proof(self, client: Client) -> None:
        for number in range(5):
            client.validate(f"path {number}", 101.0 + number)
        assert not client.agent.valid("path 0")
        client.validate("path 0", 110.0, nominate=True)
        assert client.nominated() == "path 0"


class TestRestart:
    def test_the_old_path_keeps_media_until_the_new_credentials_nominate(self, client: Client) -> None:
        client.validate("old", 100.0, nominate=True)
        before = client.request(), client.server
        client.restart()
        assert client.fragments() == (client.server.fragment, before[1].fragment)
        assert client.nominated() == "old"
        # The client goes on with the old path meanwhile.
        assert only(client.agent.receive(before[0], "old", ADDRESS, 101.0)).authentic(before[1].password.encode())
        client.validate("new", 102.0)
        assert client.nominated() == "old"
        client.validate("new", 103.0, nominate=True)
        assert client.nominated() == "new"
        assert client.fragments() == (client.server.fragment,)
        assert only(client.agent.receive(before[0], "old", ADDRESS, 103.1)).error == (401, "Unauthenticated")
        # What was under way by the old path still comes in, for two seconds.
        assert client.agent.valid("old")
        drain(client.agent, 105.1)
        assert not client.agent.valid("old")
        assert client.agent.paths == ("new",)
        assert client.agent.due is None

    def test_a_restart_by_the_same_path_needs_no_new_proof(self, client: Client) -> None:
        client.validate("a", 100.0, nominate=True)
        client.restart()
        assert only(client.ask("a", 101.0)).authentic(client.server.password.encode())
        client.ask("a", 101.1, nominate=True)
        assert client.fragments() == (client.server.fragment,)
        assert drain(client.agent, 200.0) == []
        assert client.nominated() == "a"
        assert client.agent.valid("a")

    def test_an_old_path_heard_with_new_credentials_stays(self, client: Client) -> None:
        client.validate("a", 100.0, nominate=True)
        client.validate("b", 100.0)
        client.restart()
        client.validate("c", 101.0, nominate=True)
        client.ask("b", 102.0)
        drain(client.agent, 200.0)
        assert set(client.agent.paths) == {"b", "c"}

    def test_a_late_old_nomination_does_not_hold_the_new_one_up(self, client: Client) -> None:
        client.validate("old", 100.0, nominate=True)
        late = client.request(nominate=True)
        client.restart()
        check = client.ask("new", 101.0, nominate=True)[0]
        client.agent.receive(late, "old", ADDRESS, 101.1)
        client.agent.receive(client.answer(check.data), "new", ADDRESS, 101.2)
        assert client.nominated() == "new"

    def test_a_candidate_of_before_is_checked_anew_and_nominates_by_new_requests_only(self, client: Client) -> None:
        client.ask("a", 100.0, nominate=True)
        client.restart()
        check = only(client.ask("a", 100.1))
        assert check.username == f"{client.own.fragment}:{client.server.fragment}"
        client.agent.receive(client.answer(check.raw), "a", ADDRESS, 100.2)
        assert client.agent.valid("a")
        assert client.nominated() is None
        assert client.ask("a", 100.3, nominate=True)
        assert client.nominated() == "a"

    def test_a_restart_during_a_restart_keeps_what_is_in_use(self, client: Client) -> None:
        client.validate("old", 100.0, nominate=True)
        old = client.request()
        client.restart()
        lost = client.request()
        client.restart()
        assert only(client.agent.receive(old, "old", ADDRESS, 101.0)).error is None
        assert only(client.agent.receive(lost, "other", ADDRESS, 101.0)).error == (401, "Unauthenticated")
        client.validate("new", 102.0, nominate=True)
        assert client.nominated() == "new"
