"""The key: made once, private, rotated, destroyed; pseudonyms are HMAC-SHA-256 with a sub-key for each purpose."""

from __future__ import annotations

import hashlib
import hmac
import os
import stat
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import database
from pipeline.home import Home, HomeError
from pipeline.identity import keys
from pipeline.identity.keys import Key, Purpose, pseudonym_sql
from tests.deliveries.samples import Place
from tests.identity.worlds import land_two_persons, road, table

SECRETS = st.binary(min_size=32, max_size=32)
TEXTS = st.lists(st.none() | st.text(st.characters(blacklist_categories=["Cs"]), max_size=200), min_size=1, max_size=20)


@settings(max_examples=40, deadline=None)
@given(SECRETS, TEXTS, st.sampled_from([Purpose.PERSON, Purpose.CASE]), st.integers(1, 99))
def test_sql_writes_the_hmac_of_the_standard_library(
    secret: bytes, values: list[str | None], purpose: Purpose, version: int
) -> None:
    key = Key(version, secret)
    with database.connect() as connection:
        connection.register("given", pa.table({"n": range(len(values)), "value": pa.array(values, pa.string())}))
        query = f"SELECT {pseudonym_sql(purpose, 'value', version)} FROM given ORDER BY n"
        found = [row[0] for row in connection.execute(query, key.pads(purpose)).fetchall()]
    for value, pseudonym in zip(values, found, strict=True):
        if value is None:
            assert pseudonym is None
            continue
        expected = hmac.new(key.subkey(purpose), value.encode(), hashlib.sha256).hexdigest()
        assert pseudonym == f"v{version}:{expected[:32]}"
        assert key.digest(purpose, value) == expected


def test_a_sub_key_is_hkdf_of_rfc_5869() -> None:
    secret = bytes(range(32))
    extracted = hmac.new(bytes(32), secret, hashlib.sha256).digest()
    expanded = hmac.new(extracted, b"pdp/person\x01", hashlib.sha256).digest()
    assert Key(1, secret).subkey(Purpose.PERSON) == expanded


def test_purposes_and_keys_give_values_that_cannot_be_compared() -> None:
    found = [Key(1, bytes([n]) * 32).digest(purpose, "x") for n in (1, 2) for purpose in Purpose]
    assert len(set(found)) == len(found) == 2 * len(Purpose)


def test_a_key_never_shows_itself() -> None:
    key = Key(3, b"s" * 32)
    for text in (repr(key), str(key), f"{[key]}", key.id):
        assert key.secret.hex() not in text
        assert "ssss" not in text


def test_the_first_key_is_private_and_random(tmp_path: Path) -> None:
    homes = [Home(tmp_path / name) for name in ("a", "b")]
    for home in homes:
        keys.init(home)
        path = home.keys / "v1.key"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert [p.name for p in home.keys.iterdir()] == ["v1.key"]
    assert keys.current(homes[0]).secret != keys.current(homes[1]).secret


def test_a_key_is_made_once(tmp_path: Path) -> None:
    home = Home(tmp_path)
    first = keys.ensure(home)
    assert keys.ensure(home) == first == keys.current(home)
    with pytest.raises(HomeError, match="already holds a key"):
        keys.init(home)


def test_a_home_without_key_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(HomeError, match="pdp key init"):
        keys.current(Home(tmp_path))


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o610, 0o644])
def test_a_key_that_others_can_touch_is_refused(tmp_path: Path, mode: int) -> None:
    home = Home(tmp_path)
    keys.init(home)
    (home.keys / "v1.key").chmod(mode)
    for use in (keys.current, keys.ensure, keys.every, keys.rotate):
        with pytest.raises(HomeError, match="can be read by others; restrict it with: chmod 600"):
            use(home)


@pytest.mark.parametrize("text", ["", "00", "z" * 64, "é", "ab" * 33])
def test_a_damaged_key_is_refused_without_being_shown(tmp_path: Path, text: str) -> None:
    home = Home(tmp_path)
    keys.init(home)
    (home.keys / "v1.key").write_text(text, encoding="utf-8")
    with pytest.raises(HomeError, match="is not a key of 32 bytes") as error:
        keys.current(home)
    assert not text or text not in str(error.value).replace(str(home.keys), "").replace("v1.key", "").replace("32", "")


def test_a_crash_while_a_key_is_written_leaves_no_half_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = Home(tmp_path)
    keys.init(home)
    first = keys.current(home)
    monkeypatch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        keys.rotate(home)
    monkeypatch.undo()
    assert keys.current(home) == first
    keys.rotate(home)
    assert [key.version for key in keys.every(home)] == [1, 2]


def test_the_newest_of_many_keys_is_current(tmp_path: Path) -> None:
    home = Home(tmp_path)
    keys.init(home)
    for _ in range(10):
        keys.rotate(home)
    assert keys.current(home).version == 11
    assert [key.version for key in keys.every(home)] == list(range(1, 12))
    (home.keys / "vieille.key").write_text("x", encoding="utf-8")
    assert keys.current(home).version == 11


def test_a_rotation_changes_every_pseudonym_and_keeps_the_way_between(here: Place) -> None:
    land_two_persons(here)
    road(here)
    before = {row["sex"]: row["person_id"] for row in table(here, "persons")}
    keys.rotate(here.home)
    road(here)
    after = {row["sex"]: row["person_id"] for row in table(here, "persons")}
    assert {str(name)[:3] for name in after.values()} == {"v2:"}
    (path,) = here.home.transitions.iterdir()
    way = {row["old_person_id"]: row["new_person_id"] for row in pq.read_table(path).to_pylist()}
    assert way == {before[sex]: after[sex] for sex in before}


def test_destroying_leaves_nothing_that_links(here: Place) -> None:
    land_two_persons(here)
    road(here)
    keys.rotate(here.home)
    secrets = [key.secret.hex() for key in keys.every(here.home)]
    release = here.home.release("2023-02")
    release.mkdir(parents=True)
    (release / "a.csv").write_text("x", encoding="utf-8")
    here.home.ledger.mkdir(parents=True)
    keys.destroy(here.home)
    left = [path for path in here.home.root.rglob("*") if path.is_file()]
    assert sorted(path.name for path in left) == ["DESTROYED", "a.csv"]
    assert not any(secret in path.read_text(encoding="utf-8") for path in left for secret in secrets)
    assert here.home.ledger.is_dir()
    for use in (keys.current, keys.ensure, keys.init, keys.rotate):
        with pytest.raises(HomeError, match="destroyed for good"):
            use(here.home)
    with pytest.raises(HomeError, match="destroyed for good"):
        road(here)


def test_a_destruction_that_crashes_cannot_be_undone_by_a_run(here: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    keys.init(here.home)
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        keys.destroy(here.home)
    monkeypatch.undo()
    with pytest.raises(HomeError, match="destroyed for good"):
        keys.ensure(here.home)
    keys.destroy(here.home)
    assert list(here.home.keys.glob("*.key")) == []
