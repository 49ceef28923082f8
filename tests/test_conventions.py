"""The habits of the library, held for every public function."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import mutua as mt

SOURCE = Path(mt.__file__).parent
VERBS = [name for name in mt.__all__ if inspect.isfunction(getattr(mt, name))]


def public_functions() -> list[tuple[str, Callable[..., object]]]:
    found = [(name, getattr(mt, name)) for name in VERBS]
    for place in ("pp", "tl", "pl", "get", "datasets"):
        module = getattr(mt, place)
        found += [
            (f"{place}.{name}", getattr(module, name))
            for name in module.__all__
            if inspect.isfunction(getattr(module, name))
        ]
    return found


FUNCTIONS = public_functions()
named = pytest.mark.parametrize(
    "function", [f for _, f in FUNCTIONS], ids=[name for name, _ in FUNCTIONS]
)


def test_there_are_functions_to_look_at() -> None:
    assert len(FUNCTIONS) > 30


@named
def test_options_are_keyword_only(function: Callable[..., object]) -> None:
    for parameter in inspect.signature(function).parameters.values():
        if parameter.default is not inspect.Parameter.empty:
            assert parameter.kind is inspect.Parameter.KEYWORD_ONLY, parameter


@named
def test_docstring_has_its_sections(function: Callable[..., object]) -> None:
    text = inspect.getdoc(function) or ""
    sections = re.findall(r"^(\w[\w ]*)\n-+$", text, flags=re.MULTILINE)
    wanted = {"Examples"}
    if inspect.signature(function).parameters:
        wanted.add("Parameters")
    gives = inspect.signature(function).return_annotation not in (None, "None")
    if gives and function.__name__ not in ("read_text", "open"):
        wanted.add("Returns")
    if function.__name__ == "read_text":
        wanted.discard("Parameters")
    assert wanted <= set(sections)
    assert ">>> " in text


@named
def test_stochastic_functions_take_a_seed(function: Callable[..., object]) -> None:
    parameters = inspect.signature(function).parameters
    if "seed" in parameters:
        assert parameters["seed"].default == 0


@pytest.mark.parametrize(
    "path", sorted(SOURCE.rglob("*.py")), ids=lambda path: str(path.relative_to(SOURCE))
)
def test_files_are_short(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 500


@pytest.mark.parametrize("path", sorted((SOURCE / "pl").rglob("*.py")), ids=lambda path: path.name)
def test_plots_show_and_save_nothing(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"plt\.show|savefig|rcParams", text)


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout


def test_importing_is_quick() -> None:
    """Quick is what loads little: time itself depends on the machine."""
    heavy = {"torch", "xarray", "anndata", "pandera", "numba", "matplotlib", "zarr", "pandas"}
    loaded = set(run("import sys, mutua; print(*sys.modules)").split())
    assert not loaded & heavy


def test_importing_changes_nothing() -> None:
    code = (
        "import logging, warnings, os\n"
        "before = logging.root.handlers[:], warnings.filters[:], dict(os.environ)\n"
        "import mutua, mutua.pp, mutua.tl, mutua.pl, mutua.analysis\n"
        "import logging\n"
        "print(logging.root.handlers == before[0], dict(os.environ) == before[2])"
    )
    assert run(code).split() == ["True", "True"]


def test_everything_public_is_listed() -> None:
    assert set(mt.__all__) <= set(dir(mt))
    for name in mt.__all__:
        assert getattr(mt, name) is not None


def test_unknown_attribute() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        mt.nothing
