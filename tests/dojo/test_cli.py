"""The command line: tokens on standard output, errors on standard error, the right exit codes."""

from __future__ import annotations

import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dojo.cli import main
from dojo.names import tenant_id, user_id
from kernel.tokens import RoomClaims, SigningKey


def token(data_dir: Path, *arguments: str) -> list[str]:
    return ["token", "--data-dir", str(data_dir), "--tenant", "acme", "--user", "ana", *arguments]


def claims(data_dir: Path, printed: str) -> RoomClaims:
    assert printed.count("\n") == 1
    key = SigningKey.load_or_create(data_dir / "keys" / "token.jwk")
    return key.verifier().verify(printed.strip(), time.time())


def test_the_installed_command_prints_just_the_token(tmp_path: Path) -> None:
    command = [str(Path(sys.executable).parent / "dojo"), *token(tmp_path / "d", "--rooms", "*")]
    run = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert (run.returncode, run.stderr) == (0, "")
    found = claims(tmp_path / "d", run.stdout)
    assert (found.tid, found.sub) == (tenant_id("acme"), user_id(tenant_id("acme"), "ana"))
    assert (found.rooms, found.write, found.name) == (("*",), True, "ana")
    assert found.exp - found.iat == 12 * 3600
    assert stat.S_IMODE((tmp_path / "d").stat().st_mode) == 0o700


def test_options_of_a_token(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--rooms", "a,b", "--rooms", "two words", "--read-only", "--hours", "0.5", "--name", "Ana B."]
    assert main(token(tmp_path, *options)) == 0
    found = claims(tmp_path, capsys.readouterr().out)
    assert (found.rooms, found.write, found.name) == (("a", "b", "two words"), False, "Ana B.")
    assert found.exp - found.iat == 1800


def test_all_rooms_leave_no_others_to_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(token(tmp_path, "--rooms", "a", "--rooms", "*")) == 0
    assert claims(tmp_path, capsys.readouterr().out).rooms == ("*",)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--rooms", ","], "at least one room"),
        (["--rooms", "a", "--hours", "0"], "--hours"),
        (["--rooms", "a", "--hours", "nan"], "--hours"),
        (["--rooms", "x" * 201], "is no room"),
        (["--rooms", "a/b"], "'a/b' is no room"),
        (["--rooms", ",".join(f"a room with a rather long name {n}" for n in range(300))], "Use '*'"),
        (["--rooms", "a", "--user", ""], "empty"),
    ],
)
def test_what_makes_no_sense_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    assert main(token(tmp_path, *arguments)) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("dojo: ")
    assert said in printed.err


def test_with_a_database_of_ones_own_people_sign_in_instead(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOJO_DATABASE__JOURNAL", "postgresql://dojo_journal@127.0.0.1:1/dojo")
    monkeypatch.setenv("DOJO_DATABASE__SERVICE", "postgresql://dojo_service@127.0.0.1:1/dojo")
    assert main(token(tmp_path, "--rooms", "*")) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("dojo: `dojo token` is for a Dojo with a database of its own")
    assert list(tmp_path.iterdir()) == [], "no key was made"


def test_a_wrong_setting_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOJO_LIMITS__MESSAGE_BYTE", "1")
    assert main(["serve", "--data-dir", str(tmp_path)]) == 1
    assert "did you mean `message_bytes`" in capsys.readouterr().err


def test_a_port_that_is_none_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--data-dir", str(tmp_path), "--port", "70000"]) == 1
    assert "70000 is no port" in capsys.readouterr().err


def test_without_a_command_there_is_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([])
    assert ended.value.code == 2
    assert "usage: dojo" in capsys.readouterr().err


def test_migrate_brings_an_embedded_database_up_to_date_once(tmp_path: Path) -> None:
    command = [str(Path(sys.executable).parent / "dojo"), "migrate", "--data-dir", str(tmp_path / "d")]
    first = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (first.returncode, first.stdout.splitlines()[0]) == (0, "kernel/0001_tenants.sql"), first.stderr
    second = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (second.returncode, second.stdout) == (0, "nothing to do\n"), second.stderr


def test_migrate_says_when_the_database_cannot_be_reached(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "dojo.toml"
    config.write_text(f'[database]\nowner = "postgresql://dojo_owner@/dojo?host={tmp_path}"\n')
    command = [str(Path(sys.executable).parent / "dojo"), "migrate", "--config", str(config)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 1
    assert "dojo: cannot migrate the database" in run.stderr
