"""The pseudonymisation key of a home: made once, rotated on demand, destroyed at the legal end of the experiment.

A key is 32 random bytes in `keys/vN.key` (0600). Each purpose has its own sub-key (HKDF-SHA-256, RFC 5869), so that
values made for one purpose cannot be compared with those of another. A pseudonym is HMAC-SHA-256 (RFC 2104): a bare
hash would fall to enumeration, the space of social-security numbers being small.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import shutil
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from pipeline.home import Home, HomeError

KEY_BYTES = 32
BLOCK_BYTES = 64
PSEUDONYM_HEX = 32
DESTROYED = "DESTROYED"


class Purpose(StrEnum):
    """What a sub-key is for."""

    PERSON = "person"
    CASE = "case"
    TOMBSTONE = "tombstone"
    INPUT_HASH = "input-hash"


@dataclass(frozen=True, slots=True)
class Key:
    """One version of the key."""

    version: int
    secret: bytes

    def __repr__(self) -> str:
        return f"Key(version={self.version})"

    @property
    def id(self) -> str:
        """Public name of the key: tells two keys apart, tells nothing of either."""
        return f"v{self.version}:{hmac.new(self.secret, b'key-id', hashlib.sha256).hexdigest()[:12]}"

    def subkey(self, purpose: Purpose) -> bytes:
        """32 bytes derived for one purpose."""
        return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=f"pdp/{purpose}".encode()).derive(self.secret)

    def digest(self, purpose: Purpose, value: str) -> str:
        """HMAC of a value, 64 hexadecimal digits."""
        return hmac.new(self.subkey(purpose), value.encode(), hashlib.sha256).hexdigest()

    def pads(self, purpose: Purpose) -> dict[str, bytes]:
        """HMAC's inner and outer pads as SQL parameters `<purpose>_inner`, `<purpose>_outer`: see `pseudonym_sql`."""
        padded = self.subkey(purpose).ljust(BLOCK_BYTES, b"\0")
        name = purpose.value.replace("-", "_")
        return {
            f"{name}_inner": bytes(byte ^ 0x36 for byte in padded),
            f"{name}_outer": bytes(byte ^ 0x5C for byte in padded),
        }


def pseudonym_sql(purpose: Purpose, value: str, version: int) -> str:
    """SQL for `vN:` and 128 bits of HMAC-SHA-256 of a text expression, over whole columns; NULL stays NULL.

    RFC 2104 written with DuckDB's sha256: H((K ^ opad) || H((K ^ ipad) || text)).
    """
    name = purpose.value.replace("-", "_")
    inner = f"unhex(sha256(${name}_inner::BLOB || encode({value})))"
    return f"'v{version}:' || substr(sha256(${name}_outer::BLOB || {inner}), 1, {PSEUDONYM_HEX})"


def _paths(home: Home) -> list[Path]:
    found = [path for path in home.keys.glob("v*.key") if path.stem[1:].isdigit()]
    return sorted(found, key=lambda path: int(path.stem[1:]))


def current(home: Home) -> Key:
    """The newest key.

    Raises:
        HomeError: there is none, it was destroyed, or others can read it.
    """
    _refuse_destroyed(home)
    paths = _paths(home)
    if not paths:
        raise HomeError(f"no key in {home.keys}; make one with: pdp key init --home {home.root}")
    return _read(paths[-1])


def every(home: Home) -> list[Key]:
    """Every version of the key, oldest first."""
    return [_read(path) for path in _paths(home)]


def _read(path: Path) -> Key:
    if path.stat().st_mode & 0o077:
        raise HomeError(f"{path} can be read by others; restrict it with: chmod 600 {path}")
    try:
        secret = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except ValueError:
        secret = b""
    if len(secret) != KEY_BYTES:
        raise HomeError(f"{path} is not a key of {KEY_BYTES} bytes in hexadecimal; restore it from its backup")
    return Key(int(path.stem[1:]), secret)


def _refuse_destroyed(home: Home) -> None:
    if (home.keys / DESTROYED).exists():
        raise HomeError("the key of this home was destroyed for good; a new study needs a new home")


def _draw(version: int) -> Key:
    return Key(version, secrets.token_bytes(KEY_BYTES))


def _store(home: Home, key: Key) -> Key:
    """Write a key, whole or not at all, and never over another."""
    path = home.keys / f"v{key.version}.key"
    partial = home.keys / f".{path.name}.partial"
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
        file.write(key.secret.hex() + "\n")
        file.flush()
        os.fsync(file.fileno())
    os.link(partial, path)
    partial.unlink()
    return key


def ensure(home: Home) -> Key:
    """The newest key, made where none exists.

    Raises:
        HomeError: the key was destroyed, or others can read it.
    """
    _refuse_destroyed(home)
    return current(home) if _paths(home) else _store(home.prepare(), _draw(1))


def init(home: Home) -> str:
    """Make the first key.

    Raises:
        HomeError: there is one already, or it was destroyed.
    """
    home.prepare()
    _refuse_destroyed(home)
    if _paths(home):
        held = current(home).id
        raise HomeError(f"{home.keys} already holds a key ({held}); a new version comes with: pdp key rotate")
    return f"key {_store(home, _draw(1)).id} made in {home.keys}; keep a copy apart from the data"


def rotate(home: Home) -> str:
    """Make a new version; the restricted zone is computed again with it at the next run.

    The transition table, old pseudonym to new, is written for every insured person delivered so far, before the key:
    a key never comes without it.

    Raises:
        HomeError: there is no key, it was destroyed, or others can read it.
    """
    from pipeline.identity.transition import write_transition

    old = current(home)
    new = _draw(old.version + 1)
    persons = write_transition(home, old, new)
    _store(home, new)
    return f"key {new.id} replaces {old.id}; transition table of {persons} persons in the restricted zone"


def destroy(home: Home) -> str:
    """Remove every key and every file that could rebuild the link between a person and a pseudonym.

    Keys are overwritten before they are removed. The working files of the restricted zone hold identifiers
    (validated, quarantine) or pseudonyms beside dates that would identify (work, transitions): they go too. Published
    releases and the ledger of published cells stay.
    """
    home.prepare()
    # First, so that a crash further on cannot leave a home that makes itself a new key.
    (home.keys / DESTROYED).touch(mode=0o600)
    for path in [*home.keys.glob("v*.key"), *home.keys.glob(".v*.partial")]:
        with path.open("r+b") as file:
            file.write(secrets.token_bytes(path.stat().st_size))
            file.flush()
            os.fsync(file.fileno())
        path.unlink()
    for name in ("validated", "quarantine", "intake", "incoming", "work", "transitions", "scratch"):
        shutil.rmtree(home.restricted / name, ignore_errors=True)
    home.tombstones.unlink(missing_ok=True)
    return "keys destroyed; pseudonyms can no longer be linked to persons, and this home makes no further release"
