"""Reading FASTA, predicting, shuffling, as a user calls them, beside plain implementations.

Each ratio is how many times the other takes of ours. The readers and the predictions run in
processes of their own, so that peak memory is each one's alone.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

import mutua as mt

N_RECORDS, RECORD_LENGTH = 1_000_000, 200
N_SHUFFLED, SHUFFLED_LENGTH = 10_000, 1000
N_PREDICTED = 200_000


def seconds(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def peak_mib() -> float:
    """Give the peak resident memory of this process so far."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    raise OSError("no VmHWM: this benchmark needs Linux")


def write_fasta(path: str) -> None:
    """Write lines of 60 letters and headers of several words, as files from archives have."""
    from mutua.io._records import write_fasta_records

    seqs = mt.pp.random_sequences(N_RECORDS, length=RECORD_LENGTH, seed=0)

    def rows() -> Iterator[bytes]:
        for first in range(0, N_RECORDS, 50_000):
            block = seqs.isel(sequence=slice(first, first + 50_000))
            yield from (text.encode() for text in mt.pp.to_strings(block))

    names = (f"sequence_{i} of a benchmark" for i in range(N_RECORDS))
    write_fasta_records(path, names, rows(), width=60)


def read_naively(path: str) -> tuple[np.ndarray, list[str]]:
    """Read all records as text, one line after the other, then encode each."""
    table = np.full(256, 254, np.uint8)
    table[list(b"ACGTacgt")] = [0, 1, 2, 3] * 2
    records: list[tuple[str, str]] = []
    name, lines = "", []
    with open(path) as file:
        for line in file:
            if line.startswith(">"):
                if lines:
                    records.append((name, "".join(lines)))
                name, lines = line[1:].split(None, 1)[0], []
            else:
                lines.append(line.rstrip())
    records.append((name, "".join(lines)))
    rows = [table[np.frombuffer(letters.encode(), np.uint8)] for _, letters in records]
    return np.stack(rows), [name for name, _ in records]


def warm(folder: str) -> None:
    """Compile and import everything first, as the second call of a session finds it."""
    path = f"{folder}/warm.fa"
    Path(path).write_text(">a\nACGT\n")
    mt.read_fasta(path, pad="right")
    model = mt.datasets.splice_acceptor()
    mt.tl.predict(mt.pp.random_sequences(300, length=53), model)


def measured(call: Callable[[], object]) -> dict[str, float]:
    before = peak_mib()
    return {"seconds": seconds(call), "MiB": peak_mib() - before}


def predict() -> None:
    seqs = mt.pp.random_sequences(N_PREDICTED, length=53, seed=0)
    mt.tl.predict(seqs, mt.datasets.splice_acceptor())


CASES: dict[str, tuple[Callable[[str], object], str]] = {
    "read": (mt.read_fasta, "read_fasta, names and checks included (target < 5 s, < 320 MiB)"),
    "pad": (lambda path: mt.read_fasta(path, pad="right"), "read_fasta(pad='right')"),
    "naive": (read_naively, "read naively, no checks"),
    "predict": (lambda _: predict(), f"draw and predict {N_PREDICTED:,} with splice_acceptor"),
}


def compare_readers() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "sequences.fa")
        written = seconds(lambda: write_fasta(path))
        print(f"FASTA, {N_RECORDS:,} x {RECORD_LENGTH} nt; written in {written:.1f} s", flush=True)
        figures = {}
        for name, (_, label) in CASES.items():
            command = [sys.executable, "-m", "benchmarks.sequences", name, path]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            figures[name] = json.loads(done.stdout)
            shown = ", ".join(f"{value:.3g} {unit}" for unit, value in figures[name].items())
            print(f"{label}: {shown}", flush=True)
    for unit in ("seconds", "MiB"):
        print(f"naive / ours, {unit}: {figures['naive'][unit] / figures['read'][unit]:.1f}")


def shuffle_plainly(codes: np.ndarray, seed: int) -> np.ndarray:
    """Dinucleotide shuffle in numpy, one step of all sequences at a time.

    It leaves the last exit of every letter as it is: cheaper than a random tree, and not uniform.
    """
    n, length = codes.shape
    rng = np.random.default_rng(seed)
    keys = rng.random((n, length - 1))
    row = np.arange(n)
    start = np.empty((n, 4), np.int64)
    for letter in range(4):
        is_letter = codes[:, :-1] == letter
        last = length - 2 - np.argmax(is_letter[:, ::-1], axis=1)
        keys[row[is_letter.any(axis=1)], last[is_letter.any(axis=1)]] = 1
        start[:, letter] = (codes[:, :-1] < letter).sum(axis=1)
    order = np.argsort(keys + codes[:, :-1] * 2.0, axis=1)
    successors = np.take_along_axis(codes[:, 1:], order, axis=1)
    shuffled = np.empty_like(codes)
    here = shuffled[:, 0] = codes[:, 0]
    for step in range(1, length):
        position = start[row, here]
        start[row, here] += 1
        here = shuffled[:, step] = successors[row, position]
    return shuffled


def compare_shuffles() -> None:
    seqs = mt.pp.random_sequences(N_SHUFFLED, length=SHUFFLED_LENGTH, seed=0)
    mt.pp.shuffle(seqs.isel(sequence=slice(2)), k=2)  # compiles
    ours = seconds(lambda: mt.pp.shuffle(seqs, k=2))
    print(f"dinucleotide shuffle {N_SHUFFLED:,} x {SHUFFLED_LENGTH}, ours: {ours:.2f} s")
    plain = seconds(lambda: shuffle_plainly(seqs["codes"].values, seed=0))
    print(f"dinucleotide shuffle, plain numpy / ours: {plain / ours:.1f} ({plain:.2f} s)")
    try:
        from tangermeme.ersatz import dinucleotide_shuffle
    except ImportError:
        print("dinucleotide shuffle, tangermeme: not installed")
        return
    columns = mt.pp.one_hot(seqs, dtype="int8", as_tensor=True)
    dinucleotide_shuffle(columns[:2], n=1, random_state=0)
    theirs = seconds(lambda: dinucleotide_shuffle(columns, n=1, random_state=0))
    print(f"dinucleotide shuffle, tangermeme / ours: {theirs / ours:.1f} ({theirs:.2f} s)")


def main() -> None:
    compare_readers()
    compare_shuffles()


if __name__ == "__main__":
    if len(sys.argv) > 2 and sys.argv[1] in CASES:
        with tempfile.TemporaryDirectory() as folder:
            warm(folder)
        case = CASES[sys.argv[1]][0]
        print(json.dumps(measured(lambda: case(sys.argv[2]))))
    else:
        main()
