"""What the comparison of k-mers computes, as plain loops over Python lists."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from math import comb

Word = tuple[int, ...]


def canonical(word: Word, complement: list[int] | None) -> Word:
    if complement is None:
        return word
    return min(word, tuple(complement[letter] for letter in reversed(word)))


def sequences_with_kmer(
    rows: list[list[int]], k: int, alphabet_size: int, complement: list[int] | None = None
) -> tuple[Counter[Word], int]:
    """Count the rows that each k-mer stands in, and all places of k-mers."""
    counts: Counter[Word] = Counter()
    n_places = 0
    for row in rows:
        words = [tuple(row[p : p + k]) for p in range(len(row) - k + 1)]
        words = [word for word in words if max(word) < alphabet_size]
        n_places += len(words)
        counts.update({canonical(word, complement) for word in words})
    return counts, n_places


def enrichment_p(a: int, b: int, foreground: int, background: int) -> Fraction:
    """Give the tail of the hypergeometric distribution as an exact fraction."""
    total = a + b
    ways = sum(
        comb(foreground, x) * comb(background, total - x)
        for x in range(a, min(total, foreground) + 1)
    )
    return Fraction(ways, comb(foreground + background, total))


def masked(
    rows: list[list[int]], words: list[Word], alphabet_size: int, unknown: int = 254
) -> list[list[int]]:
    """Mask every place of words that do not overlap one another."""
    result = []
    for row in rows:
        new = list(row)
        for word in words:
            for p in range(len(row) - len(word) + 1):
                if tuple(new[p : p + len(word)]) == word:
                    new[p : p + len(word)] = [unknown] * len(word)
        result.append(new)
    return result
