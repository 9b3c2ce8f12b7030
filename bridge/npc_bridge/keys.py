"""Who may connect from another machine: CURVE key pairs, and the list of those whom a brain lets in.

A folder holds `server.toml` (the brain's pair), `peers.toml` (who is let in, as what) and, until it is handed over,
`NAME.toml` for each peer: its own pair and the brain's public key. Secrets are readable by their owner alone.
"""

from __future__ import annotations

import json
import os
import re
import struct
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import zmq
from zmq.utils import z85

from .errors import KeysError

ROLES = {"game": "connects games", "designer": "turns weights, and reads telemetry", "observer": "reads telemetry"}
"""What a peer may do, by its role."""

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")


@dataclass(frozen=True, slots=True)
class PeerKeys:
    """What one peer needs to connect: Z85 texts of 40 characters."""

    server: str  # the brain's public key
    public: str
    secret: str

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> PeerKeys:
        """Reads a peer's file.

        Raises:
            KeysError: it is not there, or holds something else.
        """
        table = _read(Path(path))
        return cls(*(_key(table, name, Path(path)) for name in ("server", "public", "secret")))


@dataclass(frozen=True, slots=True)
class Peer:
    """One that is let in."""

    name: str
    public: str
    roles: tuple[str, ...]

    def may(self, role: str) -> bool:
        """Says whether it may do what a role does."""
        return role in self.roles or (role == "observer" and "designer" in self.roles)


@dataclass(frozen=True, slots=True)
class ServerKeys:
    """A brain's key folder. Everything is read from it when it is asked for, so that changes count at once."""

    folder: Path

    @classmethod
    def make(cls, folder: str | os.PathLike[str]) -> ServerKeys:
        """Makes a folder with a new pair, which lets nobody in.

        Raises:
            KeysError: there is one already, or it cannot be written.
        """
        keys = cls(Path(folder))
        if keys._server.exists():
            raise KeysError(f"keys: expected no keys in {folder} yet, got {keys._server.name}; rotate replaces them")
        with keys._changing():
            keys.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            keys._write_pair()
            keys._write_peers(())
        return keys

    @property
    def pair(self) -> tuple[str, str]:
        """The brain's public and secret key.

        Raises:
            KeysError: there is no such file, or it holds something else.
        """
        table = _read(self._server)
        return _key(table, "public", self._server), _key(table, "secret", self._server)

    @property
    def peers(self) -> tuple[Peer, ...]:
        """Those who are let in.

        Raises:
            KeysError: there is no such file, or it holds something else.
        """
        rows = _read(self._peers).get("peer", [])
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise KeysError(f"{self._peers.name}: expected tables [[peer]], got {rows!r:.80}")
        peers = tuple(self._peer(row) for row in rows)
        for what in ("name", "public"):
            values = [getattr(peer, what) for peer in peers]
            for value in values:
                if values.count(value) > 1:
                    raise KeysError(f"{self._peers.name}: expected every {what} once, got {value!r} again")
        return peers

    @property
    def stamp(self) -> int:
        """Changes when the list of peers does; 0 where there is none."""
        try:
            return self._peers.stat().st_mtime_ns
        except OSError:
            return 0

    def add(self, name: str, roles: Sequence[str]) -> Path:
        """Lets a peer in, by a new pair; returns the file to hand over to it.

        Raises:
            KeysError: the name is taken or none, or a role is unknown.
        """
        if not _NAME.fullmatch(name) or name in ("server", "peers"):
            raise KeysError(f"keys: expected a name of small letters, digits, - and _, got {name!r}")
        with self._changing():
            if any(peer.name == name for peer in self.peers):
                raise KeysError(f"keys: '{name}' is let in already; rotate gives it another key")
            return self._let_in(name, _roles(roles, f"peer '{name}'"), self.peers)

    def remove(self, name: str) -> None:
        """Lets a peer in no longer. Connections that it has stay until they break.

        Raises:
            KeysError: there is no such peer.
        """
        with self._changing():
            self._peer_named(name)
            self._write_peers([peer for peer in self.peers if peer.name != name])
            self._file(name).unlink(missing_ok=True)

    def rotate(self, name: str = "") -> tuple[Path, ...]:
        """Gives a peer another pair; without a name the brain, whose peers then need their new files.

        Returns:
            The files to hand over.

        Raises:
            KeysError: there is no such peer.
        """
        with self._changing():
            if name:
                old = self._peer_named(name)
                return (self._let_in(name, old.roles, [peer for peer in self.peers if peer.name != name]),)
            handed = {p.name: PeerKeys.load(self._file(p.name)) for p in self.peers if self._file(p.name).exists()}
            self._write_pair()
            for peer, keys in handed.items():
                self._hand_over(peer, replace(keys, server=self.pair[0]))
            return tuple(self._file(peer) for peer in handed)

    @property
    def _server(self) -> Path:
        return self.folder / "server.toml"

    @property
    def _peers(self) -> Path:
        return self.folder / "peers.toml"

    def _file(self, name: str) -> Path:
        return self.folder / f"{name}.toml"

    def _peer_named(self, name: str) -> Peer:
        for peer in self.peers:
            if peer.name == name:
                return peer
        known = ", ".join(peer.name for peer in self.peers) or "(nobody is let in)"
        raise KeysError(f"keys: expected one of {known}, got '{name}'")

    def _peer(self, row: Mapping[str, object]) -> Peer:
        name, roles = row.get("name"), row.get("roles")
        if not isinstance(name, str) or not _NAME.fullmatch(name) or not isinstance(roles, list):
            raise KeysError(f"{self._peers.name}: expected name, public and roles of every peer, got {row!r:.80}")
        return Peer(name, _key(row, "public", self._peers), _roles(roles, f"{self._peers.name}: peer '{name}'"))

    def _let_in(self, name: str, roles: tuple[str, ...], others: Sequence[Peer]) -> Path:
        public, secret = (half.decode() for half in zmq.curve_keypair())
        path = self._hand_over(name, PeerKeys(self.pair[0], public, secret))
        self._write_peers([*others, Peer(name, public, roles)])
        return path

    def _hand_over(self, name: str, keys: PeerKeys) -> Path:
        text = f'server = "{keys.server}"\npublic = "{keys.public}"\nsecret = "{keys.secret}"\n'
        _write_secret(self._file(name), text)
        return self._file(name)

    def _write_pair(self) -> None:
        public, secret = (half.decode() for half in zmq.curve_keypair())
        _write_secret(self._server, f'public = "{public}"\nsecret = "{secret}"\n')

    def _write_peers(self, peers: Sequence[Peer]) -> None:
        rows = (
            f'[[peer]]\nname = "{peer.name}"\npublic = "{peer.public}"\nroles = {json.dumps(peer.roles)}\n'
            for peer in peers
        )
        _write_secret(self._peers, "\n".join(rows))  # no secret, but who may write it lets peers in

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Keeps other commands out meanwhile, and turns what the file system says no to into KeysError."""
        try:
            with _alone(self.folder):
                yield
        except OSError as error:
            raise KeysError(
                f"keys: expected a folder that can be written, got {self.folder}: {error.strerror}"
            ) from None


def decoded(key: str) -> bytes:
    """Returns the 32 bytes of a key."""
    return z85.decode(key.encode())


def _roles(names: Sequence[object], where: str) -> tuple[str, ...]:
    for name in names:
        if not isinstance(name, str) or name not in ROLES:
            raise KeysError(f"{where}: expected roles of {', '.join(ROLES)}, got {name!r}")
    if not names:
        raise KeysError(f"{where}: expected at least one role of {', '.join(ROLES)}, got none")
    return tuple(dict.fromkeys(str(name) for name in names))


def _read(path: Path) -> Mapping[str, object]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise KeysError(f"keys: expected a file {path}: {error.strerror}; npc-sdk keys makes one") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise KeysError(f"{path.name}: expected TOML, got: {error}") from None


def _key(table: Mapping[str, object], name: str, path: Path) -> str:
    value = table.get(name)
    try:
        if isinstance(value, str) and len(value) == 40 and len(decoded(value)) == 32:
            return value
    except (KeyError, ValueError, struct.error):  # what z85 makes of other characters, and of too large a group
        pass
    raise KeysError(f"{path.name}: expected '{name}', a key of 40 characters (Z85)")  # a secret is never printed


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Waits until nobody else changes a folder, where the system can tell (not on Windows)."""
    if os.name == "nt" or not folder.is_dir():
        yield
        return
    import fcntl

    held = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
    finally:
        os.close(held)


def _write_secret(path: Path, text: str) -> None:
    whole = path.with_suffix(".new")
    whole.unlink(missing_ok=True)
    with os.fdopen(os.open(whole, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    whole.replace(path)
