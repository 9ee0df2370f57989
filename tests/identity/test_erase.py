"""An erased person leaves every stored row and does not come back by any of their identifiers."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipeline.home import HomeError
from pipeline.identity import keys
from pipeline.identity.erase import Tombstones, erase
from tests.deliveries.samples import Place, agreement, insured, line, measure, nir, report, worked
from tests.identity.worlds import PERSON_LEVEL, land_two_persons, road, sexes, table

NEXT = "2023-04"


def requested(here: Place, **identifier: str) -> str:
    path = here.home.root / "request.jsonl"
    path.write_text(json.dumps(identifier) + "\n", encoding="utf-8")
    return erase(here.home, path)


def stored(here: Place) -> dict[str, int]:
    """Rows stored by table, quarantine included."""
    found: dict[str, int] = {}
    for kind in ("validated", "quarantine"):
        for path in (here.home.restricted / kind).rglob("*.parquet"):
            rows = pq.read_metadata(path).num_rows
            found[path.parent.name] = found.get(path.parent.name, 0) + rows
    return found


def mentions(here: Place, *values: str) -> list[str]:
    """Restricted files in which a value can be read (Parquet is decoded)."""
    files = []
    for path in here.home.restricted.rglob("*"):
        if path.is_file():
            text = repr(pq.read_table(path, partitioning=None).to_pylist()) if path.suffix == ".parquet" else ""
            text = text or path.read_bytes().decode("latin-1")
            files += [path.name for value in values if value in text]
    return files


@pytest.fixture
def two(here: Place) -> Place:
    land_two_persons(here)
    here.put("accords", [agreement(1), agreement(2), agreement(1, mode="FAX")])
    road(here)
    return here


IDENTIFIERS = (nir(1), "PSA00000000000001", "ANO00000000000001", "D1", "B1")


@pytest.mark.parametrize("identifier", [{"nir": nir(1)}, {"dossier_id": "D1"}])
def test_nothing_of_the_person_is_left_in_the_restricted_zone(two: Place, identifier: dict[str, str]) -> None:
    said = requested(two, **identifier)
    assert said == "1 requests executed: 7 stored rows removed; the next run leaves these persons out"
    assert stored(two) == {
        "platforms": 1, "beneficiaries": 1, "payment_lines": 1, "reports": 1, "report_measures": 1, "agreements": 1,
        "employment": 1,
    }  # fmt: skip
    assert mentions(two, *(f"'{value}'" for value in IDENTIFIERS)) == []
    assert not (two.home.restricted / "work").exists()
    road(two)
    for name in PERSON_LEVEL:
        assert sexes(two, name) == ["female"], name


@pytest.mark.parametrize("identifier", [{"nir": nir(1)}, {"dossier_id": "D1"}])
@pytest.mark.parametrize("rotated", [False, True])
def test_no_identifier_brings_the_person_back(two: Place, identifier: dict[str, str], rotated: bool) -> None:
    requested(two, **identifier)
    if rotated:
        keys.rotate(two.home)
    # Each comes alone, beside nothing that was erased: the number, the stable identifier under a new number, a line.
    two.put("beneficiaires", [insured(1, nir=nir(901), BEN_NIR_PSA="N" * 17, BEN_SEX_COD=1), insured(2)], NEXT)
    two.put(
        "ij_lignes",
        [line(1, 9, FLX_DIS_DTD=f"{NEXT}-01"), line(7, 8, FLX_DIS_DTD=f"{NEXT}-01", BEN_NIR_PSA="N" * 17)],
        NEXT,
    )
    two.put(
        "emploi_mensuel", [worked(1, month="2023-03"), worked(901, month="2023-03"), worked(2, month="2023-03")], NEXT
    )
    two.put("bilans_suivi", [report(1, "B7", date_bilan="2023-03-10"), report(2, "B8", date_bilan="2023-03-10")], NEXT)
    two.put("bilan_mesures", [measure("B1"), measure("B7"), measure("B8")], NEXT)
    assert road(two, NEXT).figures["rows of erased persons removed"] == 8
    for name in PERSON_LEVEL:
        assert set(sexes(two, name, NEXT)) == {"female"}, name
    assert mentions(two, nir(1), nir(901), "N" * 17) == []
    # The number found beside the stable identifier is a tombstone as well.
    two.put("emploi_mensuel", [worked(901, month="2023-04")], "2023-05")
    assert road(two, "2023-05").figures["rows of erased persons removed"] == 1


def test_a_delivery_landed_again_does_not_bring_the_person_back(two: Place) -> None:
    requested(two, nir=nir(1))
    two.put("emploi_mensuel", [worked(1), worked(2), worked(2, month="2023-01")])
    road(two)
    for name in PERSON_LEVEL:
        assert set(sexes(two, name)) == {"female"}, name
    assert stored(two)["beneficiaries"] == 1


def test_a_person_erased_before_any_delivery_never_comes_in(here: Place) -> None:
    keys.init(here.home)
    assert requested(here, nir=nir(1)).endswith("nothing delivered so far names them")
    land_two_persons(here)
    road(here)
    for name in PERSON_LEVEL:
        assert sexes(here, name) == ["female"], name


def test_a_twin_stays(here: Place) -> None:
    land_two_persons(here)
    here.put("beneficiaires", [insured(1), insured(2, BEN_NIR_PSA="PSA00000000000001", BEN_RNG_GEM=2)])
    here.put("ij_lignes", [line(1, 1), line(1, 2, BEN_RNG_GEM=2)])
    road(here)
    requested(here, nir=nir(1))
    road(here)
    assert len(table(here, "payment_lines")) == len(table(here, "persons")) == 1


def test_the_count_of_a_withdrawal_outlives_the_erasure(here: Place) -> None:
    land_two_persons(here)
    here.put("accords", [agreement(1), agreement(2), agreement(1, "RETRAIT", "2023-03-20")])
    road(here)
    before = table(here, "withdrawals")
    assert before == [{"platform_id": "PDP75", "quarter": "2023-Q1", "withdrawals": 1}]
    requested(here, nir=nir(1))
    road(here)
    assert table(here, "withdrawals") == before
    here.put("emploi_mensuel", [worked(1)])  # read again
    keys.rotate(here.home)
    road(here)
    assert table(here, "withdrawals") == before


def test_a_withdrawal_erased_later_is_not_in_an_earlier_release(here: Place) -> None:
    land_two_persons(here)
    here.put("accords", [agreement(1, "RETRAIT", "2023-04-20")], NEXT)
    road(here, NEXT)
    requested(here, nir=nir(1))
    road(here)
    assert table(here, "withdrawals") == []
    road(here, NEXT)
    assert [row["quarter"] for row in table(here, "withdrawals", NEXT)] == ["2023-Q2"]


def test_tombstones_are_private_and_tell_nothing(two: Place) -> None:
    requested(two, nir=nir(1))
    assert stat.S_IMODE(two.home.tombstones.stat().st_mode) == 0o600
    text = two.home.tombstones.read_text(encoding="utf-8")
    assert not any(value in text for value in IDENTIFIERS[:3])
    ((name, digests),) = Tombstones.load(two.home).digests.items()
    assert name == keys.current(two.home).id
    assert all(len(digest) == 64 for digest in digests)
    assert len(digests) == 5


def test_tombstones_without_their_key_stop_the_run(two: Place) -> None:
    requested(two, nir=nir(1))
    (two.home.keys / "v1.key").unlink()
    with pytest.raises(HomeError, match=r"a key that .* was made with is not in"):
        road(two)


def test_another_key_under_the_same_name_is_not_taken_for_the_first(two: Place) -> None:
    requested(two, nir=nir(1))
    path = two.home.keys / "v1.key"
    path.write_text("00" * 32 + "\n", encoding="ascii")
    with pytest.raises(HomeError, match="restore it from its backup"):
        road(two)


def test_damaged_tombstones_stop_the_run(two: Place) -> None:
    requested(two, nir=nir(1))
    two.home.tombstones.write_text("{", encoding="utf-8")
    with pytest.raises(HomeError, match="is damaged"):
        road(two)


@pytest.mark.parametrize(
    "text",
    [
        "", "\n", "pas du json", "[]", "3", '"1"', '{"nir": 1}', '{"nir": ""}', '{"nir": null}', '{"nom": "DURAND"}',
        '{"nir": "' + nir(1)[:13] + '"}', '{"nir": "1", "dossier_id": "D1"}', "{}", '{"dossier_id": " "}',
    ],
)  # fmt: skip
def test_a_request_in_another_form_is_refused_and_nothing_is_erased(here: Place, text: str) -> None:
    keys.init(here.home)
    here.put("beneficiaires", [insured(1)])
    here.take_in()
    before = stored(here)
    path = here.home.root / "request.jsonl"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(HomeError) as error:
        erase(here.home, path)
    assert "DURAND" not in str(error.value)
    assert nir(1)[:13] not in str(error.value)
    assert stored(here) == before == {"beneficiaries": 1}
    assert not here.home.tombstones.exists()


def test_a_request_that_cannot_be_read_is_said(two: Place, tmp_path: Path) -> None:
    (tmp_path / "latin.jsonl").write_bytes('{"dossier_id": "é"}'.encode("latin-1"))
    for path in (tmp_path / "none.jsonl", tmp_path / "latin.jsonl"):
        with pytest.raises(HomeError, match="cannot be read"):
            erase(two.home, path)


def test_a_number_may_be_written_with_spaces(two: Place) -> None:
    spaced = " ".join([nir(1)[:1], nir(1)[1:3], nir(1)[3:5], nir(1)[5:13], nir(1)[13:]])
    assert "7 stored rows removed" in requested(two, nir=spaced)


def test_several_requests_are_executed_together(two: Place) -> None:
    path = two.home.root / "request.jsonl"
    path.write_text(f'{{"nir": "{nir(1)}"}}\n\n{{"dossier_id": "D2"}}\n', encoding="utf-8")
    assert erase(two.home, path).startswith("2 requests executed: 13 stored rows removed")
    assert stored(two)["beneficiaries"] == 0
    road(two)
    assert all(table(two, name) == [] for name in PERSON_LEVEL)
