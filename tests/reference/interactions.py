"""Interactions of motifs as plain loops over the definitions."""

from itertools import product

import numpy as np

SYMBOLS = {
    "R": "AG", "Y": "CT", "S": "CG", "W": "AT", "K": "GT", "M": "AC",
    "B": "CGT", "D": "AGT", "H": "ACT", "V": "ACG", "N": "ACGTN",
}  # fmt: skip
PARTNER = str.maketrans("ACGTRYSWKMBDHVN", "TGCAYRSWMKVHDBN")


def matches(window: str, pattern: str) -> bool:
    return len(window) == len(pattern) and all(
        letter in SYMBOLS.get(symbol, symbol)
        for letter, symbol in zip(window, pattern, strict=True)
    )


def pattern_sites(
    texts: list[str], patterns: list[str], both: bool
) -> list[tuple[int, int, int, int, int]]:
    """(sequence, start, end, motif, strand); `-` is padding."""
    found = []
    for row, text in enumerate(texts):
        for start, (motif, pattern) in product(range(len(text)), enumerate(patterns)):
            end = start + len(pattern)
            if matches(text[start:end], pattern):
                found.append((row, start, end, motif, 1))
            elif both and matches(text[start:end], pattern.translate(PARTNER)[::-1]):
                found.append((row, start, end, motif, -1))
    return found


def disjoint(sites: list[tuple[int, ...]], a: int, b: int, most: int) -> set[tuple[int, int]]:
    pairs = set()
    for one, other in product(range(len(sites)), repeat=2):
        (row, start, end, motif, _), (row_b, start_b, end_b, motif_b, _) = sites[one], sites[other]
        if row != row_b or (motif, motif_b) != (a, b) or (a == b and one >= other):
            continue
        if 0 <= max(start_b - end, start - end_b) <= most:
            pairs.add((one, other))
    return pairs


def signed_rank(differences: list[float]) -> float:
    """Over all signs that the differences could have had."""
    values = [value for value in differences if value != 0]
    ranks = [
        sum(abs(other) < abs(value) for other in values)
        + (sum(abs(other) == abs(value) for other in values) + 1) / 2
        for value in values
    ]
    centre = sum(ranks) / 2
    seen = abs(sum(rank for rank, value in zip(ranks, values, strict=True) if value > 0) - centre)
    sums = [
        sum(rank for rank, up in zip(ranks, signs, strict=True) if up)
        for signs in product((False, True), repeat=len(values))
    ]
    return sum(abs(total - centre) >= seen - 1e-9 for total in sums) / len(sums)


def epistasis(
    codes: np.ndarray,
    model,
    sites: list[tuple[int, ...]],
    fills: np.ndarray,
    pairs: list[tuple[int, int]],
    good: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """One pair of sites and one fill at a time: means over the pairs of each sequence.

    Fills of a pair that are not `good` (pair, fill) are left out.

    Gives the epistasis and the three effects (sequence, 4), and the numbers of the sequences.
    """
    per_sequence: dict[int, list[list[float]]] = {}
    for (a, b), kept in zip(pairs, good, strict=True):
        row = sites[a][0]
        values = []
        for fill in np.flatnonzero(kept):
            variants = []
            for destroyed in ([], [a], [b], [a, b]):
                changed = codes[row].copy()
                for site in destroyed:
                    start, end = sites[site][1:3]
                    changed[start:end] = fills[site, fill, : end - start]
                variants.append(float(model(changed[None])[0]))
            whole, without_a, without_b, neither = variants
            values.append([whole + neither - without_a - without_b, without_b - neither,
                           without_a - neither, whole - neither])  # fmt: skip
        if values:
            per_sequence.setdefault(row, []).append(np.mean(values, axis=0).tolist())
    numbers = sorted(per_sequence)
    return np.array([np.mean(per_sequence[row], axis=0) for row in numbers]), np.array(numbers)
