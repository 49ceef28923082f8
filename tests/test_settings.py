"""Settings: validated when set, without effect before they are needed."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

import mutua as mt
from mutua.errors import InvalidInput
from mutua.settings import DEVICES, available_threads, settings, show_progress

NAMES = ("device", "threads", "progress", "memory")


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    before = {name: getattr(settings, name) for name in NAMES}
    yield
    for name, value in before.items():
        setattr(settings, name, value)


def test_defaults_in_a_new_process() -> None:
    code = "import mutua as mt; print(mt.settings)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == (
        "settings(device='auto', threads=None, progress=None, memory=268435456)"
    )


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("device", DEVICES),
        ("threads", (None, 1, 64)),
        ("progress", (None, True, False)),
        ("memory", (2**20, 2**40)),
    ],
)
def test_good_values(name: str, values: tuple[object, ...]) -> None:
    for value in values:
        setattr(mt.settings, name, value)
        assert getattr(mt.settings, name) == value
        assert f"{name}={value!r}" in repr(mt.settings)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("device", "gpu", "`settings.device`: 'gpu'. Use one of ['auto', 'cpu', 'cuda']."),
        ("device", None, "`settings.device`: None."),
        ("device", ["cpu"], "`settings.device`: ['cpu']."),
        ("threads", 0, "`settings.threads`: 0. Use at least 1, or None for all."),
        ("threads", -1, "`settings.threads`: -1."),
        ("threads", 2.0, "`settings.threads`: 2.0. Use a whole number or None."),
        ("threads", True, "`settings.threads`: True."),
        ("progress", 1, "`settings.progress`: 1. Use True, False or None."),
        ("memory", 2**20 - 1, "`settings.memory`: 1048575. Use a number of bytes >= 2**20."),
        ("memory", 1e9, "`settings.memory`: 1000000000.0."),
        ("memory", True, "`settings.memory`: True."),
        ("colour", "red", "`settings.colour`: no such setting. Use device, threads, progress or m"),
    ],
)
def test_bad_values_change_nothing(name: str, value: object, message: str) -> None:
    before = repr(settings)
    with pytest.raises(InvalidInput) as error:
        setattr(settings, name, value)
    assert str(error.value).startswith(message)
    assert repr(settings) == before


def test_threads_never_exceed_those_of_the_process() -> None:
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert available_threads() == usable
    settings.threads = 1
    assert available_threads() == 1
    settings.threads = 10_000
    assert available_threads() == usable


def test_progress_follows_the_terminal_unless_it_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for terminal in (True, False):
        monkeypatch.setattr(sys.stderr, "isatty", lambda terminal=terminal: terminal, raising=False)
        assert show_progress() is terminal
    for chosen in (True, False):
        settings.progress = chosen
        assert show_progress() is chosen
