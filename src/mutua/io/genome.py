"""Letters of a genome, from an indexed FASTA file."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mutua.errors import InvalidInput
from mutua.io._records import path_text
from mutua.kernels import letters

__all__ = ["Genome", "open_genome"]

Codes = npt.NDArray[np.uint8]


class Genome:
    """A genome that is open to be read.

    Attributes
    ----------
    lengths
        Bases of each chromosome, by name.
    """

    def __init__(self, fasta: Any) -> None:
        self._fasta = fasta
        self.lengths: dict[str, int] = {name: len(fasta[name]) for name in fasta.keys()}  # noqa: SIM118

    def codes(
        self, chrom: Sequence[str], start: Sequence[int], end: Sequence[int], *, width: int
    ) -> Codes:
        """Give the plus strand of regions as codes of ACGT, padded where there is no chromosome.

        Parameters
        ----------
        chrom, start, end
            The regions, `width` bases each, 0-based and half-open. They may begin before a
            chromosome and end after it.
        width
            Bases of every region.

        Returns
        -------
        uint8 array (region, width)
        """
        table = letters.letter_table("ACGT")
        codes = np.full((len(chrom), width), letters.PADDING, dtype=np.uint8)
        for row, (name, first, last) in enumerate(zip(chrom, start, end, strict=True)):
            inside, beyond = max(first, 0), min(last, self.lengths[name])
            if beyond > inside:
                text = self._fasta[name][inside:beyond].encode("ascii")
                codes[row, inside - first : beyond - first] = letters.encode(text, table)
        return codes


@contextlib.contextmanager
def open_genome(path: str | os.PathLike[str]) -> Iterator[Genome]:
    """Open a genome; make its index (``.fai``) if there is none or an old one.

    The index is kept beside the genome if that folder can be written to, and appears there only
    when it is complete.

    Parameters
    ----------
    path
        FASTA, uncompressed, or bgzip-compressed where biopython is installed.

    Raises
    ------
    InvalidInput
        If there is no such file, or it is no FASTA that can be indexed.
    """
    import pyfaidx

    genome = os.path.expanduser(path_text(path, "genome"))
    if not os.path.isfile(genome):
        there = "is no file" if os.path.exists(genome) else "does not exist"
        raise InvalidInput("genome", f"{genome} {there}", "use the path of a FASTA file")
    with contextlib.ExitStack() as stack:
        try:
            fasta = stack.enter_context(_indexed(genome, stack))
        except ImportError as error:
            remedy = "decompress it, or install biopython to read bgzip"
            raise InvalidInput("genome", f"{genome} is compressed", remedy) from error
        except (pyfaidx.FastaIndexingError, ValueError, IndexError) as error:
            # Among the ValueErrors: a damaged index, a repeated name, a file that is no text.
            remedy = "use FASTA with lines of one length; delete an index that is damaged"
            raise InvalidInput("genome", f"{genome} cannot be read: {error}", remedy) from error
        except pyfaidx.UnsupportedCompressionFormat as error:
            remedy = "decompress it, or compress it with bgzip"
            raise InvalidInput("genome", f"{genome}: {error}", remedy) from error
        yield Genome(fasta)


def _indexed(genome: str, stack: contextlib.ExitStack) -> Any:
    """Open a genome with an index that is up to date."""
    import pyfaidx

    index = f"{genome}.fai"
    if os.path.exists(index) and os.path.getmtime(index) >= os.path.getmtime(genome):
        return pyfaidx.Fasta(genome, as_raw=True)
    scratch = os.path.join(stack.enter_context(tempfile.TemporaryDirectory()), "index.fai")
    fasta = pyfaidx.Fasta(genome, as_raw=True, indexname=scratch)
    partial = f"{index}.{uuid.uuid4().hex}.partial"
    try:  # another process may be about to do the same
        shutil.copyfile(scratch, partial)
        os.replace(partial, index)
    except OSError:  # read-only: the index is made again next time
        with contextlib.suppress(OSError):
            os.remove(partial)
    return fasta
