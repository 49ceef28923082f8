"""How the command is called and how it ends."""

from __future__ import annotations

import inspect
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import mutua as mt
from mutua import cli
from mutua.errors import StoreLocked

COMMANDS = ["mi", "info", "validate", "vacuum", "export", "report", "schema", "demo"]
MUTUA = [sys.executable, "-c", "from mutua.cli import main; main()"]


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["--version"]) == 0
    assert capsys.readouterr().out.strip() == mt.__version__


def test_help_lists_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["--help"]) == 0
    printed = capsys.readouterr().out
    assert all(f" {command} " in printed for command in COMMANDS)
    assert "--install-completion" in printed
    assert "Exit status" in printed


@pytest.mark.parametrize("command", COMMANDS)
def test_help_describes_every_option(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run([command, "--help"]) == 0
    printed = capsys.readouterr().out
    function = cli.app[command].default_command
    described = inspect.getdoc(function) or ""
    for name in inspect.signature(function).parameters:
        assert re.search(rf"^{name}\n    \S", described, re.MULTILINE), name
        shown = "json" if name == "as_json" else name.replace("_", "-")
        assert shown in printed.lower()


def test_help_is_quick() -> None:
    """Quick is what loads little: time itself depends on the machine."""
    code = (
        "import sys; from mutua.cli import run\n"
        "for words in (['--help'], ['mi', '--help']): assert run(words) == 0\n"
        "print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"numpy", "torch", "xarray", "anndata", "pandera", "numba", "matplotlib", "pandas"}
    assert not heavy & set(done.stdout.split())


@pytest.mark.parametrize(
    "words", [["nothing"], ["export"], ["mi", "x.txt", "--k", "three"], ["info", "a", "--b"]]
)
def test_bad_usage_is_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(words) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "Error" in printed.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["info", "nowhere.zarr"], "nowhere.zarr holds no mutua store"),
        (["mi", "nowhere.fa"], "nowhere.fa does not exist"),
        (["report", "nowhere.zarr"], "nowhere.zarr holds no mutua store"),
    ],
)
def test_bad_data_is_1(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str],
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert cli.run(words) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("mutua: ")
    assert message in printed.err
    assert "Traceback" not in printed.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("error", [StoreLocked("it is locked"), PermissionError(13, "denied")])
def test_faults_of_the_machine_are_1(
    error: Exception,
    store: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*args: object, **options: object) -> None:
        raise error

    monkeypatch.setattr(mt.Analysis, "validate", fail)
    assert cli.run(["validate", str(store)]) == 1
    assert capsys.readouterr().err == f"mutua: {error}\n"


def test_a_fault_of_ours_keeps_its_traceback(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object, **options: object) -> None:
        raise KeyError("oops")

    monkeypatch.setattr(mt.Analysis, "validate", fail)
    with pytest.raises(KeyError, match="oops"):
        cli.run(["validate", str(store)])


def test_an_interrupt_is_130(
    store: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*args: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(mt.Analysis, "validate", interrupt)
    assert cli.run(["validate", str(store)]) == 130
    assert capsys.readouterr().err == "mutua: interrupted\n"


class Terminal:
    """A process whose standard error is a terminal."""

    def __init__(self, *words: str) -> None:
        self.master, slave = pty.openpty()
        self.process = subprocess.Popen(
            [*MUTUA, *words],
            stdout=subprocess.PIPE,
            stderr=slave,
            # Where the tests run in the background, shells have interrupts ignored.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
        os.close(slave)
        self.seen = ""

    def read_until(self, text: str) -> None:
        while text not in self.seen:
            assert select.select([self.master], [], [], 300)[0], f"silent after {self.seen!r}"
            try:
                part = os.read(self.master, 1000).decode()
            except OSError:  # the process has ended
                part = ""
            assert part, f"ended after {self.seen!r}"
            self.seen += part

    def end(self) -> tuple[int, str]:
        """Give the exit status and the standard output."""
        out, _ = self.process.communicate(timeout=300)
        os.close(self.master)
        return self.process.returncode, out.decode()


@pytest.mark.slow
def test_progress_at_a_terminal_and_results_beside_it(text: Path) -> None:
    terminal = Terminal("mi", str(text), "--k", "1", "--top", "1")
    terminal.read_until("mutua: comparing the positions of 300 sequences")
    status, out = terminal.end()
    assert status == 0
    assert out.startswith("300 sequences of length 12, alphabet ACGT\n")
    assert "mutua:" not in out
    assert f"mutua: reading {text}" in terminal.seen


@pytest.mark.slow
def test_ctrl_c(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")  # nobody writes into it: the command waits for ever
    terminal = Terminal("mi", str(tmp_path / "pipe"))
    terminal.read_until("mutua: reading")
    time.sleep(1)
    terminal.process.send_signal(signal.SIGINT)
    terminal.read_until("mutua: interrupted")
    assert terminal.end() == (130, "")
    assert "Traceback" not in terminal.seen


@pytest.mark.slow
def test_nobody_reads_the_output(store: Path) -> None:
    words = ["export", str(store), "mi", "/dev/stdout", "--format", "csv"]
    for arguments in (["info", str(store)], words):
        reader, writer = os.pipe()
        os.close(reader)
        done = subprocess.run(
            [*MUTUA, *arguments], stdout=writer, stderr=subprocess.PIPE, check=False
        )
        os.close(writer)
        assert (done.returncode, done.stderr) == (141, b"")


def test_not_at_a_terminal_nothing_but_results(
    text: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["mi", str(text)]) == 0
    assert capsys.readouterr().err == ""


def test_warnings_are_messages(text: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["mi", str(text), "--k", "1", "--identity", "0.9", "-n", "3"]
    assert cli.run(words) == 0
    printed = capsys.readouterr().err
    assert printed.startswith("mutua: warning: permutations treat sequences as independent")
    assert ".py" not in printed


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(shell: str) -> None:
    script = cli.app.generate_completion(shell=shell)
    assert all(word in script for word in [*COMMANDS, "n-permutations", "overwrite"])
