"""The borders of the house hold (contracts in `.importlinter`), and nothing crosses them at run time either."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from importlinter.cli import lint_imports

ROOT = Path(__file__).resolve().parents[1]


def test_imports_go_one_way_and_libraries_stay_where_they_belong() -> None:
    assert lint_imports(config_filename=str(ROOT / ".importlinter"), no_cache=True) == 0


def test_the_method_imports_without_dagster_nor_great_expectations() -> None:
    code = (
        "import sys, pipeline.run, pipeline.deliveries.step, pipeline.text.files, pipeline.cli\n"
        "print(sorted({'dagster', 'great_expectations'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_the_definitions_load_without_great_expectations() -> None:
    code = (
        "import sys; from pipeline.orchestration.definitions import defs; defs()\n"
        "print('great_expectations' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "False"


def test_no_registry_and_no_machine_is_named_in_the_repository() -> None:
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False).stdout
    names = [name for name in tracked.split("\0") if name and (ROOT / name).is_file()]
    if not names:
        names = [p.relative_to(ROOT).as_posix() for p in ROOT.rglob("*.py") if ".venv" not in p.parts]
    words = "|".join(["pypi" + r"\.org", "python" + "hosted", "index" + "-url =", "--index" + "-url "])
    named = [name for name in names if re.search(words, (ROOT / name).read_text(encoding="utf-8", errors="ignore"))]
    assert named == []


def test_every_package_of_the_lock_has_a_version_and_a_hash() -> None:
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    blocks = re.split(r"\n(?=\S)", "\n".join(line for line in text.splitlines() if not line.startswith("#")))
    packages = [block for block in blocks if block.strip()]
    assert len(packages) > 100
    assert all(
        re.match(r"[a-z0-9._-]+(\[[a-z,]+\])?==\S+ \\\n", block) and "--hash=sha256:" in block for block in packages
    )


def test_no_loose_python_file_stands_at_the_root() -> None:
    # A stray gql.py there once broke Dagster's web server, which imports a package of that name.
    assert list(ROOT.glob("*.py")) == []
