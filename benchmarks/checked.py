"""The cost of ``@checked`` on an element of 1,000,000 x 200.

Run ``python -m benchmarks checked``. The first call on an array looks at every code and hashes
200 MB; a repeated one finds that remembered. The target is under 1 ms for a repeated call.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np
import xarray as xr

import mutua as mt
from mutua.models import Dataset, SequenceSet, checked

N, LENGTH, REPEATS = 1_000_000, 200, 200


@checked
def count(sequences: Dataset[SequenceSet], *, k: int = 3) -> int:
    """Give no element."""
    return k


@checked
def same(sequences: Dataset[SequenceSet], *, k: int = 3) -> Dataset[SequenceSet]:
    """Give an element back."""
    return sequences


def milliseconds(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    function()
    return 1e3 * (time.perf_counter() - start)


def elements() -> dict[str, xr.Dataset]:
    codes = np.random.default_rng(0).integers(0, 4, (N, LENGTH), dtype=np.uint8)
    unknown = codes.copy()
    unknown[::3, ::7] = 254
    names = np.arange(N).astype("U8")
    kinds = {"object": object, "StringDType": np.dtypes.StringDType()}
    return {
        "codes": bare(codes),
        "codes with unknown letters": bare(unknown),
        "codes in Fortran order": bare(np.asfortranarray(codes)),
        **{f"codes, {name} names": named(codes, names.astype(t)) for name, t in kinds.items()},
    }


def bare(codes: np.ndarray) -> xr.Dataset:
    return xr.Dataset({"codes": (("sequence", "position"), codes)}, attrs={"alphabet": "ACGT"})


def named(codes: np.ndarray, names: np.ndarray) -> xr.Dataset:
    return bare(codes.copy()).assign_coords(sequence_id=("sequence", names))


def main() -> None:
    warm_up = mt.SequenceSet.build(np.zeros((2, 3), np.uint8), alphabet="DNA")
    same(warm_up)
    print(f"{N:,} x {LENGTH}, milliseconds")
    print(f"{'':30}{'build':>8}{'first':>8}{'repeated':>10}{'without result':>16}")
    for name, element in elements().items():
        built: list[xr.Dataset] = []
        building = milliseconds(lambda e=element, b=built: b.append(mt.SequenceSet.build(e)))
        copied = built[0].copy(deep=True)  # of which nothing is remembered
        first = milliseconds(lambda c=copied: same(c))
        again = [milliseconds(lambda b=built: same(b[0])) for _ in range(REPEATS)]
        plain = [milliseconds(lambda b=built: count(b[0])) for _ in range(REPEATS)]
        times = f"{statistics.median(again):>10.3f}{statistics.median(plain):>16.3f}"
        print(f"{name:30}{building:>8.1f}{first:>8.1f}{times}")


if __name__ == "__main__":
    main()
