"""The protocol holds every decision, refuses what it does not know, and says which parameter is wrong."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import BaseModel, ValidationError

from pipeline.protocol import DEFAULT_PATH, Protocol, ProtocolError

TEXT = DEFAULT_PATH.read_text(encoding="utf-8")


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "protocol.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_project_has_a_protocol_that_holds_together() -> None:
    protocol = Protocol.load()
    assert protocol.study.primary_horizon_days == protocol.study.horizons_days[protocol.study.primary_horizon_months]
    assert 0 < protocol.quality.maximum_quarantined_share < 1
    assert protocol.disclosure.k >= 11


def models(model: type[BaseModel]) -> list[type[BaseModel]]:
    inner = [f.annotation for f in model.model_fields.values()]
    return [model, *(m for a in inner if isinstance(a, type) and issubclass(a, BaseModel) for m in models(a))]


def test_no_decision_has_a_default_outside_the_file() -> None:
    missing = [f"{m.__name__}.{n}" for m in models(Protocol) for n, f in m.model_fields.items() if not f.is_required()]
    assert missing == []


@pytest.mark.parametrize("name", sorted(set(re.findall(r"^(\w+) = (?!\{)", TEXT, re.M))))
def test_a_parameter_left_out_is_an_error_that_names_it(tmp_path: Path, name: str) -> None:
    path = written(tmp_path, re.sub(rf"^{name} = .*$", "", TEXT, count=1, flags=re.M))
    with pytest.raises(ProtocolError, match=name) as error:
        Protocol.load(path)
    assert str(error.value).startswith(f"{path}: parameter ")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("k", "1"), ("k", "11.5"), ("k", '"eleven"'), ("gap_days", "-1"), ("smd", "0"), ("smd", "nan"), ("smd", "inf"),
        ("maximum_quarantined_share", "1.2"), ("age_bands", "[30, 20]"), ("age_bands", "[30]"),
        ("primary_horizon_months", "7"),
    ],
)  # fmt: skip
def test_a_value_out_of_range_is_an_error_that_names_it(tmp_path: Path, name: str, value: str) -> None:
    text, changed = re.subn(rf"^{name} = [^#\n]*", f"{name} = {value} ", TEXT, count=1, flags=re.M)
    assert changed == 1
    with pytest.raises(ProtocolError, match=f"parameter .*|{name}") as error:
        Protocol.load(written(tmp_path, text))
    assert name in str(error.value)


def test_a_parameter_nobody_reads_is_an_error(tmp_path: Path) -> None:
    text = TEXT.replace("[matching]", "[matching]\nratoi = 3", 1)
    with pytest.raises(ProtocolError, match=r"parameter matching\.ratoi"):
        Protocol.load(written(tmp_path, text))


def test_a_file_that_cannot_be_read_is_said_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ProtocolError, match="cannot be read"):
        Protocol.load(tmp_path / "none.toml")
    with pytest.raises(ProtocolError, match="not TOML"):
        Protocol.load(written(tmp_path, "k = = 3"))
    (tmp_path / "latin.toml").write_bytes("# décision".encode("latin-1"))
    with pytest.raises(ProtocolError, match="not UTF-8"):
        Protocol.load(tmp_path / "latin.toml")


def test_the_hash_is_of_the_decisions_alone(tmp_path: Path) -> None:
    commented = written(tmp_path, "# another comment\n" + TEXT)
    assert Protocol.load(commented).sha256 == Protocol.load().sha256
    other = written(tmp_path, re.sub(r"^gap_days = \d+", "gap_days = 5", TEXT, flags=re.M))
    assert Protocol.load(other).sha256 != Protocol.load().sha256


def test_a_protocol_cannot_be_changed_in_memory() -> None:
    with pytest.raises(ValidationError):
        Protocol.load().leave.gap_days = 9  # type: ignore[misc]
