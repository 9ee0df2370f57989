"""Do the documents of a release say what its tables say? They are written again from the tables and compared.

Of the audit, what rests on restricted data (controls, who could link what) cannot be made again: it is taken from the
audit itself, and everything else must agree with it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.disclosure import measured
from pipeline.disclosure.attackers.repeat import repeatable
from pipeline.disclosure.facts import Attack, Deduction, Fidelity, Microdata, ReleaseFacts, Risk
from pipeline.home import missing_months
from pipeline.protocol import Protocol
from pipeline.release import audit, synthesis
from pipeline.release.verify import Parameters, Verdict, hashes
from pipeline.release.version import code_version

DOCUMENTS = ("synthese.html", "audit.html")
DIGITS = 12
"""Figures of the audit are compared to so many digits: sums of floats may differ in the last."""


def outside(folder: Path) -> Iterator[str]:
    """A document that loads anything from elsewhere would tell that place who reads it."""
    for name in DOCUMENTS:
        text = (folder / name).read_text(encoding="utf-8")
        if re.search(r"""(src|href)\s*=\s*["']?(?!#)|url\(|@import|<script""", text, flags=re.IGNORECASE):
            yield f"{name} loads something from outside itself"


def attacks(folder: Path, tables: Mapping[str, pa.Table], parameters: Parameters) -> Iterator[str]:
    """Attacks that published files are enough for are carried out again; none may succeed more than its rule allows."""
    told = json.loads((folder / "audit.json").read_text(encoding="utf-8"))
    listed = [Attack.model_validate(attack) for criterion in told["criteria"] for attack in criterion["attacks"]]
    for attack in listed:
        if not attack.kept:
            yield f"an attack succeeds more than its rule allows: {attack.name}"
    if not tables["microdata"].num_rows:
        return
    again, risk = repeatable(tables["microdata"], parameters.hierarchies, parameters.k)
    said = {attack.name: attack for attack in listed}
    for attack in again:
        given = said.get(attack.name)
        if given is None or _rounded(given.model_copy(update={"control": None})) != _rounded(attack):
            yield f"audit.json does not tell the attack as it is: {attack.name}"
    known = ("above", "prosecutor", "prosecutor_mean", "candidates")
    if told["risk"] is None or any(_round(told["risk"][name]) != _round(getattr(risk, name)) for name in known):
        yield "audit.json does not tell the risk of the microdata"


def agree(
    folder: Path, manifest: Mapping[str, Any], tables: Mapping[str, pa.Table], verdicts: Sequence[Verdict]
) -> Iterator[str]:
    """The synthesis, `audit.json` and `audit.html` are those that the tables and the manifest give.

    Args:
        folder: the release.
        manifest: its manifest.
        tables: its tables.
        verdicts: of the rules on its tables (`verify.content`), as just judged.
    """
    protocol = Protocol.model_validate(manifest["protocol"]["parameters"])
    told = json.loads((folder / "audit.json").read_text(encoding="utf-8"))
    for place, figure in (
        ("versions.code", manifest["code_version"]),
        ("versions.protocol_sha256", manifest["protocol"]["sha256"]),
    ):
        first, second = place.split(".")
        if told[first][second] != figure:
            yield f"audit.json ({place}) is not that of the manifest"
    if manifest["code_version"] != code_version():
        return  # other words, other layout: another version cannot write the documents again
    identity = synthesis.Identity(
        release=manifest["release"], code_version=manifest["code_version"],
        protocol_sha256=manifest["protocol"]["sha256"], protocol=protocol, uptake=manifest["uptake"],
        missing=tuple(missing_months(manifest["inputs"])),
    )  # fmt: skip
    if synthesis.synthesis(tables, identity) != (folder / "synthese.html").read_text(encoding="utf-8"):
        yield "synthese.html is not the synthesis of the tables"
    again = audit.record(tables, verdicts, manifest, _facts(manifest, told, tables), protocol, hashes(folder))
    for part in sorted(set(told) | set(again)):
        if _round(told.get(part)) != _round(json.loads(json.dumps(again.get(part)))):
            yield f"audit.json ({part}) is not that of the tables"
    if audit.document(told) != (folder / "audit.html").read_text(encoding="utf-8"):
        yield "audit.html is not the page of audit.json"


def _facts(manifest: Mapping[str, Any], told: Mapping[str, Any], tables: Mapping[str, pa.Table]) -> ReleaseFacts:
    """What the disclosure step handed over: from the manifest and, where nothing else has it, from the audit itself."""
    fidelity = {name: value for name, value in manifest["fidelity"].items() if name in Fidelity.model_fields}
    return ReleaseFacts(
        inputs=manifest["inputs"],
        key_id=manifest["key_id"],
        seeds=manifest["seeds"],
        uptake=manifest["uptake"],
        fidelity=Fidelity.model_validate(fidelity),
        microdata=Microdata.model_validate(manifest["microdata"]) if manifest["microdata"] else None,
        suppression=told["suppression_log"],
        ledger=tuple(told["ledger"]),
        attacks=tuple(Attack.model_validate(a) for criterion in told["criteria"] for a in criterion["attacks"]),
        risk=Risk.model_validate(told["risk"]) if told["risk"] else None,
        deduction=Deduction.model_validate(told["deduction"]) if told["deduction"] else None,
        held=manifest["held"],
        generalised=told["generalised"],
        disappeared=measured.disappeared(tables["participant_profile"]),
    )


def _rounded(attack: Attack) -> Any:
    return _round(attack.model_dump(mode="json"))


def _round(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, DIGITS)
    if isinstance(value, Mapping):
        return {name: _round(inside) for name, inside in value.items()}
    return [_round(inside) for inside in value] if isinstance(value, list | tuple) else value
