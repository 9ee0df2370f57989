"""Deliveries obey the input contract, carry the world and nothing else, and are the same bytes every time."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from simulated_worlds import TABLES, Delivered

from pipeline.simulation import WorldConfig, simulate
from pipeline.simulation.allowance import appears, paid_between
from pipeline.simulation.config import first_day

CHECKER = Path(__file__).parents[2].parent / "shared" / "contract" / "check_deliveries.py"


@pytest.mark.skipif(not CHECKER.exists(), reason="the contract's own checker is not beside the project")
def test_the_contract_is_respected(delivered: Delivered) -> None:
    result = subprocess.run([sys.executable, str(CHECKER), str(delivered.landing)], capture_output=True, text=True)
    assert result.stdout.splitlines()[-1] == "contract respected"


def test_every_month_has_its_folder_and_every_file_its_hash(delivered: Delivered) -> None:
    config = delivered.world.config
    folders = sorted(p.name for p in delivered.landing.iterdir())
    assert len(folders) == config.months + config.history_months
    assert (folders[0], folders[-1]) == ("2020-07", "2023-12")
    for folder in folders:
        listing = json.loads((delivered.landing / folder / "delivery.json").read_text())
        assert listing["delivery"] == folder
        on_disk = {
            str(p.relative_to(delivered.landing / folder)) for p in (delivered.landing / folder).rglob("*.parquet")
        }
        assert {f["file"] for f in listing["files"]} == on_disk
        for file in listing["files"]:
            path = delivered.landing / folder / file["file"]
            assert hashlib.sha256(path.read_bytes()).hexdigest() == file["sha256"]
            assert pq.read_metadata(path).num_rows == file["rows"]


def test_payment_lines_rebuild_exactly_the_leaves(delivered: Delivered) -> None:
    """Spells by the rules of the SNDS facts against the leaves of the world, person by person."""
    world = delivered.world
    rebuilt = (
        delivered.connect()
        .execute("""
        WITH ids AS (SELECT DISTINCT BEN_NIR_PSA, BEN_RNG_GEM, nir FROM beneficiaires),
        net AS (
            SELECT nir, RGO_ASU_NAT AS risk, PRS_NAT_REF IN (6011, 6012) AS waiting, EXE_SOI_DTD AS d, EXE_SOI_DTF AS f,
                   sum(CASE WHEN PRS_ACT_NBR <> 0 THEN PRS_ACT_NBR
                            WHEN coalesce(IJR_RVL_NAT, 'ZZ') IN ('ZZ', 'XX') THEN PRS_ACT_QTE ELSE 0 END) AS n
            FROM ij_lignes JOIN ids USING (BEN_NIR_PSA, BEN_RNG_GEM)
            WHERE RGO_ASU_NAT IN (10, 40) AND DPN_QLF NOT IN (71, 72) GROUP BY ALL HAVING n > 0),
        marked AS (SELECT *, max(f) OVER (PARTITION BY nir, risk ORDER BY d, f
                          ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS reached FROM net WHERE NOT waiting),
        spells AS (SELECT *, sum(CASE WHEN reached IS NULL OR d - reached > 3 THEN 1 ELSE 0 END)
                             OVER (PARTITION BY nir, risk ORDER BY d, f) AS k FROM marked)
        SELECT nir, risk, min(d) - CASE WHEN risk = 10 THEN 3 ELSE 0 END AS s, max(f) AS e
        FROM spells GROUP BY nir, risk, k
        """)
        .fetchall()
    )
    low = np.datetime64(first_day(world.config.first_delivery) + 60, "D").item()
    high = np.datetime64(world.config.follow_up_end, "D").item()
    found = {(nir, risk, s, e) for nir, risk, s, e in rebuilt if s >= low and e < high}
    nir_of = _numbers(delivered)
    leaves = world.observed.leaves
    shown = np.flatnonzero(appears(leaves))
    starts, ends = leaves.start.astype("datetime64[D]").tolist(), leaves.end.astype("datetime64[D]").tolist()
    expected = {
        (nir_of[int(leaves.person[k])], int(leaves.risk[k]), starts[k], ends[k])
        for k in shown
        if starts[k] >= low and ends[k] < high
    }
    assert len(expected) > 3_000
    assert found == expected


def test_amounts_paid_are_those_of_each_leave(delivered: Delivered) -> None:
    """Second employers, revaluations, corrections and double payments net out, leave by leave."""
    world = delivered.world
    leaves = world.observed.leaves
    # Corrections come up to 175 days after the period they correct.
    kept = appears(leaves) & (leaves.start >= first_day(world.config.first_delivery) + 60)
    kept &= leaves.end < world.config.last_known_day - 220
    numbers = _numbers(delivered)
    expected = paid_between(leaves, world.rates, leaves.start, leaves.end + 1)[kept]
    connection = delivered.connect()
    connection.register(
        "leaves",
        pa.table(
            {
                "rank": np.arange(kept.sum()),
                "nir": [numbers[i] for i in leaves.person[kept]],
                "risk": leaves.risk[kept],
                "s": leaves.start[kept].astype("datetime64[D]"),
                "e": leaves.end[kept].astype("datetime64[D]"),
            }
        ),
    )
    rows = connection.execute("""
        WITH ids AS (SELECT DISTINCT BEN_NIR_PSA, BEN_RNG_GEM, nir FROM beneficiaires)
        SELECT l.rank, sum(BSE_REM_MNT) FROM ij_lignes AS j JOIN ids USING (BEN_NIR_PSA, BEN_RNG_GEM)
        JOIN leaves AS l ON l.nir = ids.nir AND l.risk = j.RGO_ASU_NAT AND j.EXE_SOI_DTD BETWEEN l.s AND l.e
        WHERE DPN_QLF = 0 GROUP BY l.rank ORDER BY l.rank
    """).fetchall()
    assert len(rows) == len(expected) > 2_000
    assert np.allclose([amount for _, amount in rows], expected, atol=0.005)


def test_the_ordinary_mess_is_there(delivered: Delivered) -> None:
    counts = (
        delivered.connect()
        .execute("""
        SELECT count(*) FILTER (WHERE BSE_REM_SGN = 2), count(*) FILTER (WHERE DPN_QLF IN (71, 72)),
               count(*) FILTER (WHERE PRS_ACT_NBR = 0 AND IJR_RVL_NAT = 'ZZ'),
               count(*) FILTER (WHERE IJR_RVL_NAT = 'RS'),
               count(*) FILTER (WHERE RGO_ASU_NAT = 30), count(*) FILTER (WHERE PRS_NAT_REF IN (6117, 6118)),
               count(*) FILTER (WHERE PRS_NAT_REF = 6120), count(*) FILTER (WHERE PRS_NAT_REF IN (6134, 6135)),
               count(*) FILTER (WHERE RGM_COD <> 101), count(*) FILTER (WHERE IJR_RVL_NAT IS NULL),
               count(*) FILTER (WHERE PRE_PRE_DTD IS NULL), count(*) FILTER (WHERE PRS_NAT_REF = 6011)
        FROM ij_lignes
        """)
        .fetchone()
    )
    assert min(counts) > 0


def test_the_key_of_a_line_is_unique(delivered: Delivered) -> None:
    rows, keys = (
        delivered.connect()
        .execute("""
        SELECT count(*), count(DISTINCT (DCT_ORD_NUM, FLX_DIS_DTD, FLX_EMT_NUM, FLX_EMT_ORD, FLX_EMT_TYP, FLX_TRT_DTD,
                                         ORG_CLE_NUM, PRS_ORD_NUM, REM_TYP_AFF)) FROM ij_lignes
        """)
        .fetchone()
    )
    assert rows == keys > 10_000


def test_the_register_repeats_only_what_changed(delivered: Delivered) -> None:
    connection = delivered.connect()
    first, persons = connection.execute(
        "SELECT count(*) FILTER (WHERE delivery = '2020-07'), count(DISTINCT nir) FROM beneficiaires"
    ).fetchone()
    assert first == persons == delivered.world.people.count
    unchanged = connection.execute("""
        SELECT count(*) FROM beneficiaires AS b JOIN (
            SELECT nir, delivery, lag(delivery) OVER (PARTITION BY nir ORDER BY delivery) AS earlier FROM beneficiaires
        ) AS o USING (nir, delivery) JOIN beneficiaires AS p ON p.nir = b.nir AND p.delivery = o.earlier
        WHERE b.BEN_NIR_PSA = p.BEN_NIR_PSA AND b.BEN_RES_DPT = p.BEN_RES_DPT
          AND b.BEN_DCD_DTE IS NOT DISTINCT FROM p.BEN_DCD_DTE AND b.ald_debut IS NOT DISTINCT FROM p.ald_debut
          AND b.ald_fin IS NOT DISTINCT FROM p.ald_fin AND b.invalidite_debut IS NOT DISTINCT FROM p.invalidite_debut
          AND b.retraite_debut IS NOT DISTINCT FROM p.retraite_debut
    """).fetchone()[0]
    again = connection.execute("SELECT count(*) FROM beneficiaires WHERE delivery > '2020-07'").fetchone()[0]
    assert again > 100
    # A move within the same département is a change the register cannot show.
    assert unchanged <= again * 0.02


def test_one_person_can_have_two_pseudonyms_and_twins_share_one(delivered: Delivered) -> None:
    several, shared = (
        delivered.connect()
        .execute("""
        SELECT (SELECT count(*) FROM (SELECT BEN_IDT_ANO FROM beneficiaires GROUP BY 1
                                      HAVING count(DISTINCT BEN_NIR_PSA) > 1)),
               (SELECT count(*) FROM (SELECT BEN_NIR_PSA FROM beneficiaires GROUP BY 1
                                      HAVING count(DISTINCT BEN_RNG_GEM) > 1))
        """)
        .fetchone()
    )
    assert several > 0
    assert shared > 0


def test_employment_covers_whoever_is_long_on_leave(delivered: Delivered) -> None:
    world = delivered.world
    leaves = world.without.leaves
    long = (leaves.end - leaves.start >= 45) & (leaves.start >= first_day(world.config.first_delivery))
    long &= leaves.start < world.config.follow_up_end
    numbers = _numbers(delivered)
    expected = {numbers[int(i)] for i in np.unique(leaves.person[long])}
    rows = delivered.connect().execute("SELECT DISTINCT nir FROM emploi_mensuel").fetchall()
    assert expected <= {nir for (nir,) in rows}


def test_no_narrative_without_words_and_most_name_the_insured(delivered: Delivered) -> None:
    rows = (
        delivered.connect()
        .execute("SELECT narratif, nom, prenom FROM bilans_suivi WHERE narratif IS NOT NULL AND version = 1")
        .fetchall()
    )
    assert len(rows) > 100
    assert all(150 < len(text) < 20_000 for text, _, _ in rows)
    named = [nom.lower() in text.lower().replace("’", "'") or prenom in text for text, nom, prenom in rows]
    assert np.mean(named) > 0.8
    assert len({text for text, _, _ in rows}) == len(rows)  # a correction may repeat its text: version 1 alone


def test_corrected_reports_name_what_they_replace(delivered: Delivered) -> None:
    rows = (
        delivered.connect()
        .execute("""
        SELECT n.version, o.version, n.delivery > o.delivery, n.dossier_id = o.dossier_id
        FROM bilans_suivi AS n JOIN bilans_suivi AS o ON o.bilan_id = n.remplace_bilan_id
        """)
        .fetchall()
    )
    assert rows
    assert all(row == (2, 1, True, True) for row in rows)


def small(landing: Path, **changes: object) -> Path:
    arguments: dict[str, object] = {
        "start": "2022-01", "months": 8, "history_months": 3, "persons": 1_500, "departments": 6,
        "designated": 3, "seed": 2,
    }  # fmt: skip
    return simulate(landing, **(arguments | changes))  # type: ignore[arg-type]


def contents(landing: Path) -> dict[str, bytes]:
    return {str(p.relative_to(landing)): p.read_bytes() for p in sorted(landing.rglob("*")) if p.is_file()}


def test_the_same_arguments_give_the_same_bytes(tmp_path: Path) -> None:
    truths = [small(tmp_path / name / "landing") for name in ("one", "two", "other")[:2]]
    assert contents(tmp_path / "one" / "landing") == contents(tmp_path / "two" / "landing")
    assert truths[0].read_bytes() == truths[1].read_bytes()
    small(tmp_path / "other" / "landing", seed=3)
    assert contents(tmp_path / "other" / "landing") != contents(tmp_path / "one" / "landing")


def test_the_truth_lies_beside_the_landing_folder(tmp_path: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    truth = small(tmp_path / "landing", progress=lambda stage, done, total: seen.append((stage, done, total)))
    assert truth == tmp_path / "truth.json"
    assert not list((tmp_path / "landing").rglob("truth*"))
    known = json.loads(truth.read_text(encoding="utf-8"))
    assert {"seed", "effect", "parameters", "ATT", "ITT", "uptake", "n"} <= set(known)
    assert seen[-1] == ("deliveries", 11, 11)


def test_existing_deliveries_are_never_overwritten(tmp_path: Path) -> None:
    small(tmp_path / "landing")
    with pytest.raises(FileExistsError, match="choose another folder"):
        small(tmp_path / "landing", seed=4)


def test_faults_break_the_share_asked_for(tmp_path: Path) -> None:
    small(tmp_path / "clean" / "landing")
    small(tmp_path / "dirty" / "landing", fault_share=0.02)
    rows = {name: _read(tmp_path / name / "landing") for name in ("clean", "dirty")}
    assert rows["clean"][1] == 0
    lines, broken = rows["dirty"]
    assert 0.01 < broken / lines < 0.03


def _read(landing: Path) -> tuple[int, int]:
    """Lines, and those with a code outside its list."""
    tables = [pq.read_table(p) for p in sorted(landing.glob("*/ij_lignes.parquet"))]
    lines = sum(len(t) for t in tables)
    broken = 0
    for table in tables:
        risk, nature, sign = (table.column(c).to_numpy() for c in ("RGO_ASU_NAT", "PRS_NAT_REF", "BSE_REM_SGN"))
        place = np.array(table.column("BEN_RES_DPT").to_pylist())
        broken += int(((risk == 77) | (nature == 9999) | (sign == 5) | (place == "123")).sum())
    return lines, broken


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"start": "July"}, "YYYY-MM"),
        ({"months": 0}, "months"),
        ({"persons": 0}, "persons"),
        ({"designated": 40}, "designated"),
        ({"fault_share": 1.0}, "fault_share"),
    ],
)
def test_arguments_out_of_range_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        WorldConfig(**change)  # type: ignore[arg-type]


def test_every_table_of_the_contract_is_delivered(delivered: Delivered) -> None:
    names = {p.name.removesuffix(".parquet") for p in delivered.landing.glob("*/*") if p.name != "delivery.json"}
    assert names == set(TABLES)


def _numbers(delivered: Delivered) -> list[str]:
    """Social-security number of each position: the first delivery lists everyone in order."""
    rows = delivered.connect().execute("SELECT nir FROM beneficiaires WHERE delivery = '2020-07'").fetchall()
    return [nir for (nir,) in rows]
