"""Commands that compute: from a file of sequences to position MI, and the demo."""

from __future__ import annotations

import gzip
import os
import re
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from mutua.errors import InvalidInput
from mutua.settings import settings, show_progress

__all__ = ["demo", "mi", "tell"]

# As in mutua.models.position_mi, which takes a second to import; a test holds them together.
Measure = Literal[
    "mi",
    "jensen_shannon",
    "inverse_jensen_shannon",
    "hellinger",
    "bhattacharyya",
    "inverse_bhattacharyya",
]
Correction = Literal["none", "miller_madow", "shuffle", "apc"]
Device = Literal["auto", "cpu", "cuda"]
_FASTA = (".fa", ".fasta", ".fna", ".ffn", ".faa", ".fas")
_COMPRESSED = (".gz", ".bgz")


def mi(
    sequences: str,
    /,
    *,
    k: Annotated[int, Parameter(name=["--k", "-k"])] = 3,
    pseudocount: float = 5.0,
    measure: Measure = "mi",
    correction: Correction = "none",
    normalize: bool = False,
    n_permutations: Annotated[int | None, Parameter(name=["--n-permutations", "-n"])] = None,
    identity: float | None = None,
    gap: Literal["drop", "symbol"] = "drop",
    seed: int = 0,
    alphabet: str = "DNA",
    pad: Literal["left", "right", "center"] | None = None,
    format: Literal["fasta", "text"] | None = None,
    out: Annotated[str | None, Parameter(name=["--out", "-o"])] = None,
    name: str | None = None,
    overwrite: bool = False,
    figure: Path | None = None,
    fdr: float = 0.05,
    top: int = 5,
    threads: int | None = None,
    device: Device | None = None,
) -> None:
    """Compute the dependency between all pairs of positions; print the strongest.

    Parameters
    ----------
    sequences
        FASTA or one sequence a line, plain or gzip; also /dev/stdin.
    k
        Length of the k-mers.
    pseudocount
        Pseudocount as a multiple of the number of sequences; 0 for none.
    measure
        Mutual information, or a distance between the k-mers of two positions.
    correction
        What to subtract: miller_madow (with --pseudocount 0), shuffle, apc.
    normalize
        Also divide by the joint entropy.
    n_permutations
        Permutations for p-values; by default none, or 100 for --correction shuffle.
    identity
        Give related sequences less weight: one over the number that are as identical (0 to 1).
    gap
        Leave unknown letters out, or take them as one more letter.
    seed
        Seed of the permutations.
    alphabet
        DNA, RNA, protein or the letters.
    pad
        Where to pad shorter sequences; by default all must be of one length.
    format
        Of the sequences; by default told from the name or the first letter.
    out
        Store to write the sequences and the result to, new or not.
    name
        Call them NAME and NAME_mi in the store; by default after the file.
    overwrite
        Replace elements of these names.
    figure
        Picture to draw: .png, .pdf, .svg.
    fdr
        Level of the false discovery rate for what is called significant.
    top
        How many pairs to print.
    threads
        Most threads to use.
    device
        cpu, cuda, or auto: a GPU if there is one and the work is worth it.
    """
    import mutua as mt

    if threads is not None:
        settings.threads = threads
    if not 0 < fdr < 1:
        raise InvalidInput("--fdr", f"{fdr:g}", "use a number between 0 and 1")
    if top < 0:
        raise InvalidInput("--top", f"{top}", "use at least 0")
    name = _element_name(sequences) if name is None else name
    results = (name, f"{name}_mi")
    if out is not None:
        _check_store(out, results, overwrite)
    if figure is not None:
        _check_figure(figure)
    tell(f"reading {sequences}")
    seqs = _read(sequences, format, alphabet=alphabet, pad=pad)
    if identity is not None:
        tell("weighing sequences")
        seqs = mt.pp.sequence_weights(seqs, identity=identity)
    tell(f"comparing the positions of {seqs.sizes['sequence']:,} sequences")
    found = mt.tl.position_mi(
        seqs,
        k=k,
        pseudocount=pseudocount,
        measure=measure,
        correction=correction,
        normalize=normalize,
        n_permutations=n_permutations,
        gap=gap,
        seed=seed,
        device=device,
    )
    if out is not None:
        _store(out, dict(zip(results, (seqs, found), strict=True)))
        tell(f"wrote {' and '.join(results)} into {out}")
    if figure is not None:
        _draw(found, figure, fdr)
        tell(f"wrote {figure}")
    _print_summary(seqs, found, fdr, top)


def demo(folder: Path = Path("."), /) -> None:
    """Run the main job on bundled real data; write demo.zarr, demo.html and pictures.

    Parameters
    ----------
    folder
        Where to write them.
    """
    import matplotlib.pyplot as plt

    from mutua.demo import main

    plt.switch_backend("Agg")
    main(folder)


def tell(message: str) -> None:
    """Say what is going on, if somebody is watching."""
    if show_progress():
        print(f"mutua: {message}", file=sys.stderr, flush=True)


def _element_name(path: str) -> str:
    """Give the name of a file as the name of an element."""
    stem = Path(path).name
    for suffix in (*_COMPRESSED, *_FASTA, ".txt", ".seq"):
        stem = stem.removesuffix(suffix)
    return re.sub(r"[^A-Za-z0-9_-]+", "_", stem).strip("_-")[:100] or "sequences"


def _check_store(out: str, names: tuple[str, ...], overwrite: bool) -> None:
    """Refuse a store that cannot take elements of these names, before any work is done."""
    import mutua as mt
    from mutua.io.index import check_name
    from mutua.io.store import Store

    for name in names:
        check_name(name, [])
    if Store.at(out).exists():
        there = mt.open(out, mode="r")
        taken = [repr(name) for name in names if name in there]
        if taken and not overwrite:
            raise InvalidInput(
                "--out",
                f"{out} has {' and '.join(taken)} already",
                "use --overwrite to replace what is there, or --name for another name",
            )


def _store(out: str, elements: dict[str, Any]) -> None:
    """Put elements into a store by one commit; what else it holds stays."""
    import mutua as mt
    from mutua.io.store import Store

    if Store.at(out).exists():
        mt.open(out).update(elements)
    else:
        mt.Analysis(elements).write(out)


def _read(
    path: str, format: str | None, *, alphabet: str, pad: Literal["left", "right", "center"] | None
) -> Any:
    import mutua as mt

    fasta = _is_fasta(path) if format is None else format == "fasta"
    return (mt.read_fasta if fasta else mt.read_text)(path, alphabet=alphabet, pad=pad)


def _is_fasta(path: str) -> bool:
    """Tell FASTA by the name of a file, or else by its first letter; what is no file is text."""
    stem = path.lower()
    for suffix in _COMPRESSED:
        stem = stem.removesuffix(suffix)
    if stem.endswith(_FASTA):
        return True
    local = os.path.expanduser(path)
    if not os.path.isfile(local):
        return False
    with open(local, "rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    try:
        with gzip.open(local) if packed else open(local, "rb") as text:
            return text.read(64).lstrip()[:1] == b">"
    except (EOFError, OSError):
        return False  # which reading will tell in better words


def _check_figure(file: Path) -> None:
    """Refuse a picture that cannot be written, before any work is done."""
    from matplotlib.backend_bases import FigureCanvasBase

    known = sorted(FigureCanvasBase.get_supported_filetypes())
    if file.suffix.lower().removeprefix(".") not in known:
        raise InvalidInput("--figure", f"{file}", f"use one of .{', .'.join(known)}")
    if not file.parent.is_dir():
        raise InvalidInput("--figure", f"there is no folder {file.parent}", "make it first")


def _draw(found: Any, file: Path, fdr: float) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    import mutua as mt

    figure = Figure(figsize=(6.4, 5.4), layout="constrained")
    FigureCanvasAgg(figure)
    mt.pl.position_mi(
        found, ax=figure.add_subplot(), significant=fdr if "q_value" in found else None
    )
    figure.savefig(file, dpi=150)


def _print_summary(seqs: Any, found: Any, fdr: float, top: int) -> None:
    """Print what was counted, how much of it is significant, and the strongest pairs."""
    import mutua as mt

    n, length = seqs.sizes["sequence"], seqs.sizes["position"]
    print(f"{n:,} sequences of length {length}, alphabet {seqs.attrs['alphabet']}")
    columns = ("mi_corrected", "mi", "p_value", "q_value", "p_familywise")
    shown = [name for name in columns if name in found]
    pairs = mt.to_dataframe(found, upper=True)
    pairs = pairs[["position_i", "position_j", *shown]].dropna(subset=shown[:1])
    unit = " bits" if found.attrs["measure"] == "mi" else ""
    print(f"{len(pairs):,} pairs of {found.attrs['k']}-mers, median {shown[0]} "
          f"{pairs[shown[0]].median():.4g}{unit}")  # fmt: skip
    if "q_value" in found:
        n_significant = int((pairs["q_value"] <= fdr).sum())
        print(f"{n_significant:,} pairs significant at a false discovery rate of {fdr:g}")
    else:
        print("p-values not computed (--n-permutations 100)")
    strongest = pairs.nlargest(top, shown[0])
    if len(strongest):
        print(f"strongest pairs{f' ({shown[0]} in bits)' if unit else ''}:")
        print(strongest.to_string(index=False, float_format=lambda value: f"{value:.4g}"))
