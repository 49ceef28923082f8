"""What the kernels on letters compute, as plain loops over Python lists."""

from __future__ import annotations

from collections import Counter
from itertools import permutations

UNKNOWN, PADDING = 254, 255


def encode(records: list[str], alphabet: str, width: int, pad: str) -> list[list[int]]:
    rows = []
    for record in records:
        codes = []
        for symbol in record:
            index = alphabet.find(symbol.upper())
            codes.append(UNKNOWN if index < 0 else index)
        gap = width - len(record)
        left = {"right": 0, "left": gap, "center": gap // 2}[pad]
        rows.append([PADDING] * left + codes + [PADDING] * (gap - left))
    return rows


def one_hot(rows: list[list[int]], alphabet_size: int) -> list[list[list[int]]]:
    return [
        [[int(code == letter) for code in row] for letter in range(alphabet_size)] for row in rows
    ]


def kmer_counts(letters: list[int], k: int) -> Counter[tuple[int, ...]]:
    return Counter(tuple(letters[p : p + k]) for p in range(len(letters) - k + 1))


def valid_shuffles(letters: list[int], k: int) -> set[tuple[int, ...]]:
    """Every order of the letters with the same number of each k-mer and of each shorter one."""
    counts = [kmer_counts(letters, j) for j in range(1, k + 1)]
    return {
        order
        for order in set(permutations(letters))
        if [kmer_counts(list(order), j) for j in range(1, k + 1)] == counts
    }


def neighbour_counts(
    rows: list[list[int]], identity: float, gaps: tuple[int, ...] | None = None
) -> list[int]:
    """With `gaps`, columns where both sequences hold one of them are left out."""
    counts = []
    for row in rows:
        count = 0
        for other in rows:
            equal = compared = 0
            for a, b in zip(row, other, strict=True):
                if gaps is not None and a in gaps and b in gaps:
                    continue
                compared += 1
                equal += a == b
            count += compared == 0 or equal / compared >= identity
        counts.append(count)
    return counts


def pattern_matches(letters: str, pattern: str) -> list[bool]:
    """DNA only; N in the letters is unknown, '-' is padding."""
    meaning = {
        "A": "A", "C": "C", "G": "G", "T": "T", "R": "AG", "Y": "CT", "S": "CG", "W": "AT",
        "K": "GT", "M": "AC", "B": "CGT", "D": "AGT", "H": "ACT", "V": "ACG", "N": "ACGTN",
    }  # fmt: skip
    return [
        all(letters[p + j] in meaning[symbol] for j, symbol in enumerate(pattern))
        for p in range(len(letters) - len(pattern) + 1)
    ]


def window_scores(row: list[int], log_odds: list[list[float]]) -> list[float]:
    length = len(log_odds[0])
    scores = []
    for p in range(len(row) - length + 1):
        total = 0.0
        for j in range(length):
            code = row[p + j]
            total += log_odds[code][j] if code < len(log_odds) else float("-inf")
        scores.append(total)
    return scores


def hits(
    row: list[int], log_odds: list[list[float]], threshold: float, complement: list[int] | None
) -> list[tuple[int, int, float]]:
    """All (position, strand, score) of one sequence, by position, forward strand first."""
    strands = [(1, log_odds)]
    if complement is not None:
        strands.append((-1, [log_odds[partner][::-1] for partner in complement]))
    found = [
        (p, -strand, score)
        for strand, table in strands
        for p, score in enumerate(window_scores(row, table))
        if score >= threshold and score > float("-inf")
    ]
    return [(p, -strand, score) for p, strand, score in sorted(found, key=lambda hit: hit[:2])]
