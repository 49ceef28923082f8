"""Attributions as bigWig, read back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import mutua as mt
from mutua.errors import InvalidElement, InvalidInput
from mutua.io.bigwig import write_bigwig
from mutua.models import Attributions
from mutua.settings import settings

figwig = pytest.importorskip("figwig")
SIZES = {"chr2": 400, "chr1": 300, "chrM": 20}
LENGTH = 12
REGIONS = [
    ("chr1", 40, "+"),
    ("chr2", 50, "-"),
    ("chr1", 46, "-"),
    ("chr1", 10, "."),
    ("chr1", 52, "+"),
]


def attributions() -> xr.Dataset:
    n = len(REGIONS)
    chrom, start, strand = (list(part) for part in zip(*REGIONS, strict=True))
    seqs = mt.pp.random_sequences(n, length=LENGTH, seed=0).assign_coords(
        chrom=("sequence", chrom), start=("sequence", start),
        end=("sequence", [x + LENGTH for x in start]), strand=("sequence", strand),
    )  # fmt: skip
    values = np.random.default_rng(0).normal(size=(n, 4, LENGTH)).astype(np.float32)
    return Attributions.build(
        seqs, attribution=values, target="signal", method="none", hypothetical=True
    )


def expected(attr: xr.Dataset) -> dict[str, dict[int, list[float]]]:
    """Give all values of every base, by plain loops."""
    found: dict[str, dict[int, list[float]]] = {name: {} for name in SIZES}
    for row in range(attr.sizes["sequence"]):
        start, end = int(attr["start"].values[row]), int(attr["end"].values[row])
        letters = [i for i in range(LENGTH) if attr["codes"].values[row, i] != 255]
        for step, column in enumerate(letters):
            code = int(attr["codes"].values[row, column])
            value = float(attr["attribution"].values[row, code, column]) if code < 4 else 0.0
            base = end - 1 - step if attr["strand"].values[row] == "-" else start + step
            found[str(attr["chrom"].values[row])].setdefault(base, []).append(value)
    return found


def track(path: Path, chrom: str) -> np.ndarray:
    reader = figwig.BigWigReader(str(path))
    assert dict(reader.chrom_sizes) == SIZES
    return np.asarray(reader.read([chrom], [0], SIZES[chrom], missing=np.nan))[0]


def check(path: Path, attr: xr.Dataset) -> None:
    for chrom, bases in expected(attr).items():
        values = track(path, chrom)
        assert np.flatnonzero(~np.isnan(values)).tolist() == sorted(bases)
        for base, parts in bases.items():
            assert values[base] == pytest.approx(np.mean(parts), rel=1e-6, abs=1e-7)


def test_every_base_has_the_mean_of_its_letters(tmp_path: Path) -> None:
    attr = attributions()
    assert any(len(parts) > 1 for parts in expected(attr)["chr1"].values())
    write_bigwig(attr, tmp_path / "x.bw", chrom_sizes=SIZES)
    check(tmp_path / "x.bw", attr)


def test_unknown_letters_are_zero_and_padding_is_nothing(tmp_path: Path) -> None:
    attr = attributions().isel(sequence=[0, 1, 3])
    codes = attr["codes"].values.copy()
    codes[0, 2], codes[0, 10:], codes[1, :3] = 254, 255, 255
    attr = attr.assign(codes=(("sequence", "position"), codes)).assign_coords(
        end=("sequence", [50, 59, 22])
    )
    write_bigwig(attr, tmp_path / "x.bw", chrom_sizes=SIZES)
    check(tmp_path / "x.bw", attr)
    assert track(tmp_path / "x.bw", "chr1")[42] == 0


def test_chunks_do_not_change_the_file(tmp_path: Path) -> None:
    attr = attributions()
    write_bigwig(attr, tmp_path / "whole.bw", chrom_sizes=SIZES)
    write_bigwig(attr.chunk(sequence=2), tmp_path / "lazy.bw", chrom_sizes=SIZES)
    assert (tmp_path / "lazy.bw").read_bytes() == (tmp_path / "whole.bw").read_bytes()


def test_blocks_do_not_change_the_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    random, n = np.random.default_rng(0), 4000
    start = random.integers(0, 9000, n)
    seqs = mt.pp.random_sequences(n, length=LENGTH, seed=0).assign_coords(
        chrom=("sequence", ["chr1"] * n), start=("sequence", start),
        end=("sequence", start + LENGTH),
    )  # fmt: skip
    attr = Attributions.build(
        seqs, attribution=random.normal(size=(n, 4, LENGTH)), target="signal", method="none",
        hypothetical=True,
    )  # fmt: skip
    found = []
    for memory in (settings.memory, 2**20):  # all at once, and about 1,500 sequences
        monkeypatch.setattr(settings, "memory", memory)
        write_bigwig(attr, tmp_path / "x.bw", chrom_sizes={"chr1": 10_000})
        reader = figwig.BigWigReader(str(tmp_path / "x.bw"))
        found.append(reader.read(["chr1"], [0], 10_000, missing=np.nan))
    np.testing.assert_allclose(found[0], found[1], rtol=1e-6)


def test_chromosome_sizes_may_be_a_file(tmp_path: Path) -> None:
    sizes = tmp_path / "genome.fa.fai"
    sizes.write_text("".join(f"{name}\t{size}\t5\t60\t61\n" for name, size in SIZES.items()))
    write_bigwig(attributions(), tmp_path / "x.bw", chrom_sizes=sizes)
    check(tmp_path / "x.bw", attributions())
    sizes.write_text("chr1 long\n")
    with pytest.raises(InvalidInput, match="no table of names and lengths"):
        write_bigwig(attributions(), tmp_path / "y.bw", chrom_sizes=sizes)


def test_no_sequences_give_an_empty_track(tmp_path: Path) -> None:
    write_bigwig(attributions().isel(sequence=slice(0)), tmp_path / "x.bw", chrom_sizes=SIZES)
    assert np.isnan(track(tmp_path / "x.bw", "chr1")).all()


def test_what_does_not_fit_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    attr, path = attributions(), tmp_path / "x.bw"
    nan = attr.copy(deep=True)
    nan["attribution"].values[3] = np.inf
    for wrong, sizes, message in [
        (attr.drop_vars("chrom"), SIZES, r"no coordinate \['chrom'\]"),
        (attr, {"chr1": 300}, r"no \['chr2'\]; there are \['chr1'\]"),
        (attr, {**SIZES, "chr1": 60}, "sequence 4 of 12 letters at chr1:52-64"),
        (attr.assign_coords(end=attr["end"] - 1), SIZES, "12 letters, and its region 11"),
        (nan, SIZES, "sequence 3 has attributions that are NaN or infinite"),
        (attr, {}, "there are none"),
        (attr, {"chr1": 1.5}, "not a whole number"),
    ]:
        with pytest.raises(InvalidInput, match=message):
            write_bigwig(wrong, path, chrom_sizes=sizes)
    with pytest.raises(InvalidElement):
        write_bigwig(mt.from_strings(["ACGT"]), path, chrom_sizes=SIZES)  # type: ignore[type-var]
    assert not path.exists()
