"""Motifs and seqlets of tfmodisco-lite, from a small file of its layout."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr

import mutua as mt
from mutua.errors import InvalidInput
from mutua.io.annotations import read_annotations
from mutua.io.modisco import is_hdf5, read_patterns
from tests.io.modisco_file import write_modisco

N, LENGTH, WINDOW, WIDTH = 6, 41, 24, 7
PATTERNS = {
    "pos_patterns/pattern_0": [(0, 9, False), (3, 20, True), (5, 12, False)],
    "pos_patterns/pattern_10": [(1, 14, True)],
    "pos_patterns/pattern_2": [(2, 10, False), (2, 18, False)],
    "neg_patterns/pattern_0": [(4, 25, False)],
}
NAMES = ["pos_patterns.pattern_0", "pos_patterns.pattern_2", "pos_patterns.pattern_10",
         "neg_patterns.pattern_0"]  # fmt: skip


def letters() -> np.ndarray:
    codes = np.random.default_rng(0).integers(0, 4, (N, LENGTH), dtype=np.uint8)
    codes[0, 10] = 254
    return codes


def sequences() -> xr.Dataset:
    return mt.SequenceSet.build(letters(), alphabet="DNA")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "modisco.h5"
    write_modisco(found, letters(), PATTERNS, width=WIDTH, window=WINDOW)
    return found


def test_patterns_are_motifs_in_the_order_of_their_numbers(path: Path) -> None:
    motifs = read_patterns(str(path))
    assert motifs["motif"].values.tolist() == NAMES
    assert motifs["n_sites"].values.tolist() == [3, 2, 1, 1]
    codes = letters()
    single = motifs.sel(motif="neg_patterns.pattern_0")
    np.testing.assert_array_equal(single["probability"].values.argmax(axis=0), codes[4, 25:32])
    np.testing.assert_array_equal(single["contribution"].values, single["probability"].values / 2)
    turned = motifs["probability"].sel(motif="pos_patterns.pattern_10").values
    np.testing.assert_array_equal(turned.argmax(axis=0), 3 - codes[1, 14:21][::-1])
    # One of three letters is unknown at the second position.
    first = motifs["probability"].sel(motif="pos_patterns.pattern_0").values[:, 1]
    assert first.sum() == pytest.approx(1)
    assert sorted(first.round(6).tolist())[-1] in (0.5, 1.0)


def test_read_motifs_knows_the_file_by_its_suffix(path: Path) -> None:
    motifs = mt.read_motifs(path)
    assert motifs["motif"].values.tolist() == NAMES
    told = mt.read_motifs(path, format="modisco", background=[0.3, 0.2, 0.2, 0.3])
    assert told.attrs["background"] == [0.3, 0.2, 0.2, 0.3]
    assert '"read_motifs"' in motifs.attrs["mutua"]
    for options in ({"alphabet": "RNA"}, {"pseudocount": 1.0}):
        with pytest.raises(InvalidInput, match="Leave it out"):
            mt.read_motifs(path, **options)
    with path.open("rb") as file, pytest.raises(InvalidInput, match="Use the path"):
        mt.read_motifs(file, format="modisco")
    with pytest.raises(InvalidInput, match="Use one of"):
        mt.write_motifs(motifs, path.with_suffix(".x"), format="modisco")


def test_seqlets_lie_in_whole_sequences(path: Path) -> None:
    found = read_annotations(path, sequences())
    assert found["motif"].values.tolist() == NAMES
    expected = [
        (*seqlet, NAMES.index(name.replace("/", ".")))
        for name in sorted(PATTERNS, key=lambda x: NAMES.index(x.replace("/", ".")))
        for seqlet in PATTERNS[name]
    ]
    columns = ("sequence_index", "start", "strand", "motif_index")
    rows = list(zip(*(found[name].values.tolist() for name in columns), strict=True))
    assert rows == [(row, at, -1 if flip else 1, motif) for row, at, flip, motif in expected]
    assert (found["end"] - found["start"] == WIDTH).all()
    assert found["attribution"].values.tolist() == [3.0, *[3.5] * 6]
    assert found.attrs["source"] == "seqlets"
    assert read_annotations(path, sequences(), motifs=read_patterns(str(path)))[
        "motif_index"
    ].equals(found["motif_index"])


def test_a_window_that_is_not_said_is_found_by_the_letters(path: Path, tmp_path: Path) -> None:
    old = tmp_path / "old.h5"
    write_modisco(old, letters(), PATTERNS, width=WIDTH, window=WINDOW, said=False)
    found, known = (read_annotations(x, sequences()) for x in (old, path))
    assert found["start"].equals(known["start"])
    alike = mt.from_strings(["A" * LENGTH] * N)
    write_modisco(old, alike["codes"].values, PATTERNS, width=WIDTH, window=WINDOW, said=False)
    with pytest.raises(InvalidInput, match="does not say its window, and several fit"):
        read_annotations(old, alike)


def test_other_sequences_are_refused(path: Path) -> None:
    turned = sequences().isel(sequence=slice(None, None, -1))
    with pytest.raises(InvalidInput, match=r"the letters of the seqlets of .* are not theirs"):
        read_annotations(path, turned)
    with pytest.raises(InvalidInput, match=r"seqlets of sequence \d, and there are 2"):
        read_annotations(path, sequences().isel(sequence=slice(2)))
    with pytest.raises(InvalidInput, match="Use DNA"):
        read_annotations(path, mt.from_strings(["ACDEF"] * N, alphabet="protein"))


def test_files_that_are_none_are_refused(tmp_path: Path) -> None:
    text = tmp_path / "text.h5"
    text.write_text("nothing")
    assert not is_hdf5(str(text))
    with pytest.raises(InvalidInput, match="is no HDF5"):
        read_patterns(str(text))
    with pytest.raises(InvalidInput, match="does not exist"):
        read_patterns(str(tmp_path / "none.h5"))
    other = tmp_path / "other.h5"
    with h5py.File(other, "w") as file:
        file.create_group("metacluster_idx_to_submetacluster_results")
    with pytest.raises(InvalidInput, match="modisco convert"):
        read_patterns(str(other))
    with h5py.File(other, "w") as file:
        file.create_group("pos_patterns/pattern_0")
    with pytest.raises(InvalidInput, match="no 'sequence' in /pos_patterns/pattern_0"):
        read_patterns(str(other))
    with h5py.File(other, "w") as file:
        file.create_group("pos_patterns")
    with pytest.raises(InvalidInput, match="holds no pattern"):
        read_patterns(str(other))
    none = read_annotations(other, sequences())
    assert none.sizes["annotation"] == 0
    damaged = tmp_path / "damaged.h5"
    damaged.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(40))
    with pytest.raises(InvalidInput, match="is damaged"):
        read_patterns(str(damaged))
