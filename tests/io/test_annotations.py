"""Annotations from and to files and data frames, with places in sequences and on a genome."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

import mutua as mt
from mutua.errors import InvalidElement, InvalidInput
from mutua.io.annotations import read_annotations, write_annotations
from mutua.models import Annotations

N, LENGTH = 3, 10
GENOME = np.random.default_rng(0).choice(list("ACGT"), 200)
PARTNER = dict(zip("ACGTN", "TGCAN", strict=True))
REGIONS = [("chr1", 20, "+"), ("chr1", 26, "-"), ("chr2", 50, "-")]
COLUMNS = ("sequence_index", "start", "end", "strand")


def text_of(start: int, end: int, strand: str = "+") -> str:
    letters = "".join(GENOME[start:end])
    return letters if strand == "+" else "".join(PARTNER[x] for x in reversed(letters))


def placed() -> xr.Dataset:
    """Regions of a genome, the first two of which overlap by four bases."""
    chrom, start, strand = (list(part) for part in zip(*REGIONS, strict=True))
    texts = [text_of(first, first + LENGTH, sign) for _, first, sign in REGIONS]
    return mt.from_strings(texts, sequence_id=["a", "b", "c"]).assign_coords(
        chrom=("sequence", chrom),
        start=("sequence", start),
        end=("sequence", [x + LENGTH for x in start]),
        strand=("sequence", strand),
    )


def plain(ids: tuple[str, ...] | None = ("a", "b", "c")) -> xr.Dataset:
    names = {} if ids is None else {"sequence_id": list(ids)}
    return mt.from_strings(["ACGTACGTAC", "TTTTTTTTTT", "GATAAGATAA"], **names)


def rows(found: xr.Dataset, names: tuple[str, ...] = COLUMNS) -> list[tuple[object, ...]]:
    return list(zip(*(found[name].values.tolist() for name in names if name in found), strict=True))


def table(**columns: object) -> pd.DataFrame:
    return pd.DataFrame({"sequence_id": ["b", "a"], "start": [2, 0], "end": [5, 10]} | columns)


def full(**parts: object) -> xr.Dataset:
    """Annotations with all that a file can hold, of sequences with places on a genome."""
    seqs = placed()
    given = {
        "sequence_index": [0, 1, 2, 2],
        "start": [1, 0, 3, 9],
        "end": [5, 10, 7, 10],
        "strand": [1, -1, 1, 0],
        "motif": ["MA1.1", "MA2; %,=&1"],
        "name": ["GATA1", "the second"],
        "motif_index": [1, 0, 0, 1],
        "score": [1.25, -3.5e-7, 12.0, np.nan],
        "p_value": [1e-5, 0.1 + 0.2, 1.0, 0.0],
        "q_value": [0.125, 1.0, 1.0, 0.5],
        "attribution": [0.1, -0.2, 0.3, 0.4],
        "sequence_length": [LENGTH] * N,
        "sequence_id": seqs["sequence_id"].values,
        "sequence_chrom": seqs["chrom"].values,
        "sequence_start": seqs["start"].values,
        "sequence_strand": seqs["strand"].values,
        "source": "user",
    }
    return Annotations.build(**(given | parts))


def test_a_data_frame_gives_spans_in_its_order() -> None:
    frame = table(strand=["-", "+"], motif=["m2", "m1"], score=[1.5, None], other=["x", "y"])
    found = read_annotations(frame, plain())
    assert rows(found) == [(1, 2, 5, -1), (0, 0, 10, 1)]
    assert found["motif"].values.tolist() == ["m2", "m1"]
    assert found["motif_index"].values.tolist() == [0, 1]
    np.testing.assert_array_equal(found["score"].values, [1.5, np.nan])
    assert found["sequence_id"].values.tolist() == ["a", "b", "c"]
    assert found.attrs["source"] == "user"


def test_the_minimum_is_a_place() -> None:
    found = read_annotations(table(), plain())
    assert rows(found) == [(1, 2, 5), (0, 0, 10)]
    assert set(found.data_vars) == {"sequence_index", "start", "end", "sequence_length"}


def test_sequences_without_names_are_numbered() -> None:
    frame = table().assign(sequence_id=["2", 0])
    assert rows(read_annotations(frame, plain(None))) == [(2, 2, 5), (0, 0, 10)]
    numbered = table().drop(columns="sequence_id").assign(sequence_index=[1, 1])
    assert rows(read_annotations(numbered, plain())) == [(1, 2, 5), (1, 0, 10)]


def test_frames_of_annotations_give_them_again() -> None:
    given = full()
    found = read_annotations(mt.to_dataframe(given), placed(), motifs=None)
    assert rows(found) == rows(given)
    for name in ("score", "p_value", "q_value", "attribution"):
        np.testing.assert_array_equal(found[name].values, given[name].values)


def test_motifs_of_the_user_are_found_by_id_name_or_number() -> None:
    motifs = mt.MotifSet.build(
        {"MA1": "GATAAG", "MA2": "CACGTG"}, name=["GATA1", "MAX"], family=["GATA", "bHLH"]
    )
    for column in (["MA2", ""], ["MAX", None]):
        found = read_annotations(table(motif=column), plain(), motifs=motifs)
        assert found["motif_index"].values.tolist() == [1, -1]
        assert found["family"].values.tolist() == ["GATA", "bHLH"]
    found = read_annotations(table(motif_index=[1, 0]), plain(), motifs=motifs)
    assert found["motif_index"].values.tolist() == [1, 0]
    with pytest.raises(InvalidInput, match="1 motifs of the file are not among them"):
        read_annotations(table(motif=["MA2", "MA3"]), plain(), motifs=motifs)
    with pytest.raises(InvalidInput, match="Give the motif set"):
        read_annotations(table(motif_index=[1, 0]), plain())
    with pytest.raises(InvalidInput, match="motif numbers 0 to 2"):
        read_annotations(table(motif_index=[2, 0]), plain(), motifs=motifs)


def test_genome_features_are_turned_into_regions_of_the_minus_strand() -> None:
    frame = pd.DataFrame(
        {"chrom": ["chr2", "chr1"], "start": [51, 21], "end": [54, 25], "strand": ["+", "-"]}
    )
    found = read_annotations(frame, placed())
    assert rows(found) == [(2, 6, 9, -1), (0, 1, 5, -1)]
    letters = mt.pp.to_strings(placed())
    assert letters[2][6:9] == text_of(51, 54, "-")
    assert letters[0][1:5] == text_of(21, 25)


def test_a_feature_is_placed_in_every_region_that_holds_it() -> None:
    frame = pd.DataFrame({"chrom": ["chr1"], "start": [27], "end": [29]})
    assert rows(read_annotations(frame, placed())) == [(0, 7, 9), (1, 7, 9)]
    partly = frame.assign(start=[25])
    assert rows(read_annotations(partly, placed())) == [(0, 5, 9)]
    clipped = read_annotations(partly, placed(), outside="clip")
    assert rows(clipped) == [(0, 5, 9), (1, 7, 10)]


@settings(max_examples=40, deadline=None)
@given(
    starts=st.lists(st.integers(0, 60), min_size=1, max_size=6),
    spans=st.lists(st.tuples(st.integers(0, 75), st.integers(1, 14)), min_size=1, max_size=8),
    strands=st.lists(st.sampled_from("+-"), min_size=6, max_size=6),
)
def test_places_on_a_genome_hold_the_letters_of_the_genome(
    starts: list[int], spans: list[tuple[int, int]], strands: list[str]
) -> None:
    n = len(starts)
    texts = [text_of(x, x + LENGTH, sign) for x, sign in zip(starts, strands, strict=False)]
    seqs = mt.from_strings(texts).assign_coords(
        chrom=("sequence", ["chr1"] * n), start=("sequence", starts),
        end=("sequence", [x + LENGTH for x in starts]), strand=("sequence", strands[:n]),
    )  # fmt: skip
    frame = pd.DataFrame(
        {"chrom": "chr1", "start": [a for a, _ in spans], "end": [a + k for a, k in spans],
         "strand": "+", "score": range(len(spans))}
    )  # fmt: skip
    found = read_annotations(frame, seqs, outside="drop")
    expected = {
        (i, row) for i, (a, k) in enumerate(spans) for row, x in enumerate(starts)
        if x <= a and a + k <= x + LENGTH
    }  # fmt: skip
    seen = [] if "score" not in found else found["score"].values.astype(int).tolist()
    assert set(zip(seen, found["sequence_index"].values.tolist(), strict=True)) == expected
    for i, (row, start, end, strand) in zip(seen, rows(found), strict=True):
        a, k = spans[i]
        assert texts[row][start:end] == text_of(a, a + k, "+" if strand > 0 else "-")


def test_padded_regions_hold_features_at_their_letters(tmp_path: Path) -> None:
    genome = tmp_path / "genome.fa"
    genome.write_text(">chr1\n" + "".join(GENOME[:40]) + "\n")
    regions = pd.DataFrame(
        {"chrom": "chr1", "start": [0, 0, 34, 34], "end": [4, 4, 40, 40], "strand": ["+", "-"] * 2}
    )
    seqs = mt.read_regions(regions, genome, width=14, pad=True)
    frame = pd.DataFrame({"chrom": "chr1", "start": [2, 36], "end": [5, 39], "strand": "+"})
    found = read_annotations(frame, seqs)
    texts = ["".join(row) for row in np.array(list("ACGT") + ["-"] * 252)[seqs["codes"].values]]
    assert len(rows(found)) == 4
    for row, start, end, strand in rows(found):
        feature = frame.iloc[0 if row < 2 else 1]
        sign = "+" if strand > 0 else "-"
        assert texts[row][start:end] == text_of(feature["start"], feature["end"], sign)
    write_annotations(found, tmp_path / "back.bed")
    lines = (tmp_path / "back.bed").read_text().splitlines()
    back = [line.split("\t")[:3] for line in lines if not line.startswith("#")]
    assert sorted(back) == [["chr1", "2", "5"]] * 2 + [["chr1", "36", "39"]] * 2


@pytest.mark.parametrize(
    ("outside", "expected"), [("drop", [(0, 0, 10)]), ("clip", [(1, 2, 10), (0, 0, 10)])]
)
def test_spans_outside_are_refused_left_out_or_cut(
    outside: str, expected: list[tuple[int, ...]]
) -> None:
    frame = table().assign(end=[12, 10])
    with pytest.raises(InvalidInput, match="row 0, 2 to 12 in sequence 1 of 10 letters"):
        read_annotations(frame, plain())
    assert rows(read_annotations(frame, plain(), outside=outside)) == expected


def test_features_that_no_region_holds_are_refused_or_left_out() -> None:
    frame = pd.DataFrame({"chrom": ["chr1", "chrX"], "start": [21, 3], "end": [25, 5]})
    with pytest.raises(InvalidInput, match="row 1, 3 to 5 on chrX, which no sequence holds whole"):
        read_annotations(frame, placed())
    assert rows(read_annotations(frame, placed(), outside="drop")) == [(0, 1, 5)]
    unknown = table().assign(sequence_id=["b", "z"])
    with pytest.raises(InvalidInput, match=r"there are no sequences \['z'\]"):
        read_annotations(unknown, plain())
    assert rows(read_annotations(unknown, plain(), outside="drop")) == [(1, 2, 5)]


def test_names_of_sequences_and_chromosomes_are_told_apart() -> None:
    assert rows(read_annotations(table(), placed())) == [(1, 2, 5), (0, 0, 10)]
    both = placed().assign_coords(sequence_id=("sequence", ["chr1", "chr2", "c"]))
    frame = pd.DataFrame({"chrom": ["chr1"], "start": [1], "end": [5]})
    with pytest.raises(InvalidInput, match="is a sequence and a chromosome"):
        read_annotations(frame, both)
    assert rows(read_annotations(frame, both, coordinates="sequence")) == [(0, 1, 5)]
    with pytest.raises(InvalidInput, match="no sequence holds whole"):
        read_annotations(frame, both, coordinates="genome")
    with pytest.raises(InvalidInput, match=r"no coordinate \['chrom', 'start', 'end'\]"):
        read_annotations(frame, plain(), coordinates="genome")
    repeated = plain(("a", "b", "b"))
    with pytest.raises(InvalidInput, match="2 sequences are called 'b'"):
        read_annotations(table(), repeated)


KEPT = {
    "bed": ("score",),
    "gff3": ("score", "p_value", "q_value", "attribution"),
    "fimo": ("score", "p_value", "q_value"),
    "table": ("score", "p_value", "q_value", "attribution"),
}


@pytest.mark.parametrize("format", KEPT)
@pytest.mark.parametrize("name", ["spans.txt", "spans.txt.gz"], ids=["plain", "gzip"])
def test_what_is_written_reads_back(format: str, name: str, tmp_path: Path) -> None:
    given, path = full(), tmp_path / name
    write_annotations(given, path, format=format)
    found = read_annotations(path, placed(), format=format)
    if format == "bed":  # which has no strand for those that are 0
        assert rows(found)[:3] == rows(given)[:3]
    assert rows(found, COLUMNS[:3]) == rows(given, COLUMNS[:3])
    assert rows(found) == rows(given)
    ids = found["motif"].values[found["motif_index"].values]
    assert ids.tolist() == given["motif"].values[given["motif_index"].values].tolist()
    for column in KEPT[format]:
        expected = given[column].values
        if format == "bed":
            expected = np.nan_to_num(expected)
        np.testing.assert_array_equal(found[column].values, expected)


@pytest.mark.parametrize("suffix", ["bed", "gff3", "tsv"])
def test_suffixes_tell_the_format_and_no_spans_are_written_too(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"none.{suffix}"
    write_annotations(full().isel(annotation=slice(0)), path)
    found = read_annotations(path, placed())
    assert found.sizes["annotation"] == 0
    assert found.sizes["sequence"] == N


def test_places_are_written_on_the_genome_where_they_are_known(tmp_path: Path) -> None:
    path = tmp_path / "x.bed"
    write_annotations(full(), path)
    lines = [line.split("\t") for line in path.read_text().splitlines()]
    assert [line[:3] for line in lines] == [
        ["chr1", "21", "25"], ["chr1", "26", "36"], ["chr2", "53", "57"], ["chr2", "50", "51"],
    ]  # fmt: skip
    assert [line[5] for line in lines] == ["+", "+", "-", "."]
    write_annotations(full(), path, coordinates="sequence")
    first = path.read_text().split("\t")[:3]
    assert first == ["a", "1", "5"]
    unplaced = full().drop_vars(["sequence_chrom", "sequence_start", "sequence_strand"])
    with pytest.raises(InvalidInput, match="do not know the places"):
        write_annotations(unplaced, path, coordinates="genome")


def test_gff3_counts_from_one_and_escapes(tmp_path: Path) -> None:
    path = tmp_path / "x.gff3"
    write_annotations(full(), path)
    head, first, *_ = path.read_text().splitlines()
    assert head == "##gff-version 3"
    fields = first.split("\t")
    assert fields[:8] == ["chr1", "mutua", "TF_binding_site", "22", "25", "1.25", "+", "."]
    assert fields[8].split(";")[0] == "Name=MA2%3B %25%2C%3D%261"


def test_gff3_of_others_is_read(tmp_path: Path) -> None:
    path = tmp_path / "genes.gff3"
    path.write_text(
        "##gff-version 3\n# comment\n"
        "chr1\tx\texon\t22\t25\t.\t+\t.\tID=e1;Parent=t1;motif=no;sequence_id=zz\n"
        "chr1\tx\tpromoter\t21\t22\t3.5\t-\t0\tID=p1;Name=my%20promoter\n"
        "chr1\tx\tsequence_feature\t21\t22\t.\t?\t0\t.\n"
        "##FASTA\n>chr1\nACGT\n"
    )
    found = read_annotations(path, placed())
    assert rows(found) == [(0, 1, 5, 1), (0, 0, 2, -1), (0, 0, 2, 0)]
    assert found["motif"].values.tolist() == ["exon", "my promoter"]
    assert found["motif_index"].values.tolist() == [0, 1, -1]
    path.write_text("chr1\tx\texon\t22\n")
    with pytest.raises(InvalidInput, match="line 1 has 4 columns"):
        read_annotations(path, placed())


FIMO = (
    "motif_id\tmotif_alt_id\tsequence_name\tstart\tstop\tstrand\tscore\tp-value\tq-value\t"
    "matched_sequence\n"
    "MA0035.4\tGATA1\tc\t1\t6\t+\t12.1\t1.2e-05\t\tGATAAG\n"
    "MA0035.4\tGATA1\tb\t2\t7\t-\t-3\t0.5\t0.9\tAAAAAA\n"
    "\n# FIMO (Find Individual Motif Occurrences): Version 5.5\n"
)


def test_fimo_is_read_as_meme_suite_writes_it(tmp_path: Path) -> None:
    path = tmp_path / "fimo.tsv"
    path.write_text(FIMO)
    found = read_annotations(path, plain())
    assert rows(found) == [(2, 0, 6, 1), (1, 1, 7, -1)]
    assert found["name"].values.tolist() == ["GATA1"]
    np.testing.assert_array_equal(found["q_value"].values, [np.nan, 0.9])
    assert found.attrs["source"] == "scan"
    as_frame = pd.read_csv(path, sep="\t", comment="#")
    assert rows(read_annotations(as_frame, plain())) == rows(found)


def test_fimo_is_written_with_the_letters_of_the_strand(tmp_path: Path) -> None:
    path = tmp_path / "fimo.tsv"
    codes = np.full((4, 10), 255, np.uint8)
    codes[0, :4], codes[1], codes[2, :4], codes[3, 0] = [0, 1, 254, 3], 0, [2, 2, 2, 1], 3
    given = full().assign(codes=(("annotation", "span_position"), codes))
    given.attrs["alphabet"] = "ACGT"
    write_annotations(given, path, format="fimo")
    lines = [line.split("\t") for line in path.read_text().splitlines()]
    assert lines[0] == FIMO.splitlines()[0].split("\t")
    assert lines[1][:6] == ["MA2; %,=&1", "the second", "a", "2", "5", "+"]
    assert [line[-1] for line in lines[1:]] == ["ACNT", "T" * 10, "GGGC", "T"]


def test_tomtom_reads_back_with_the_offsets_of_meme_suite(tmp_path: Path) -> None:
    path = tmp_path / "tomtom.tsv"
    given = full(rank=[0, 0, 0, 1], offset=[-2, 0, 3, 1], overlap=[4, 2, 1, 1],
                 strand=[1, -1, 1, 1],
                 sequence_index=[0, 1, 2, 2], start=[1, 0, 3, 3], end=[5, 10, 7, 7])  # fmt: skip
    write_annotations(given, path, format="tomtom")
    lines = [line.split("\t") for line in path.read_text().splitlines()]
    assert lines[0][:4] == ["Query_ID", "Target_ID", "Optimal_offset", "p-value"]
    assert lines[1][:5] == ["a:1-5", "MA2; %,=&1", "2", "1e-05", "2e-05"]
    found = read_annotations(path, placed())
    names = (*COLUMNS, "rank", "offset", "overlap", "p_value", "q_value")
    assert rows(found, names) == rows(given, names)
    assert found.attrs["source"] == "tomtom"
    path.write_text(path.read_text().replace("a:1-5", "MEME-1"))
    with pytest.raises(InvalidInput, match="the query 'MEME-1'"):
        read_annotations(path, placed())


FINEMO = {
    "chr": ["chr1", "chr1", "chr2"],
    "start": [27, 27, 51],
    "end": [29, 29, 54],
    "start_untrimmed": [20, 20, 50],
    "end_untrimmed": [30, 30, 60],
    "motif_name": ["pos_patterns.pattern_0"] * 2 + ["neg_patterns.pattern_3"],
    "hit_coefficient": [1.5, 1.25, 2.0],
    "hit_correlation": [0.9, 0.8, 0.7],
    "hit_importance": [3.0, 2.0, 1.0],
    "strand": ["+", "+", "-"],
    "peak_name": ["NA"] * 3,
    "peak_id": [0, 1, 2],
}


def test_hits_of_finemo_lie_in_their_own_peak(tmp_path: Path) -> None:
    path = tmp_path / "hits.tsv"
    pd.DataFrame(FINEMO).to_csv(path, sep="\t", index=False)
    found = read_annotations(path, placed())
    assert rows(found) == [(0, 7, 9, 1), (1, 7, 9, -1), (2, 6, 9, 1)]
    assert found["score"].values.tolist() == [1.5, 1.25, 2.0]
    assert found["importance"].values.tolist() == [3, 2, 1]
    assert not {"similarity", "coefficient_global"} & set(found)
    assert found.attrs["source"] == "cwm"
    scaled = pd.DataFrame(FINEMO).assign(
        hit_coefficient_global=[7.0, 8.0, 9.0], hit_similarity=[0.75, 1.0000002, np.nan]
    )
    found = read_annotations(scaled, placed())
    assert found["score"].values.tolist() == [1.5, 1.25, 2.0]
    assert found["coefficient_global"].values.tolist() == [7, 8, 9]
    np.testing.assert_array_equal(found["similarity"].values, [0.75, 1, np.nan])
    with pytest.raises(InvalidElement, match="similarity"):
        read_annotations(scaled.assign(hit_similarity=1.5), placed())
    with pytest.raises(InvalidInput, match=r"no column \['hit_coefficient'\]"):
        read_annotations(pd.DataFrame(FINEMO).drop(columns="hit_coefficient"), placed(),
                         format="finemo")  # fmt: skip
    other = pd.DataFrame(FINEMO).assign(peak_id=[0, 2, 2])
    with pytest.raises(InvalidInput, match="row 1 does not lie in sequence 2"):
        read_annotations(other, placed())


def test_hits_of_finemo_without_a_genome_lie_in_regions() -> None:
    frame = pd.DataFrame(FINEMO).assign(chr="NA", start=[1, 2, 3], end=[5, 6, 7])
    assert rows(read_annotations(frame, plain(None))) == [(0, 1, 5, 1), (1, 2, 6, 1), (2, 3, 7, -1)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"start": None}, r"no column \['start'\]"),
        ({"sequence_id": None}, r"no column \['sequence_id"),
        ({"start": [2.5, 0]}, "'start' of row 0 is 2.5"),
        ({"start": [2, None]}, "'start' of row 1 is nan"),
        ({"start": [5, 0]}, "row 0, b from 5 to 5"),
        ({"start": [-1, 0]}, "row 0, -1 to 5"),
        ({"strand": ["+", "x"]}, "strand 'x'"),
        ({"score": ["1", "high"]}, "'score' of row 1 is 'high'"),
    ],
    ids=["no start", "no name", "half", "missing", "empty", "negative", "strand", "text"],
)
def test_tables_that_are_wrong_are_refused(change: dict[str, object], message: str) -> None:
    frame = table()
    for name, values in change.items():
        frame = frame.drop(columns=name) if values is None else frame.assign(**{name: values})
    with pytest.raises(InvalidInput, match=message):
        read_annotations(frame, plain())


def test_p_values_that_are_none_are_refused() -> None:
    with pytest.raises(InvalidElement, match="p_value"):
        read_annotations(table(p_value=[0.5, 1.5]), plain())


def test_bad_arguments_and_files_are_refused(tmp_path: Path) -> None:
    for options in ({"format": "wig"}, {"outside": "keep"}, {"coordinates": "chrom"}):
        with pytest.raises(InvalidInput, match="Use one of"):
            read_annotations(table(), plain(), **options)
    with pytest.raises(InvalidInput, match="Use a path"):
        read_annotations(3, plain())  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="does not exist"):
        read_annotations(tmp_path / "none.tsv", plain())
    (tmp_path / "empty.tsv").write_text("\n")
    with pytest.raises(InvalidInput, match="is empty"):
        read_annotations(tmp_path / "empty.tsv", plain())
    with pytest.raises(InvalidInput, match="repeated columns"):
        read_annotations(pd.concat([table(), table()], axis=1), plain())
    with pytest.raises(InvalidInput, match="no column"):
        read_annotations(table(), plain(), format="fimo")
    with pytest.raises(InvalidInput, match="data frame for 'modisco'"):
        read_annotations(table(), plain(), format="modisco")
    with pytest.raises(InvalidElement):
        read_annotations(table(), full())
    with pytest.raises(InvalidInput, match="tells no format"):
        write_annotations(full(), tmp_path / "x.doc")
    with pytest.raises(InvalidInput, match="they have no motifs"):
        write_annotations(full().drop_vars(["motif_index", "motif", "name"]), tmp_path / "x",
                          format="fimo")  # fmt: skip
    with pytest.raises(InvalidInput, match="without tabs"):
        write_annotations(full(motif=["a\tb", "c"]), tmp_path / "x.bed")
    assert not list(tmp_path.glob("x*"))


def test_the_record_names_the_file_and_the_sequences() -> None:
    found = read_annotations(table(), plain())
    assert '"function":"read_annotations"' in found.attrs["mutua"].replace(" ", "")
    assert "from_strings" in found.attrs["mutua"]


def test_lazy_annotations_and_sequences_give_the_same(tmp_path: Path) -> None:
    write_annotations(full(), tmp_path / "a.tsv")
    write_annotations(full().chunk(annotation=3), tmp_path / "b.tsv")
    assert (tmp_path / "a.tsv").read_bytes() == (tmp_path / "b.tsv").read_bytes()
    found = read_annotations(tmp_path / "a.tsv", placed().chunk(sequence=2))
    assert rows(found) == rows(full())
