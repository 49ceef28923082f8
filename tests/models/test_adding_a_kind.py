"""The kind that docs/architecture.md adds is run as it is printed there."""

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import jsonschema
import numpy as np
import pytest

import mutua as mt
from mutua.errors import InvalidElement
from mutua.models import KINDS, provenance
from mutua.models.json_schema import json_schema

DOCUMENT = (Path(__file__).parents[2] / "docs" / "architecture.md").read_text(encoding="utf-8")
SECTION = DOCUMENT.partition("## Adding a kind")[2]
KIND, USE = re.findall(r"```python\n(.*?)```", SECTION, flags=re.DOTALL)


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Give the printed file as a module, and the result of the printed program in it."""
    file = tmp_path / "codon_usage.py"
    file.write_text(KIND + USE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    spec = importlib.util.spec_from_file_location("codon_usage", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "codon_usage", module)
    spec.loader.exec_module(module)
    return module


def test_one_file_of_under_100_lines() -> None:
    assert len(KIND.splitlines()) < 100


def test_it_is_built_checked_stored_and_read(module: ModuleType) -> None:
    kind = module.CodonUsage
    assert KINDS["CodonUsage"] is kind
    kind.check(module.stored, deep=True)
    assert module.stored["share"].values.tolist() == [0.25, 0.75, 1.0]
    steps = [step["function"] for step in provenance.chain(module.stored)]
    assert steps == ["CodonUsage.build", "codon_usage.add_share"]


def test_its_faults_are_all_found(module: ModuleType) -> None:
    with pytest.raises(InvalidElement) as error:
        module.CodonUsage.build(
            codon=["TTT", "TT", "TTT"], count=[1, -2, 3], share=[0.5, 2, np.nan], genetic_code=0
        )
    assert {fault.location for fault in error.value.faults} == {
        "attribute 'genetic_code'",
        "variable 'count'",
        "variable 'share'",
        "coordinate 'codon'",
    }
    with pytest.raises(
        InvalidElement, match=r"coordinate 'codon', codon 1: is 'TT' -> use 3 letters"
    ):
        module.CodonUsage.build(codon=["TTT", "TT"], count=[1, 2], genetic_code=1)


def test_its_json_schema_validates_what_was_stored(module: ModuleType) -> None:
    schema = json_schema(module.CodonUsage)
    jsonschema.Draft202012Validator.check_schema(schema)
    path = Path("study.zarr") / mt.open("study.zarr").path("usage") / "zarr.json"
    metadata = json.loads(path.read_text(encoding="utf-8"))
    jsonschema.validate(metadata, schema)
    del metadata["consolidated_metadata"]["metadata"]["count"]
    with pytest.raises(jsonschema.ValidationError, match="'count' is a required property"):
        jsonschema.validate(metadata, schema)


def test_it_would_be_typed_and_tidy(tmp_path: Path) -> None:
    file = tmp_path / "codon_usage.py"
    file.write_text(KIND, encoding="utf-8")
    root = Path(__file__).parents[2]
    ruff = Path(sys.executable).with_name("ruff")
    if not ruff.exists():
        pytest.skip("ruff is not installed here")
    command = [str(ruff), "check", "--config", str(root / "pyproject.toml"), str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_every_module_of_the_model_is_in_the_table() -> None:
    package = Path(mt.models.__file__).parent
    kinds = {kind.__module__.rpartition(".")[2] for kind in KINDS.values()}
    modules = {file.stem for file in package.glob("*.py")} - kinds - {"__init__"}
    named = set(re.findall(r"`(\w+)`", DOCUMENT.partition("| module of")[2].partition("\n\n")[0]))
    assert modules <= named
