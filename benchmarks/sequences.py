"""Reading a FASTA file and shuffling, beside plain implementations.

Run ``python benchmarks/sequences.py``; each ratio is how many times the other takes of ours.
The readers run in processes of their own, so that peak memory is each one's alone.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from mutua.io._records import read_fasta_records, write_fasta_records
from mutua.kernels.letters import decode, encode, letter_table, one_hot
from mutua.kernels.random_sequences import kmer_preserving_shuffle, random_codes

N_RECORDS, RECORD_LENGTH = 1_000_000, 200
N_SHUFFLED, SHUFFLED_LENGTH = 10_000, 1000
UNIFORM = np.full(4, 0.25)
TABLE = letter_table("ACGT")


def seconds(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def write_fasta(path: str) -> None:
    def rows() -> Iterator[bytes]:
        for first in range(0, N_RECORDS, 50_000):
            codes = random_codes(50_000, RECORD_LENGTH, UNIFORM, seed=0, first_sequence=first)
            yield from decode(codes, "ACGT")

    names = (f"sequence_{i} of a benchmark" for i in range(N_RECORDS))
    write_fasta_records(path, names, rows(), width=60)


def read_ours(path: str) -> tuple[np.ndarray, list[str]]:
    names: list[str] = []
    codes = []
    for buffer, offsets, block_names in read_fasta_records(path):
        codes.append(encode(buffer, offsets, TABLE, width=RECORD_LENGTH))
        names += block_names or []
    return np.concatenate(codes), names


def read_naively(path: str) -> tuple[np.ndarray, list[str]]:
    """Read all records as text, one line after the other, then encode each."""
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
    rows = [TABLE[np.frombuffer(letters.encode(), np.uint8)] for _, letters in records]
    return np.stack(rows), [name for name, _ in records]


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure_reader(reader: str, path: str) -> None:
    encode(np.zeros(1, np.uint8), np.array([0, 1]), TABLE)  # compiles
    before = peak_mib()
    taken = seconds(lambda: {"ours": read_ours, "naive": read_naively}[reader](path))
    print(taken, peak_mib() - before)


def compare_readers() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "sequences.fa")
        written = seconds(lambda: write_fasta(path))
        print(f"write FASTA {N_RECORDS:,} x {RECORD_LENGTH}: {written:.1f} s")
        figures = {}
        for reader in ("ours", "naive"):
            output = subprocess.check_output([sys.executable, __file__, reader, path], text=True)
            figures[reader] = tuple(map(float, output.split()))
            print(f"read FASTA, {reader}: {figures[reader][0]:.2f} s, {figures[reader][1]:.0f} MiB")
    time_ratio, memory_ratio = np.divide(figures["naive"], figures["ours"])
    print(f"read FASTA, naive / ours: time {time_ratio:.1f}, memory {memory_ratio:.1f}")


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
    codes = random_codes(N_SHUFFLED, SHUFFLED_LENGTH, UNIFORM, seed=0)
    kmer_preserving_shuffle(codes[:2], k=2, seed=0)  # compiles
    ours = seconds(lambda: kmer_preserving_shuffle(codes, k=2, seed=0))
    print(f"dinucleotide shuffle {N_SHUFFLED:,} x {SHUFFLED_LENGTH}, ours: {ours:.2f} s")
    plain = seconds(lambda: shuffle_plainly(codes, seed=0))
    print(f"dinucleotide shuffle, plain numpy / ours: {plain / ours:.1f} ({plain:.2f} s)")
    try:
        import torch
        from tangermeme.ersatz import dinucleotide_shuffle
    except ImportError:
        print("dinucleotide shuffle, tangermeme: not installed")
        return
    columns = torch.from_numpy(one_hot(codes, 4, np.int8))
    dinucleotide_shuffle(columns[:2], n=1, random_state=0)
    theirs = seconds(lambda: dinucleotide_shuffle(columns, n=1, random_state=0))
    print(f"dinucleotide shuffle, tangermeme / ours: {theirs / ours:.1f} ({theirs:.2f} s)")


if __name__ == "__main__":
    if sys.argv[1:]:
        measure_reader(*sys.argv[1:])
    else:
        compare_readers()
        compare_shuffles()
