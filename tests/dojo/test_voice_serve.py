"""Talking from end to end, through `dojo serve` as it is: HTTP, live sockets, media, and what is recorded of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import asyncpg
import pytest

from dojo.data_directory import DataDirectory
from dojo.embedded.postgres import EmbeddedPostgres
from dojo.services import Programs
from loadtests.voice import session_description as sd
from loadtests.voice.microphone import Mode
from media_sfu.recording.recorder import UPLOAD_SECONDS, WRITE_SECONDS
from tests.dojo.talking import (
    FRAGMENT,
    SDP,
    Account,
    Meeting,
    back,
    company,
    finished,
    kill,
    meeting,
    parts,
    record,
    said,
    sidecars,
    silent,
    spoken,
    until,
)
from tests.media_sfu.recording.sound import RATE, bursts, decode, tone
from tests.running import RunningDojo

ANA, BEN, GUEST = 1001, 1002, 1003
"""What their payloads say."""
GONE_SECONDS = 1.0
"""What is taken away ends within so long."""
TOLD_SECONDS = 3.0
"""From the end of a voice process until its people are told."""
APART = 0.02 + 0.02
"""Seconds that what was said and where it is in a recording may be apart: 20 ms, and a packet."""
UNHURRIED = {"DOJO_VOICE__ENABLED": "true"} | {
    f"DOJO_HTTP_LIMITS__{who}_{what}": "1000"
    for who in ("USER", "TENANT", "NETWORK")
    for what in ("PER_SECOND", "BURST")
}
"""Two people do here in half a minute what others do in an hour."""

House = tuple[RunningDojo, tuple[Account, Account]]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with RunningDojo(tmp_path_factory.mktemp("talk") / "data", UNHURRIED) as dojo:
        yield dojo, asyncio.run(company(dojo))


# Connections


async def test_two_talk_and_the_live_socket_tells_of_it(house: House) -> None:
    async with meeting(*house) as (room, ana_sees, ben_sees):
        ana, ben = await asyncio.gather(room.talk(room.ana, speaks_as=ANA), room.talk(room.ben))
        await room.hears(ben, {ANA})
        for scene in (ana_sees, ben_sees):
            await until(lambda s=scene: s.connected == {room.ana.user, room.ben.user}, "both of them in")  # type: ignore[misc]
        number = ben_sees.number(room.ana)
        assert number == ana_sees.number(room.ana)
        await until(lambda: ben_sees.last["speaking"] == [number], "that Ana speaks")
        await until(lambda: number in ben_sees.last["slots"], "in which slot")
        assert ben.slot_of(ANA) == ben_sees.last["slots"].index(number)
        await until(lambda: ana_sees.last["speaking"] == [number], "the same at Ana's")
        assert ana_sees.last["slots"] == [None, None, None], "nobody hears themselves"
        assert ana.microphone is not None
        ana.microphone.turn(Mode.MUTE)
        await until(lambda: ben_sees.last["speaking"] == [], "that nobody speaks")
        shown = await room.asked(200, room.ben, "GET", room.of_room() + "/voice")
        assert {one["userId"] for one in shown["people"]} == {room.ana.user, room.ben.user}
        assert (shown["recorded"], shown["recordingTrouble"]) == (False, None)


async def test_a_guest_talks_over_the_socket(house: House) -> None:
    async with meeting(*house) as (room, _, ben_sees):
        ben = await room.talk_over_socket(ben_sees)
        grant = await room.asked(201, None, "POST", "/api/v1/dojos/guests", {"joinCode": room.code, "name": "Gil"})
        gil = Account(grant["userId"], grant["token"])
        gil_sees = await room.sit(gil)
        call = await room.talk_over_socket(gil_sees, speaks_as=GUEST)
        await room.hears(ben, {GUEST})
        await until(lambda: gil_sees.connected == {room.ben.user, gil.user}, "both of them in")
        await gil_sees.socket.tell({"type": "VOICE_LEAVE", "peer": call.peer})
        await until(lambda: ben_sees.connected == {room.ben.user}, "the guest gone")


async def test_ice_is_restarted_under_its_etag_and_a_connection_is_ended(house: House) -> None:
    async with meeting(*house) as (room, ana_sees, _):
        _, ben = await asyncio.gather(room.talk(room.ana, speaks_as=ANA), room.talk(room.ben))
        await room.hears(ben, {ANA})
        at = f"{room.path}/voice/{ben.peer}"
        fragment = (ben.restart_fragment(), FRAGMENT)
        for headers, status in (({}, 428), ({"If-Match": '"other"'}, 412)):
            assert (await room.ask(room.ben, "PATCH", at, text=fragment, headers=headers)).status == status
        answer = await room.ask(room.ben, "PATCH", at, text=fragment, headers={"If-Match": ben.etag})
        assert (answer.status, answer.headers["Content-Type"]) == (200, FRAGMENT)
        assert answer.headers["ETag"] != ben.etag
        await ben.restarted(answer.body)
        await room.hears(ben, {ANA})
        assert [stream.lost for stream in ben.media.streams.values()] == [0], "nothing is lost by it"
        stale = await room.ask(room.ben, "PATCH", at, text=fragment, headers={"If-Match": ben.etag})
        assert stale.status == 412
        await room.asked(404, room.ana, "DELETE", at)
        left = time.time()
        await room.asked(204, room.ben, "DELETE", at)
        assert await silent(ben, ANA) < left + GONE_SECONDS
        await until(lambda: ana_sees.connected == {room.ana.user}, "that Ben is gone")
        await room.asked(404, room.ben, "DELETE", at)


# What the host says


async def test_whoever_is_sent_out_is_silent_and_deaf_within_a_second(house: House) -> None:
    async with meeting(*house) as (room, ana_sees, _):
        ana, ben = await asyncio.gather(room.talk(room.ana, speaks_as=ANA), room.talk(room.ben, speaks_as=BEN))
        await asyncio.gather(room.hears(ana, {BEN}), room.hears(ben, {ANA}))
        await room.asked(204, room.ana, "DELETE", f"{room.path}/participants/{room.ben.user}")
        gone = time.time()
        assert max(await asyncio.gather(silent(ana, BEN), silent(ben, ANA))) < gone + GONE_SECONDS
        await until(lambda: ana_sees.connected == {room.ana.user}, "that Ben is gone")
        again = await room.ask(
            room.ben, "POST", f"{room.path}/voice", text=(sd.offer(ben.media.own, sends=True, slots=3), SDP)
        )
        assert again.status == 403


async def test_the_host_mutes_one_and_all(house: House) -> None:
    async with meeting(*house) as (room, ana_sees, _):
        ana, ben = await asyncio.gather(room.talk(room.ana, speaks_as=ANA), room.talk(room.ben, speaks_as=BEN))
        await asyncio.gather(room.hears(ana, {BEN}), room.hears(ben, {ANA}))
        at = room.of_room() + "/voice/mute"
        for everybody in (False, True):
            who = {"all": True} if everybody else {"userId": room.ben.user}
            await room.asked(204, room.ana, "POST", at, {**who, "muted": True})
            muted = time.time()
            assert await silent(ana, BEN) < muted + GONE_SECONDS
            await until(lambda: (ana_sees.person(room.ben) or {}).get("muted"), "that Ben is muted")
            refused = await room.asked(409, room.ben, "POST", at, {"muted": False})
            assert refused["code"] == "muted_by_host"
            await room.hears(ben, {ANA})
            await room.asked(204, room.ana, "POST", at, {**who, "muted": False})
            await room.hears(ana, {BEN})


async def test_into_a_side_room_the_voice_goes_along(house: House) -> None:
    async with meeting(*house) as (room, _, ben_sees):
        ana, ben = await asyncio.gather(room.talk(room.ana, speaks_as=ANA), room.talk(room.ben, speaks_as=BEN))
        await asyncio.gather(room.hears(ana, {BEN}), room.hears(ben, {ANA}))
        await until(lambda: ben_sees.number(room.ana) is not None, "that Ana is in")
        number = ben_sees.number(room.ana)
        side = (await room.asked(201, room.ana, "POST", f"{room.path}/rooms", {"name": "Side"}))["roomId"]
        ben_there = await room.sit(room.ben, side)
        await ben_there.socket.tell({"type": "VOICE_MOVE"})
        moved = time.time()
        assert max(await asyncio.gather(silent(ana, BEN), silent(ben, ANA))) < moved + GONE_SECONDS
        ana_there = await room.sit(room.ana, side)
        await room.asked(204, room.ana, "PUT", room.of_room(side) + "/voice")
        await asyncio.gather(room.hears(ana, {BEN}), room.hears(ben, {ANA}))
        await until(lambda: ana_there.connected == {room.ana.user, room.ben.user}, "both in the side room")
        await until(lambda: ana_there.number(room.ana) == number, "her number is the one she had")
        for call in (ana, ben):
            assert {stream.time_back + stream.lost for stream in call.media.streams.values()} == {0}


async def test_while_the_code_is_red_only_those_at_work_are_heard(house: House) -> None:
    async with meeting(*house) as (room, ana_sees, ben_sees):
        ana, ben = await asyncio.gather(room.talk(room.ana, speaks_as=ANA), room.talk(room.ben, speaks_as=BEN))
        await asyncio.gather(room.hears(ana, {BEN}), room.hears(ben, {ANA}))
        await ana_sees.socket.tell({"type": "ROLE_REQUEST", "role": "PILOT"})
        await until(
            lambda: any(one["pilot"] == room.ana.user for one in ana_sees.socket.told_of("ROLES")), "Ana as pilot"
        )  # fmt: skip
        await paint(room, green=False)
        await room.asked(200, room.ana, "PATCH", room.of_room() + "/voice", {"greenOnly": True})
        red = time.time()
        assert await silent(ana, BEN) < red + GONE_SECONDS
        await until(lambda: (ben_sees.person(room.ben) or {}).get("maySpeak") is False, "that Ben may not speak")
        await room.hears(ben, {ANA})
        await room.asked(200, room.ana, "PATCH", room.of_room() + "/voice", {"greenOnly": False})
        await room.hears(ana, {BEN})


async def paint(room: Meeting, *, green: bool) -> None:
    """What runs of the code are to say."""
    db = await asyncpg.connect(EmbeddedPostgres(DataDirectory(room.dojo.data_dir).postgres).dsn("postgres"))
    try:
        await db.execute(
            "INSERT INTO dojo_voice_rooms (tenant_id, room_id, green) SELECT tenant_id, room_id, $2 FROM dojo_rooms"
            " WHERE room_id = $1 ON CONFLICT (tenant_id, room_id) DO UPDATE SET green = $2",
            room.room,
            green,
        )
    finally:
        await db.close()


# The process


async def test_a_voice_process_that_is_killed_comes_back_at_its_address(house: House) -> None:
    dojo, _ = house
    async with meeting(*house) as (room, ana_sees, ben_sees):
        _, ben = await asyncio.gather(room.talk(room.ana, speaks_as=ANA), room.talk(room.ben))
        await room.hears(ben, {ANA})
        await until(lambda: ben_sees.connected == {room.ana.user, room.ben.user}, "both of them in")
        times = await kill(dojo)
        begun = time.monotonic()
        for scene in (ana_sees, ben_sees):
            await until(lambda s=scene: s.socket.told_of("VOICE_LOST"), "VOICE_LOST")  # type: ignore[misc]
        assert time.monotonic() - begun < TOLD_SECONDS
        assert 0 <= ana_sees.socket.told_of("VOICE_LOST")[0]["retryAfterMs"] <= 2_000
        await back(dojo, times)
        _, ben = await asyncio.gather(room.talk(room.ana, speaks_as=ANA), room.talk(room.ben))
        assert f"udp://{ben.media._to[0]}:{ben.media._to[1]}" == dojo.voice
        await room.hears(ben, {ANA})
        await until(lambda: ben_sees.connected == {room.ana.user, room.ben.user}, "both of them in again")


# Recordings


async def test_a_recording_has_everybody_where_the_clock_says(house: House) -> None:
    async with meeting(*house) as (room, ana_sees, ben_sees):
        ana, ben = await asyncio.gather(room.talk(room.ana), room.talk(room.ben))
        ana_says, ben_says = room.recite(ana), room.recite(ben)
        await record(room, True, ana_sees, ben_sees)
        late = await room.sit(room.ben)
        await until(lambda: late.last["recording"] is True, "word of it to who comes later")
        shown = await room.asked(200, room.ben, "GET", room.of_room() + "/voice")
        assert (shown["recording"], shown["recorded"]) == (True, True)
        began: dict[str, list[float]] = {room.ana.user: [], room.ben.user: []}
        for who, recital, pitch in (
            (room.ana, ana_says, 440.0), (room.ben, ben_says, 660.0), (room.ana, ana_says, 440.0)
        ):  # fmt: skip
            recital.say(tone(0.8, pitch))
            await until(lambda r=recital: r.silent, "all said")  # type: ignore[misc]
            began[who.user].append(recital.began)
            await asyncio.sleep(1.0)  # the pause is what is recorded
        await record(room, False, ana_sees, ben_sees, late)
        await until(lambda: finished(room, 2), "the files")
        (folder,) = parts(room)
        told = sidecars(folder)
        assert set(told) == set(began)
        assert {path.name for path in folder.iterdir()} == {
            f"{one.participant}{end}" for one in told.values() for end in ("-00000.opus", ".json")
        }
        for who in (room.ana, room.ben):
            sidecar = told[who.user]
            assert sidecar.participant == ben_sees.number(who)
            assert sidecar.ended_at is not None
            assert not sidecar.interrupted
            assert [segment.complete for segment in sidecar.segments] == [True]
            found = said(folder, sidecar)
            assert len(found) == len(began[who.user])
            off = [round(at - true, 4) for at, true in zip(found, began[who.user], strict=True)]
            assert all(abs(one) <= APART for one in off), off
        # While Ben spoke, and the pauses around it.
        gap = told[room.ana.user].gaps[-1]
        assert gap.seconds == pytest.approx(began[room.ana.user][1] - began[room.ana.user][0] - 0.8, abs=0.1)


async def test_the_end_of_a_dojo_ends_talk_and_recording_and_keeps_how_long_all_spoke(house: House) -> None:
    async with meeting(*house) as (room, ana_sees, ben_sees):
        ana, _ = await asyncio.gather(room.talk(room.ana), room.talk(room.ben, speaks_as=BEN))
        await until(lambda: ben_sees.connected == {room.ana.user, room.ben.user}, "both of them in")
        await record(room, True, ana_sees)
        ana_says = room.recite(ana)
        ana_says.say(tone(1.5))
        await until(lambda: ana_says.silent, "all said")
        await room.hears(ana, {BEN})
        await room.asked(200, room.ana, "PUT", f"{room.path}/end")
        ended = time.time()
        assert await silent(ana, BEN) < ended + GONE_SECONDS
        await until(lambda: finished(room, 2), "the files")
        (folder,) = parts(room)
        hers = sidecars(folder)[room.ana.user]
        (heard,) = bursts(decode(folder / hers.segments[0].file))
        assert heard[1] - heard[0] == pytest.approx(1.5, abs=0.05)
        seconds = await spoken(room)
        assert seconds[room.ana.user] == pytest.approx(1.5, abs=0.6)
        assert seconds[room.ben.user] > 1.5


async def test_what_was_recorded_before_a_kill_is_in_the_store_and_it_goes_on(house: House) -> None:
    dojo, _ = house
    async with meeting(*house) as (room, ana_sees, ben_sees):
        ana, _ = await asyncio.gather(room.talk(room.ana), room.talk(room.ben))
        await record(room, True, ben_sees)
        says = room.recite(ana)
        says.say(tone(10.0))
        await until(lambda: len(says.sent_at) >= 125, "what is said")
        times = await kill(dojo)
        killed = time.time()
        await until(lambda: ana_sees.socket.told_of("VOICE_LOST"), "VOICE_LOST")
        await until(lambda: bool(parts(room)), "the files of before")
        await back(dojo, times)
        again = await room.talk(room.ana)
        await until(lambda: ben_sees.last["recording"] is True and ben_sees.connected == {room.ana.user}, "recording")
        recital = room.recite(again)
        recital.say(tone(0.6))
        await until(lambda: recital.silent, "all said")
        await record(room, False, ben_sees)
        await until(lambda: len(parts(room)) == 2 and finished(room, 1), "the files of after")
        before, after = parts(room)
        first, second = sidecars(before)[room.ana.user], sidecars(after)[room.ana.user]
        assert (first.interrupted, second.interrupted) == (True, False)
        heard = decode(before / first.segments[0].file)
        assert first.segments[0].seconds == pytest.approx(len(heard) / RATE, abs=1e-3)
        assert first.started_at.timestamp() + first.segments[0].seconds > killed - 1.0
        for folder, sidecar, recital_began in ((before, first, says.began), (after, second, recital.began)):
            assert said(folder, sidecar)[0] == pytest.approx(recital_began, abs=APART)


async def test_the_trouble_of_a_recording_is_told(house: House) -> None:
    """A disk that takes nothing: the folder's place is taken by a file."""
    dojo, _ = house
    folder = DataDirectory(dojo.data_dir).recordings
    async with meeting(*house) as (room, ana_sees, ben_sees):
        ana, _ = await asyncio.gather(room.talk(room.ana), room.talk(room.ben))
        says = room.recite(ana)
        folder.mkdir(exist_ok=True)
        elsewhere = folder.rename(folder.with_name("elsewhere"))
        folder.touch()
        try:
            await record(room, True, ana_sees)
            says.say(tone(3.0))
            for scene in (ana_sees, ben_sees):
                await until(lambda s=scene: "recordingTrouble" in s.last, "what is wrong")  # type: ignore[misc]
                assert scene.last["recordingTrouble"] == "cannot write the recording: Not a directory"
            shown = await room.asked(200, room.ana, "GET", room.of_room() + "/voice")
            assert shown["recordingTrouble"] == "cannot write the recording: Not a directory"
        finally:
            folder.unlink()
            elsewhere.rename(folder)
        await until(lambda: "recordingTrouble" not in ana_sees.last, "that it is over")
        await until(lambda: says.silent, "all said")
        await record(room, False, ana_sees)
        await until(lambda: finished(room, 1), "the files")
        (part,) = parts(room)
        told = sidecars(part)[room.ana.user]
        assert [entry.text for entry in told.trouble] == ["cannot write the recording: Not a directory"]
        ((begin, end),) = bursts(decode(part / told.segments[0].file))
        assert end - begin == pytest.approx(3.0, abs=0.05)


async def test_a_clean_stop_says_goodbye_and_finishes_what_is_recorded(house: House) -> None:
    dojo, _ = house
    async with meeting(*house) as (room, ana_sees, _):
        ana, ben = await asyncio.gather(room.talk(room.ana), room.talk(room.ben))
        await record(room, True, ana_sees)
        says = room.recite(ana)
        says.say(tone(10.0))
        await until(lambda: len(says.sent_at) >= 50, "what is said")
        ended: list[bytes] = []
        ben.media._dtls = ended.append  # type: ignore[assignment, method-assign]  # the close alert comes here
        longest = Programs.own().voice.stop_seconds
        begun = time.monotonic()
        await dojo.stop()
        took = time.monotonic() - begun
        try:
            assert ended
            assert took < longest, "who takes longer is killed"
            assert longest - 2.0 > WRITE_SECONDS + UPLOAD_SECONDS, "also if the store is away"
            (folder,) = parts(room)
            hers = sidecars(folder)[room.ana.user]
            assert hers.ended_at is not None
            assert [segment.complete for segment in hers.segments] == [True]
            assert said(folder, hers) == [pytest.approx(says.began, abs=APART)]
            assert list(DataDirectory(dojo.data_dir).recordings.iterdir()) == []
        finally:
            await dojo.start()
