"""Motifs in and out: MEME, JASPAR, TRANSFAC, plain tables, and HDF5 of TF-MoDISco (in)."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import IO, Any, Literal, get_args

import numpy as np

from mutua.errors import InvalidInput
from mutua.io._motif_meme import meme_text, parse_meme
from mutua.io._motif_tables import (
    jaspar_text,
    parse_tables,
    parse_transfac,
    table_text,
    transfac_text,
)
from mutua.io._motif_text import MotifRecord, MotifText, as_probabilities, holds_counts
from mutua.io._records import open_to_read, open_to_write, path_text
from mutua.io.modisco import read_patterns
from mutua.models import Dataset, MotifSet
from mutua.models.alphabets import ALPHABETS, resolve_alphabet
from mutua.models.arguments import number, one_of
from mutua.models.build import assemble
from mutua.models.dims import INFORMATION, LENGTH, LETTER, MOTIF, PROBABILITY
from mutua.models.motif_matrices import column_information, frequencies, padded

__all__ = ["read_motifs", "write_motifs"]

Path = str | os.PathLike[str]
Written = Literal["meme", "jaspar", "transfac", "table"]
Format = Written | Literal["modisco"]
FORMATS: tuple[str, ...] = (*get_args(Written), "modisco")
_HDF5 = (".h5", ".hdf5")
_SUFFIXES = {
    ".meme": "meme", ".jaspar": "jaspar", ".pfm": "jaspar", ".transfac": "transfac",
    ".tf": "transfac", ".tsv": "table", ".txt": "table", ".pwm": "table", ".ppm": "table",
}  # fmt: skip
_SIGNS = (
    ("meme", re.compile(r"^MEME version|^letter-probability matrix|^ALPHABET\b", re.MULTILINE)),
    ("transfac", re.compile(r"^P[0O]\s+[A-Za-z]\s|^//", re.MULTILINE)),
    ("jaspar", re.compile(r"^[A-Za-z]\s*\[", re.MULTILINE)),
)
_WRITERS = {"meme": meme_text, "jaspar": jaspar_text, "transfac": transfac_text,
            "table": table_text}  # fmt: skip


def read_motifs(
    path: Path | IO[str] | IO[bytes],
    *,
    format: Format | None = None,
    alphabet: str | None = None,
    background: Mapping[str, float] | Sequence[float] | None = None,
    pseudocount: float = 0.0,
) -> Dataset[MotifSet]:
    r"""Read motifs from a MEME, JASPAR or TRANSFAC file, plain tables, or HDF5 of TF-MoDISco.

    Parameters
    ----------
    path
        Path or fsspec URL, plain or gzip, or an open file of text.
    format
        ``"meme"`` (minimal files and the outputs of MEME, STREME and DREME), ``"jaspar"`` (with
        brackets or as raw rows), ``"transfac"``, or ``"table"``: numbers by position below a line
        of letters or behind a letter, each motif after a line ``>id name``; or ``"modisco"``:
        the patterns that tfmodisco-lite wrote, with their mean attributions as
        ``contribution``. By default it is told from the text, or else from the suffix.
    alphabet
        ``"DNA"``, ``"RNA"``, ``"protein"`` or the letters, in the order that is wanted. By default
        the letters of the file, DNA where it names none.
    background
        Frequency of each letter, as for `MotifSet.build`; by default that of the file, or else
        the same for all letters.
    pseudocount
        Number of sites with the letters of the background to add to counts.

    Returns
    -------
    MotifSet
        With ``n_sites`` where there are counts (the largest sum of a column) or the file says, and
        with ``name``, ``family``, ``e_value`` and ``p_value`` where it has them. Counts are divided
        by the sum of their column; so are probabilities, which may be rounded to two digits.

    Raises
    ------
    InvalidInput
        If there is no such file, it holds no motif or is cut off, ids repeat (lists them), a
        motif has log-odds only, or a column does not sum to 1 (names motif, column and line).

    Examples
    --------
    >>> import io
    >>> import mutua as mt
    >>> text = ">MA0139.1 CTCF\nA [ 87 0 2 ]\nC [ 5 0 98 ]\nG [ 6 99 0 ]\nT [ 2 1 0 ]"
    >>> motifs = mt.read_motifs(io.StringIO(text))
    >>> motifs["motif"].values, motifs["name"].values
    (array(['MA0139.1'], dtype='<U8'), array(['CTCF'], dtype='<U4'))
    >>> motifs["probability"].sel(motif="MA0139.1", letter="A").values
    array([0.87, 0.  , 0.02], dtype=float32)
    """
    if format is not None:
        one_of("format", format, FORMATS)
    told = isinstance(path, str | os.PathLike) and _suffix(path_text(path)) in _HDF5
    if format == "modisco" or (format is None and told):
        return _patterns(path, alphabet, background, pseudocount)
    pseudocount = number("pseudocount", pseudocount, low=0)
    wanted = None if alphabet is None else resolve_alphabet(alphabet)
    source, content = _content(path)
    text = MotifText(source, content)
    found = format or _guess(content, source)
    stated = None
    if found == "meme":
        records, stated = parse_meme(text)
    elif found == "transfac":
        records = parse_transfac(text)
    else:
        records = parse_tables(text, n_letters=len(wanted or ALPHABETS["DNA"]))
    _refuse_unnamed(text, records, found)
    if wanted is None and found != "meme":
        _refuse_unknown_letters(text, records[0])
    letters, records = _with_letters(text, records, wanted)
    if background is None and stated is not None:
        background = _stated_background(text, stated, letters)
    shares = frequencies(background, letters)
    parts = _parts(text, records, letters, shares, pseudocount)
    arguments = {
        "path": source,
        "format": found,
        "alphabet": letters,
        "background": shares,
        "pseudocount": pseudocount,
    }
    return assemble(MotifSet, None, parts, arguments=arguments, function="read_motifs")


def _patterns(path: Any, alphabet: Any, background: Any, pseudocount: Any) -> Dataset[MotifSet]:
    """Read the patterns of TF-MoDISco, which are probabilities of DNA."""
    if hasattr(path, "read"):
        raise InvalidInput("path", "an open file", "use the path of the HDF5 file")
    letters = ALPHABETS["DNA"]
    if alphabet is not None and resolve_alphabet(alphabet) != letters:
        raise InvalidInput("alphabet", f"{alphabet!r}, and patterns are of DNA", "leave it out")
    if pseudocount:
        raise InvalidInput("pseudocount", "patterns are probabilities", "leave it out")
    return read_patterns(path_text(path), frequencies(background, letters))


def _content(path: Any) -> tuple[str, str]:
    """Give what a file is called, and its text."""
    if hasattr(path, "read"):
        name, content = str(getattr(path, "name", "text")), path.read()
        content = content if isinstance(content, str) else _decoded(content)
    else:
        name = path_text(path)
        with open_to_read(path, "a motif file") as file:
            content = _decoded(file.read())
    if "\0" in content[:1000] or content.lstrip()[:1] == "<":
        remedy = "pass motifs as MEME, JASPAR or TRANSFAC text or as tables"
        raise InvalidInput("path", f"{name} is no text of motifs", remedy)
    return name, content


def _decoded(content: bytes) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content.decode("latin-1")  # names of authors in older files


def _guess(content: str, source: str) -> str:
    """Tell the format from the text, or else from the suffix of the file."""
    for name, sign in _SIGNS:
        if sign.search(content):
            return name
    return _SUFFIXES.get(_suffix(source), "table")


def _suffix(path: str) -> str:
    return os.path.splitext(path.lower().removesuffix(".gz"))[1]


def _refuse_unnamed(text: MotifText, records: list[MotifRecord], found: str) -> None:
    """Refuse a file without motifs, and ids that stand more than once."""
    if not records:
        raise text.refuse(
            None, f"no motifs (read as {found!r})", f"use format= of {list(_WRITERS)}"
        )
    repeated = [name for name, n in Counter(record.id for record in records).items() if n > 1]
    if repeated:
        found = f"ids that stand more than once: {', '.join(repeated)}"
        raise text.refuse(None, found, "give each motif its own id")


def _refuse_unknown_letters(text: MotifText, record: MotifRecord) -> None:
    """Refuse letters of no usual alphabet: the rows of some may be cut off."""
    letters = record.letters
    if letters and sorted(letters.upper()) not in map(sorted, ALPHABETS.values()):
        found = f"motif {record.id!r} has the letters {letters!r} only"
        remedy = f"use alphabet={letters!r} if these are all, else get the file again"
        raise text.refuse(record.line, found, remedy)


def _with_letters(
    text: MotifText, records: list[MotifRecord], wanted: str | None
) -> tuple[str, list[MotifRecord]]:
    """Give the letters of all motifs, and the motifs with their rows in that order."""
    letters = wanted or _usual(records[0].letters or ALPHABETS["DNA"])
    result = []
    for record in records:
        own = record.letters or letters
        if len(set(letters.upper())) == len(letters):  # the case of letters says nothing
            own = "".join(letters[i] if (i := letters.upper().find(x)) >= 0 else x
                          for x in own.upper())  # fmt: skip
        if sorted(own) != sorted(letters):
            found = f"motif {record.id!r} has the letters {record.letters!r}, not {letters!r}"
            raise text.refuse(record.line, found, "use the alphabet of the file: alphabet=")
        order = [own.index(letter) for letter in letters]
        result.append(record._replace(letters=letters, values=record.values[order]))
    return letters, result


def _usual(letters: str) -> str:
    """Give the letters in the order of the alphabet that has them, or as they are."""
    known = (x for x in ALPHABETS.values() if sorted(x) == sorted(letters.upper()))
    return next(known, None) or resolve_alphabet(letters)


def _stated_background(text: MotifText, stated: dict[str, float], letters: str) -> list[float]:
    """Give the background that a file says, whose numbers are rounded."""
    folded = {letter.upper(): value for letter, value in stated.items()}
    values = np.array([stated.get(letter, folded.get(letter.upper(), 0.0)) for letter in letters])
    if (values <= 0).any() or abs(values.sum() - 1) > 0.02:
        found = f"background frequencies {dict(zip(letters, values.tolist(), strict=True))}"
        raise text.refuse(None, found, "use background= with frequencies above 0 that sum to 1")
    exact = abs(values.sum() - 1) <= 1e-6
    return [float(value) for value in (values if exact else values / values.sum())]


def _parts(
    text: MotifText,
    records: list[MotifRecord],
    letters: str,
    background: list[float],
    pseudocount: float,
) -> dict[str, Any]:
    """Give the variables and coordinates of a motif set."""
    read = [as_probabilities(text, record, background, pseudocount) for record in records]
    if pseudocount and not any(holds_counts(record.values) for record in records):
        raise InvalidInput("pseudocount", f"{text.source} has probabilities", "leave it out")
    ids = [record.id for record in records]
    by_id = dict(zip(ids, (probability for probability, _ in read), strict=True))
    values, length = padded(by_id, letters, argument="path", probabilities=True)
    values = values.astype(np.float32)
    parts: dict[str, Any] = {
        PROBABILITY: values,
        LENGTH: length,
        INFORMATION: column_information(values, background).sum(axis=-1),
        MOTIF: ids,
        LETTER: list(letters),
        "alphabet": letters,
        "background": background,
    }
    for name in ("name", "family"):
        texts = [getattr(record, name) for record in records]
        parts[name] = texts if any(texts) else None
    numbers = {
        "n_sites": [n_sites for _, n_sites in read],
        "p_value": [record.p_value for record in records],
        "e_value": [record.e_value for record in records],
    }
    known = {name: column for name, column in numbers.items() if not np.isnan(column).all()}
    return parts | known


def write_motifs(motifs: Dataset[MotifSet], path: Path, *, format: Written | None = None) -> None:
    """Write motifs as text, compressed if the path ends in ``.gz``.

    Probabilities read back as the same float32 numbers. MEME keeps the background, ``n_sites``,
    ``e_value`` and ``p_value``; JASPAR and TRANSFAC keep ``n_sites`` as counts; tables keep
    probabilities alone.

    Parameters
    ----------
    motifs
        Motifs.
    path
        Path or fsspec URL.
    format
        ``"meme"``, ``"jaspar"``, ``"transfac"`` or ``"table"``; by default told from the suffix.

    Raises
    ------
    InvalidElement
        If it is no motif set.
    InvalidInput
        If there are no motifs, the suffix tells no format, or the format cannot hold an id or a
        letter.

    Examples
    --------
    >>> import mutua as mt
    >>> motifs = mt.MotifSet.build({"GATA": "WGATAR"}, n_sites=[50])
    >>> mt.write_motifs(motifs, "memory://gata.meme")
    >>> mt.read_motifs("memory://gata.meme")["probability"].equals(motifs["probability"])
    True
    """
    MotifSet.check(motifs, where="argument `motifs` of write_motifs", deep=True)
    target = path_text(path)
    chosen = _SUFFIXES.get(_suffix(target)) if format is None else format
    if chosen is None:
        found = f"the suffix of {target} tells no format"
        raise InvalidInput("format", found, f"use one of {list(_WRITERS)}")
    one_of("format", chosen, _WRITERS)
    if not motifs.sizes[MOTIF]:
        raise InvalidInput("motifs", "there are none", "write at least one")
    for motif in motifs[MOTIF].values.tolist():
        if not motif or len(motif.split()) != 1 or motif != motif.strip():
            raise InvalidInput("motifs", f"the id {motif!r}", "use ids without white space")
    for part in ("name", "family"):
        odd = [x for x in motifs[part].values.tolist() if x and [x.strip()] != x.splitlines()] \
            if part in motifs.coords else []  # fmt: skip
        if odd:
            remedy = "use names of one line without white space around"
            raise InvalidInput("motifs", f"the {part} {odd[0]!r}", remedy)
    content = _WRITERS[chosen](motifs.compute()).encode()
    with open_to_write(target) as file:
        file.write(content)
