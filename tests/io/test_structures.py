"""Distances between residues, and the alignment of a chain with alignment columns."""

from __future__ import annotations

import gzip
import itertools
from pathlib import Path

import gemmi
import numpy as np
import pytest

from mutua.datasets._data import rhomboid_structure_path
from mutua.errors import InvalidInput
from mutua.io import structures
from mutua.io.structures import align_to_columns, read_residue_distances

# name, element, position; residues of chain A in order, with what is odd about them.
RESIDUES: list[tuple[str, str, list[tuple[str, str, tuple[float, float, float], str]]]] = [
    ("MSE", "7", [("CA", "C", (0, 0, 0), ""), ("CB", "C", (0, 1, 0), "")]),  # modified
    ("GLY", "8", [("CA", "C", (3, 0, 0), ""), ("H", "H", (1, 0, 0), "")]),  # no CB; a hydrogen
    ("LEU", "8A", [("CA", "C", (6, 0, 0), ""), ("N", "N", (5, 0, 0), "")]),  # CB is missing
    ("TRP", "9", [("N", "N", (9, 1, 0), ""), ("CB", "C", (9, 5, 0), "")]),  # CA is missing
    (  # two conformations
        "SER",
        "12",
        [
            ("CA", "C", (12, 0, 0), "A"),
            ("CA", "C", (99, 0, 0), "B"),
            ("CB", "C", (12, 4, 0), "A"),
            ("CB", "C", (99, 4, 0), "B"),
        ],
    ),
]


def residue(name: str, number: str, atoms: list, *, ligand: bool = False) -> gemmi.Residue:
    made = gemmi.Residue()
    made.name = name
    # Built from its parts: SeqId makes the letter of a string lower-case.
    digits = number.rstrip("A")
    made.seqid = gemmi.SeqId(int(digits), number[len(digits) :] or " ")
    made.het_flag = "H" if ligand else "A"
    made.entity_type = gemmi.EntityType.NonPolymer if ligand else gemmi.EntityType.Polymer
    for atom_name, element, position, alternative in atoms:
        atom = gemmi.Atom()
        atom.name, atom.element = atom_name, gemmi.Element(element)
        atom.pos = gemmi.Position(*position)
        if alternative:
            atom.altloc = alternative
        made.add_atom(atom)
    return made


def build() -> gemmi.Structure:
    """Give a structure of two models: A and B are protein, L holds a calcium ion only."""
    structure = gemmi.Structure()
    structure.name = "made"
    for number in (1, 2):
        model = gemmi.Model(number)
        chain = gemmi.Chain("A")
        for name, seqid, atoms in RESIDUES:
            scaled = [(a, e, tuple(number * x for x in xyz), alt) for a, e, xyz, alt in atoms]
            chain.add_residue(residue(name, seqid, scaled))
        model.add_chain(chain)
        other = gemmi.Chain("B")
        for index, name in enumerate(("ALA", "CYS", "ASP")):
            other.add_residue(residue(name, str(index + 1), [("CA", "C", (0, 4 * index, 0), "")]))
        model.add_chain(other)
        ions = gemmi.Chain("L")
        ions.add_residue(residue("CA", "1", [("CA", "Ca", (50, 50, 50), "")], ligand=True))
        model.add_chain(ions)
        structure.add_model(model)
    structure.setup_entities()
    structure.assign_subchains()
    return structure


@pytest.fixture(params=["pdb", "pdb.gz", "cif", "cif.gz"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return write(build(), tmp_path / f"made.{request.param}")


@pytest.fixture
def pdb(tmp_path: Path) -> Path:
    return write(build(), tmp_path / "made.pdb")


def write(structure: gemmi.Structure, path: Path) -> Path:
    text = (
        structure.make_mmcif_document().as_string()
        if ".cif" in path.name
        else structure.make_pdb_string()
    )
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def test_residues(path: Path) -> None:
    found = read_residue_distances(path, chain="A")
    assert found.sequence == "MGLWS"
    assert found.residue_number.tolist() == [7, 8, 8, 9, 12]
    assert found.residue_number.dtype == np.int64
    assert found.insertion_code.tolist() == ["", "", "A", "", ""]
    assert found.distance.shape == (5, 5)
    assert found.distance.dtype == np.float32


def test_alpha_carbons(path: Path) -> None:
    x = np.array([0, 3, 6, np.nan, 12])
    distance = read_residue_distances(path, chain="A", atom="CA").distance
    np.testing.assert_allclose(distance, np.abs(x[:, None] - x), atol=1e-4)


def test_beta_carbons_and_glycine(path: Path) -> None:
    nan = np.nan
    at = np.array([[0, 1, 0], [3, 0, 0], [nan, nan, nan], [9, 5, 0], [12, 4, 0]])
    expected = np.sqrt(((at[:, None] - at) ** 2).sum(axis=-1))
    distance = read_residue_distances(path, chain="A", atom="CB").distance
    np.testing.assert_allclose(distance, expected, atol=1e-4)


def test_heavy_atoms(path: Path) -> None:
    distance = read_residue_distances(path, chain="A", atom="heavy").distance
    assert not np.isnan(distance).any()
    # Not 1, which is the distance to the hydrogen.
    assert distance[0, 1] == pytest.approx(3, abs=1e-4)
    assert distance[1, 2] == pytest.approx(2, abs=1e-4)
    assert distance[3, 4] == pytest.approx(np.sqrt(10), abs=1e-4)
    np.testing.assert_array_equal(np.diag(distance), 0)


def test_second_model(path: Path) -> None:
    first = read_residue_distances(path, chain="A", model=0).distance
    second = read_residue_distances(path, chain="A", model=1).distance
    np.testing.assert_allclose(second, 2 * first, atol=1e-4)


@pytest.mark.parametrize("block", [1, 1_000, 200_000, 10_000_000])
@pytest.mark.parametrize("atom", ["CA", "CB", "heavy"])
def test_equals_plain_loops(
    atom: structures.Atom, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(structures, "PAIRS_PER_BLOCK", block)
    found = read_residue_distances(rhomboid_structure_path(), atom=atom)
    residues = list(gemmi.read_structure(str(rhomboid_structure_path()))[0]["A"])
    assert found.distance.shape == (len(residues), len(residues))
    rng = np.random.default_rng(0)
    chosen = rng.choice(len(residues), 12, replace=False)
    for i, j in itertools.product(chosen, chosen):
        atoms = [
            [
                each.pos
                for each in residues[index]
                if atom == "heavy" or each.name == ("CA" if residues[index].name == "GLY" else atom)
            ]
            for index in (i, j)
        ]
        expected = min(a.dist(b) for a, b in itertools.product(*atoms))
        assert found.distance[i, j] == pytest.approx(expected, abs=1e-4)


def test_a_single_chain_needs_no_name(tmp_path: Path) -> None:
    structure = build()
    for model in structure:
        model.remove_chain("A")
    found = read_residue_distances(write(structure, tmp_path / "one.pdb"))
    assert found.sequence == "ACD"
    np.testing.assert_allclose(found.distance[0], [0, 4, 8], atol=1e-4)


@pytest.mark.parametrize(
    ("arguments", "argument", "message"),
    [
        ({}, "chain", r"several chains. Name one of \['A', 'B'\]"),
        ({"chain": "Z"}, "chain", r"no chain 'Z' .* Use one of \['A', 'B'\]"),
        ({"chain": "L"}, "chain", r"only water or ligands. Use one of \['A', 'B'\]"),
        ({"chain": "A", "atom": "CG"}, "atom", r"'CG'. Use one of \['CA', 'CB', 'heavy'\]"),
        ({"chain": "B", "atom": "CB"}, "atom", r"no residue of the chain has an atom CB"),
        ({"chain": "A", "model": 2}, "model", r"2, of 2 model\(s\). Use 0 to 1"),
        ({"chain": "A", "model": -1}, "model", r"-1, of 2 model\(s\)"),
    ],
)
def test_wrong_arguments(pdb: Path, arguments: dict, argument: str, message: str) -> None:
    with pytest.raises(InvalidInput, match=message) as error:
        read_residue_distances(pdb, **arguments)
    assert error.value.argument == argument


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("fasta.fasta", b">x\nMKT\n"),
        ("words.pdb", b"no structure at all\n"),
        ("words.cif", b"data_x\n_a.b 1\n"),
        ("words.cif", b"not even cif"),
        ("plain.pdb.gz", b"not compressed"),
        ("empty.pdb", b""),
        ("binary.pdb", bytes(range(256))),
    ],
)
def test_not_a_structure(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InvalidInput, match=name) as error:
        read_residue_distances(path)
    assert error.value.argument == "path"


def test_truncated_file(tmp_path: Path) -> None:
    path = tmp_path / "cut.pdb.gz"
    path.write_bytes(rhomboid_structure_path().read_bytes()[:10_000])
    with pytest.raises(InvalidInput, match=r"cut\.pdb\.gz"):
        read_residue_distances(path)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="no file"):
        read_residue_distances(tmp_path / "none.pdb")
    with pytest.raises(InvalidInput, match="no file"):
        read_residue_distances(tmp_path)


def test_no_polymer(tmp_path: Path) -> None:
    structure = build()
    for model in structure:
        model.remove_chain("A")
        model.remove_chain("B")
    with pytest.raises(InvalidInput, match="has no polymer chain"):
        read_residue_distances(write(structure, tmp_path / "ions.pdb"))


def test_columns_skip_gaps_and_missing_residues() -> None:
    full = "MKTAYIAKQRQISFVKSHFSRQLEERLGLIEVQ"
    resolved = full[:10] + full[14:]
    aligned = "--" + full[:5] + "-." + full[5:].lower() + "-"
    columns = align_to_columns(resolved, aligned)
    assert columns.dtype == np.int64
    assert len(columns) == len(aligned)
    for column, letter in zip(columns, aligned, strict=True):
        assert column == -1 or resolved[column] == letter.upper()
    assert (columns == -1).sum() == 5 + 4
    assert np.array_equal(columns[columns >= 0], np.arange(len(resolved)))


def test_columns_of_a_part_of_the_chain() -> None:
    """A chain longer than the alignment, with a loop that the alignment leaves out."""
    chain = "GSHMKTAYIAKQRQISFVKSHFSRQLEERLGLIEVQLEHHHHHH"
    aligned = chain[3:15] + chain[18:35]
    expected = [*range(3, 15), *range(18, 35)]
    assert align_to_columns(chain, aligned).tolist() == expected


def test_columns_of_a_point_mutant() -> None:
    wild_type = "MKTAYIAKQRQISFVKSHFSRQLEERLGLIEVQ"
    mutant = wild_type[:12] + "W" + wild_type[13:]
    assert align_to_columns(mutant, wild_type).tolist() == list(range(len(wild_type)))


def test_another_protein_is_refused() -> None:
    chain = read_residue_distances(rhomboid_structure_path()).sequence
    shuffled = "".join(np.random.default_rng(0).permutation(list(chain)))
    with pytest.raises(InvalidInput, match="is the same in both") as error:
        align_to_columns(chain, shuffled)
    assert error.value.argument == "aligned_sequence"
    assert len(align_to_columns(chain, shuffled, min_identity=0)) == len(chain)


@pytest.mark.parametrize(
    ("chain", "aligned", "argument"),
    [
        ("", "MKT", "chain_sequence"),
        ("MKT", "--.-", "aligned_sequence"),
        ("MKT", "MK*T", "aligned_sequence"),
        ("M-KT", "MKT", "chain_sequence"),
    ],
)
def test_sequences_that_are_refused(chain: str, aligned: str, argument: str) -> None:
    with pytest.raises(InvalidInput) as error:
        align_to_columns(chain, aligned)
    assert error.value.argument == argument
