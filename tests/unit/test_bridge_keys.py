"""A brain's folder of keys: who is let in as what, what is handed over, and what is said about nonsense."""

from __future__ import annotations

import json
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from documented import documented_keys, printed_keys

from npc_bridge.errors import KeysError
from npc_bridge.keys import Peer, PeerKeys, ServerKeys, decoded
from npc_sdk import cli


@pytest.fixture
def keys(tmp_path: Path) -> ServerKeys:
    return ServerKeys.make(tmp_path / "keys")


def test_a_new_folder_has_a_pair_and_lets_nobody_in(keys: ServerKeys) -> None:
    public, secret = keys.pair
    assert public != secret
    assert [len(decoded(key)) for key in keys.pair] == [32, 32]
    assert keys.peers == ()
    with pytest.raises(KeysError, match=r"expected no keys in .* yet, got server.toml"):
        ServerKeys.make(keys.folder)


def test_a_peer_is_let_in_by_a_file_that_is_handed_over(keys: ServerKeys) -> None:
    path = keys.add("arcade-1", ["game", "observer", "game"])
    assert path == keys.folder / "arcade-1.toml"
    handed = PeerKeys.load(path)
    assert keys.peers == (Peer("arcade-1", handed.public, ("game", "observer")),)
    assert handed.server == keys.pair[0]
    assert handed.secret not in (keys.folder / "peers.toml").read_text()
    second = PeerKeys.load(keys.add("panel", ["designer"]))
    assert second.public != handed.public
    assert [peer.name for peer in keys.peers] == ["arcade-1", "panel"]
    assert stat.S_IMODE(keys.folder.stat().st_mode) == 0o700
    for name in ("server.toml", "arcade-1.toml", "peers.toml"):
        assert stat.S_IMODE((keys.folder / name).stat().st_mode) == 0o600
    assert not list(keys.folder.glob("*.new"))


@pytest.mark.parametrize(
    ("roles", "may"),
    [
        (("game",), {"game"}),
        (("designer",), {"designer", "observer"}),
        (("observer",), {"observer"}),
        (("game", "designer"), {"game", "designer", "observer"}),
    ],
)
def test_a_designer_may_look_and_nobody_else_may_more_than_their_roles(roles: tuple[str, ...], may: set[str]) -> None:
    peer = Peer("x", "", roles)
    assert {role for role in ("game", "designer", "observer", "") if peer.may(role)} == may


def test_peers_that_are_added_at_once_are_all_let_in(keys: ServerKeys) -> None:
    names = [f"peer-{i}" for i in range(24)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: ServerKeys(keys.folder).add(name, ["game"]), names))
    assert {peer.name for peer in keys.peers} >= set(names)


def test_a_removed_peer_is_gone_with_its_file(keys: ServerKeys) -> None:
    path, before = keys.add("one", ["game"]), keys.stamp
    keys.add("two", ["game"])
    keys.remove("one")
    assert [peer.name for peer in keys.peers] == ["two"]
    assert not path.exists()
    assert keys.stamp != before
    with pytest.raises(KeysError, match="expected one of two, got 'one'"):
        keys.remove("one")
    keys.remove("two")
    with pytest.raises(KeysError, match="nobody is let in"):
        keys.rotate("two")


def test_a_brain_without_its_own_keys_lets_nobody_in_halfway(keys: ServerKeys) -> None:
    (keys.folder / "server.toml").unlink()
    with pytest.raises(KeysError, match=r"server.toml"):
        keys.add("one", ["game"])
    assert keys.peers == ()


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(KeysError, match="expected a folder that can be written"):
        ServerKeys.make(tmp_path / "file" / "keys")


def test_rotating_gives_a_peer_or_the_brain_another_pair(keys: ServerKeys) -> None:
    for name in ("one", "two"):
        keys.add(name, ["designer"])
    old, server = {peer.name: peer.public for peer in keys.peers}, keys.pair
    assert keys.rotate("one") == (keys.folder / "one.toml",)
    new = {peer.name: peer for peer in keys.peers}
    assert new["one"].public != old["one"]
    assert new["one"].roles == ("designer",)
    assert new["two"].public == old["two"]
    (keys.folder / "two.toml").unlink()  # handed over: its owner changes the line by hand, or asks for another key
    assert keys.rotate() == (keys.folder / "one.toml",)
    assert set(keys.pair).isdisjoint(server)
    handed = PeerKeys.load(keys.folder / "one.toml")
    assert (handed.server, handed.public) == (keys.pair[0], new["one"].public)


@pytest.mark.parametrize("name", ["", "A", "server", "peers", "../x", "a b", "x" * 33, "-x", "ä"])
def test_a_name_that_is_none_is_refused(keys: ServerKeys, name: str) -> None:
    with pytest.raises(KeysError, match="expected a name of small letters"):
        keys.add(name, ["game"])
    assert keys.peers == ()


def test_a_name_twice_and_roles_that_are_none_are_refused(keys: ServerKeys) -> None:
    keys.add("one", ["game"])
    with pytest.raises(KeysError, match="'one' is let in already"):
        keys.add("one", ["game"])
    for roles, told in ((["boss"], "got 'boss'"), ([], "at least one role of game, designer, observer")):
        with pytest.raises(KeysError, match=told):
            keys.add("two", roles)


@pytest.mark.parametrize(
    ("file", "text", "told"),
    [
        ("server.toml", None, "expected a file .*server.toml: No such file.*npc-sdk keys makes one"),
        ("server.toml", "public = 3", "server.toml: expected 'public', a key of 40 characters"),
        ("server.toml", "public = 'short'", "server.toml: expected 'public'"),
        ("server.toml", "= =", "server.toml: expected TOML"),
        ("peers.toml", None, "expected a file .*peers.toml"),
        ("peers.toml", "peer = 3", r"peers.toml: expected tables \[\[peer\]\], got 3"),
        ("peers.toml", "peer = [3]", "expected tables"),
        ("peers.toml", "[[peer]]\nname = 'x'", "expected name, public and roles of every peer"),
        ("peers.toml", "[[peer]]\nname = 'x'\nroles = ['game']", "expected 'public'"),
        ("peers.toml", f"[[peer]]\nname = 'x'\npublic = '{'k' * 40}'\nroles = ['king']", "peer 'x': expected roles"),
        ("peers.toml", f"[[peer]]\nname = 'x'\npublic = '{'k' * 40}'\nroles = [['game']]", "peer 'x': expected roles"),
        ("peers.toml", f"[[peer]]\nname = 'x'\npublic = '{'~' * 40}'\nroles = ['game']", "expected 'public', a key"),
        ("peers.toml", f"[[peer]]\nname = 'x'\npublic = '{'#' * 40}'\nroles = ['game']", "expected 'public', a key"),
        ("peers.toml", f"[[peer]]\nname = 'x'\npublic = '{'ä' * 40}'\nroles = ['game']", "expected 'public', a key"),
        ("peers.toml", f"[[peer]]\nname = '../x'\npublic = '{'k' * 40}'\nroles = ['game']", "expected name, public"),
        (
            "peers.toml",
            f"[[peer]]\nname = 'x'\npublic = '{'k' * 40}'\nroles = ['game']\n" * 2,
            "every name once, got 'x'",
        ),
        ("server.toml", f"public = '{'~' * 40}'", "server.toml: expected 'public'"),
    ],
)
def test_a_broken_file_says_what_and_where(keys: ServerKeys, file: str, text: str | None, told: str) -> None:
    path = keys.folder / file
    path.unlink() if text is None else path.write_text(text)
    with pytest.raises(KeysError, match=told):
        _ = keys.pair, keys.peers
    assert (keys.stamp == 0) == (file == "peers.toml" and text is None)


def test_the_command_does_it_all_and_prints_no_secret(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = str(tmp_path / "keys")
    commands = (
        ["make", folder],
        ["add", folder, "arcade", "--roles", "game", "observer"],
        ["add", folder, "panel", "--roles", "designer"],
        ["rotate", folder, "arcade"],
        ["rotate", folder],
        ["remove", folder, "panel"],
        ["list", folder, "--json"],
    )
    for command in commands:
        assert cli.main(["keys", *command]) == 0
    out = capsys.readouterr().out
    assert "hand over" in out
    found = json.loads(out.splitlines()[-1])
    [peer] = ServerKeys(tmp_path / "keys").peers
    assert found == {
        "server": ServerKeys(tmp_path / "keys").pair[0],
        "peers": [{"name": "arcade", "roles": ["game", "observer"], "public": peer.public}],
        "written": [],
    }
    assert printed_keys(found) == documented_keys("keys")
    for path in (tmp_path / "keys").glob("*.toml"):
        for line in path.read_text().splitlines():
            if line.startswith("secret"):
                assert line.split('"')[1] not in out
    assert cli.main(["keys", "add", folder, "arcade"]) == cli.USAGE
    assert "is let in already" in capsys.readouterr().err
