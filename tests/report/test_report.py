"""The file: what it holds, that it stands alone, and that no text leaves its place."""

from __future__ import annotations

import base64
import hashlib
import os
import re
from pathlib import Path

import dask.array as da
import matplotlib as mpl
import numpy as np
import pytest
import xarray as xr

import mutua as mt
from mutua import pl
from mutua.errors import InvalidInput, StoreDamaged, StoreUnwritable
from mutua.models import KINDS
from mutua.report import write_report
from tests.report.examples import EVIL, EVIL_NAME, hostile_study, study
from tests.report.reading import Page, decode

OUTSIDE = re.compile(r"(https?:)?//[a-z]", re.IGNORECASE)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Page:
    path = tmp_path_factory.mktemp("report") / "report.html"
    return Page(write_report(study(), path, title="Promoters", explain=mt.tl.explain_pair))


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Page:
    path = tmp_path_factory.mktemp("report") / "hostile.html"
    return Page(write_report(hostile_study(), path, title=EVIL, explain=mt.tl.explain_pair))


def write(analysis: mt.Analysis, folder: Path, **options: object) -> Page:
    return Page(write_report(analysis, folder / "report.html", **options))


# -- what it holds -----------------------------------------------------------------------------


def test_every_tag_is_closed(page: Page, hostile: Page) -> None:
    assert page.open == []
    assert hostile.open == []


def test_header_and_contents(page: Page) -> None:
    for part in ("Promoters", "in memory", mt.__version__, "UTC"):
        assert part in page.text
    sections = {attrs["id"] for attrs in page.all("section")}
    links = {attrs["href"] for attrs in page.all("a")}
    for name in study():
        assert f"element-{name}" in sections
        assert f"#element-{name}" in links
    assert "sequence 400 × position 14" in page.text
    assert f"{study()['promoters'].nbytes / 1000:.1f} KB" in page.text


def test_every_link_leads_somewhere(page: Page) -> None:
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(set(ids)) == len(ids)
    assert {f"#{name}" for name in ids} >= {attrs["href"] for attrs in page.all("a")}


def test_variables_come_with_unit_and_meaning(page: Page) -> None:
    for kind, names in {"PositionMI": ["mi", "p_value"], "KmerPairs": ["observed"]}.items():
        for name in names:
            assert KINDS[kind].specs()[name].description in page.text
    assert "position in the promoter; position in coordinates of the user's own" in page.text
    assert "reads" in page.text


def test_pictures_by_kind(page: Page) -> None:
    described = [attrs["alt"] for attrs in page.all("img")]
    for kind, count in {"PositionMI": 4, "DistanceMI": 1, "KmerPairs": 1, "ContactMap": 1}.items():
        assert sum(f"the {kind} " in str(text) for text in described) == count
    for attrs in page.all("img"):
        assert base64.b64decode(str(attrs["src"]).partition(",")[2]).startswith(b"\x89PNG")


def test_first_rows_and_predictions(tmp_path: Path) -> None:
    seqs = mt.SequenceSet.build(
        np.tile(np.array([0, 1, 2, 3, 254, 255], np.uint8), (25, 1)), alphabet="DNA",
        sequence_id=[f"name{i}" for i in range(25)], weight=np.full(25, 0.5),
        prediction=np.full((25, 2), 1.25, np.float32), target=["left", "right"],
    )  # fmt: skip
    page = write(mt.Analysis({"seqs": seqs}), tmp_path)
    letters = "".join(page.texts)
    assert letters.count("ACGTN-") == 20
    assert "name19" in letters
    assert "name20" not in letters
    assert "5 more are not shown" in letters
    assert letters.count("1.25") == 40
    assert {"left", "right", "weight"} <= set(page.texts)


def test_table_and_anndata(page: Page) -> None:
    assert "AnnData object with n_obs × n_vars = 5 × 3" in page.text
    assert {"a", "3", "5"} <= set(page.texts)


def test_lineage_as_table_and_graph(page: Page) -> None:
    labels = [text.strip() for text in page.texts]
    assert page.source.count(">tl.mi_by_distance</text>") == 2  # of everything, of the element
    assert page.source.count('<th scope="row">tl.mi_by_distance</th>') == 1
    assert "pp.random_sequences → pp.embed_motifs → pp.number_positions" in page.text
    assert "label" in labels
    assert "not set: weighted" in page.text


def test_shared_steps_stand_once_in_the_graph_of_everything(page: Page) -> None:
    start = page.source.index('id="history"')
    history = page.source[start : page.source.index("</section>", start)]
    assert history.count(">pp.embed_motifs</text>") == 1
    assert history.count(">tl.position_mi</text>") == 2
    assert history.count('class="tag"') == len(study())


def test_heatmap_holds_the_values(page: Page) -> None:
    mi = study()["promoters_mi"]
    found = page.heatmap("promoters_mi")
    assert found["rows"]["values"] == mi["position_i"].values.tolist()
    assert found["rows"]["label"] == "position in the promoter (nt)"
    maps = {part["name"]: part for part in found["maps"]}
    assert list(maps) == ["mi", "p_value", "q_value", "p_familywise", "mi_null"]
    for name, part in maps.items():
        values = decode(part, *mi["mi"].shape)
        np.testing.assert_allclose(values, mi[name].values, rtol=1e-6)


def test_clicks_show_what_explain_pair_gives(page: Page) -> None:
    mi, seqs = study()["promoters_mi"], study()["promoters"]
    explained = page.explained("promoters_mi")
    best = mi["mi"].where(mi["position_i"] < mi["position_j"]).argmax(...)
    i, j = (int(index) for index in best.values())
    found = explained["pairs"][f"{i},{j}"]
    i, j = (int(mi["position_i"][index]) for index in (i, j))
    table = mt.tl.explain_pair(seqs, i, j, k=2, pseudocount=mi.attrs["pseudocount"])
    assert found["total"] == pytest.approx(float(table["contribution"].sum()), rel=1e-5)
    assert found["total"] == pytest.approx(float(mi["mi"].max()), rel=1e-5)
    kmer_i, kmer_j, observed, expected, contribution = found["rows"][0]
    row = table.sel(kmer_i=kmer_i, kmer_j=kmer_j)
    assert observed == row["observed"]
    assert expected == pytest.approx(float(row["expected"]), rel=1e-5)
    assert contribution == pytest.approx(float(abs(table["contribution"]).max()), rel=1e-5)
    assert "".join(map(str, explained["code"])).startswith(
        'mutua.tl.explain_pair(study["promoters"]'
    )


def test_from_a_store(tmp_path: Path, page: Page) -> None:
    study().write(tmp_path / "study.zarr")
    opened = mt.open(tmp_path / "study.zarr", mode="r")
    found = write(opened, tmp_path, explain=mt.tl.explain_pair)
    assert "study.zarr" in found.text
    assert "stored" in found.text
    assert found.heatmap("promoters_mi")["maps"] == page.heatmap("promoters_mi")["maps"]
    assert found.explained("promoters_mi") == page.explained("promoters_mi")


def test_empty_analysis(tmp_path: Path) -> None:
    page = write(mt.Analysis(), tmp_path)
    assert "This analysis is empty" in page.text
    assert page.open == []


def test_large_sets_are_read_where_they_are_shown(tmp_path: Path) -> None:
    def codes(block_info: dict[None, dict[str, list[tuple[int, int]]]]) -> np.ndarray:
        assert block_info[None]["array-location"][0][0] == 0, "read beyond the first block"
        return np.ones((100, 30), np.uint8)

    lazy = da.map_blocks(
        codes, chunks=((100,) * 50, (30,)), dtype=np.uint8, meta=np.zeros((0, 0), np.uint8)
    )
    seqs = mt.SequenceSet.build(xr.Variable(("sequence", "position"), lazy), alphabet="DNA")
    page = write(mt.Analysis({"large": seqs}), tmp_path)
    assert "C" * 30 in page.text


def test_long_sequences_and_wide_tables_are_cut(tmp_path: Path) -> None:
    seqs = mt.SequenceSet.build(np.zeros((2, 5000), np.uint8), alphabet="RNA")
    table = mt.Table.build({f"column{i}": np.arange(40) for i in range(50)})
    page = write(mt.Analysis({"long": seqs, "wide": table}), tmp_path)
    assert "A" * 300 + "…" in page.text
    assert "A" * 301 not in page.text
    assert "4,700 more positions" in page.text
    assert "20 more columns are not shown" in page.text
    assert "20 more are not shown" in page.text
    assert page.source.count("column49") == 1  # among the variables


def test_a_picture_that_fails_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError(EVIL)

    monkeypatch.setattr(pl, "mi_diagonal", fail)
    page = write(mt.Analysis({"mi": study()["promoters_mi"]}), tmp_path)
    assert f"This picture could not be drawn: RuntimeError: {EVIL}" in page.text
    assert len(page.all("img")) == 1


def test_a_damaged_store_is_no_picture_that_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def damaged(*_: object, **__: object) -> None:
        raise StoreDamaged("chunk 0")

    monkeypatch.setattr(pl, "mi_diagonal", damaged)
    with pytest.raises(StoreDamaged):
        write(mt.Analysis({"mi": study()["promoters_mi"]}), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_kind_is_no_hindrance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = study()
    parts.write(tmp_path / "study.zarr")
    monkeypatch.delitem(KINDS, "PositionMI")
    page = write(mt.open(tmp_path / "study.zarr"), tmp_path)
    assert "the kind PositionMI is not known here. Import the module that defines it" in page.text
    anchors = {part.get("id") for part in page.all("section")}
    assert {f"element-{name}" for name in parts} <= anchors


def test_drawing_leaves_no_figure_open(tmp_path: Path) -> None:
    before = mpl.pyplot.get_fignums()
    write(mt.Analysis({"mi": study()["promoters_mi"]}), tmp_path)
    assert mpl.pyplot.get_fignums() == before


def test_a_large_heatmap_fits(tmp_path: Path) -> None:
    n = 500
    rng = np.random.default_rng(0)
    parts = {}
    for name in ("mi", "mi_corrected", "mi_null", "p_value", "q_value", "p_familywise"):
        values = rng.random((n, n))
        parts[name] = np.triu(values) + np.triu(values, 1).T
    mi = mt.PositionMI.build(
        **parts, position_i=np.arange(n), position_j=np.arange(n), k=1, alphabet="ACGT",
        pseudocount=0.0, n_sequences=10, measure="mi", correction="apc",
    )  # fmt: skip
    path = write_report(mt.Analysis({"mi": mi}), tmp_path / "report.html")
    assert path.stat().st_size < 5e6


# -- it stands alone ---------------------------------------------------------------------------


def test_nothing_from_outside(page: Page, hostile: Page) -> None:
    assert not OUTSIDE.search(page.text + page.style)
    for found in (page, hostile):
        assert {tag for tag, _ in found.tags}.isdisjoint(
            {"link", "iframe", "object", "embed", "base"}
        )
        for _, attrs in found.tags:
            for name in ("src", "href", "srcset", "action", "data", "poster", "xlink:href"):
                if name in attrs:
                    assert str(attrs[name]).startswith(("data:image/png;base64,", "#"))
        assert "url(" not in found.style
        assert "@import" not in found.style
        (script,) = found.scripts
        for word in ("fetch(", "XMLHttpRequest", "WebSocket", "import(", "innerHTML", "eval("):
            assert word not in script
    assert not re.search(r"https?:", page.source)


def test_policy_allows_its_own_script_and_style_only(page: Page) -> None:
    (policy,) = [
        str(attrs["content"])
        for attrs in page.all("meta")
        if attrs.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policy.startswith("default-src 'none'; img-src data:; ")
    assert "unsafe" not in policy
    for text in (page.scripts[0], page.style):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy
    assert not any("style" in attrs for _, attrs in page.tags)  # which the policy would block
    assert not any(name.startswith("on") for _, attrs in page.tags for name in attrs)


def test_accessible_names(page: Page) -> None:
    assert all(attrs.get("alt") for attrs in page.all("img"))
    assert all(attrs.get("aria-label") for attrs in page.all("canvas"))
    plots = [attrs for attrs in page.all("div") if attrs.get("role") == "application"]
    assert len(plots) == 3
    assert all(attrs["aria-label"] and attrs["tabindex"] == "0" for attrs in plots)
    assert page.all("html") == [{"lang": "en"}]


# -- hostile texts -----------------------------------------------------------------------------


def test_texts_stay_texts(hostile: Page, page: Page) -> None:
    for tag, attrs in hostile.tags:
        assert not any(name.startswith("on") for name in attrs), (tag, attrs)
        if tag == "img":
            assert str(attrs["src"]).startswith("data:image/png")
    assert hostile.scripts == page.scripts
    assert EVIL in hostile.text  # the title
    for index in range(20):
        assert f"{EVIL[:39]}…" in hostile.text, index  # ids of sequences, cut to fit
    assert EVIL_NAME in hostile.text  # name of a column
    assert "</table>" in hostile.text  # in a cell
    assert "<>&$'\"" in hostile.text  # an alphabet


def test_scripts_of_data_hold_no_tag(hostile: Page) -> None:
    assert hostile.heatmap("mi")["maps"][0]["label"].startswith("mutual information")
    assert hostile.heatmap("mi")["rows"]["label"].startswith(EVIL)
    data = re.findall(r'<script type="application/json"[^>]*>(.*?)</script>', hostile.source, re.S)
    assert len(data) == 3
    assert all("<" not in text and ">" not in text for text in data)


def test_hostile_arguments_in_the_lineage(hostile: Page) -> None:
    start = hostile.source.index('id="history"')
    history = hostile.source[start : hostile.source.index("</section>", start)]
    assert "pp.number_positions" in history
    assert "&lt;/script&gt;" in history
    assert EVIL[:9] not in history


def test_all_pictures_of_hostile_elements_are_drawn(hostile: Page) -> None:
    assert "could not be drawn" not in hostile.text


def test_texts_that_no_file_can_hold(tmp_path: Path) -> None:
    page = write(mt.Analysis(), tmp_path, title="half a letter: \ud800")
    assert "half a letter: ?" in page.text


def test_passwords_in_urls_are_not_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mt.Analysis, "url", "s3://key:secret@bucket/study.zarr")
    page = write(mt.Analysis(), tmp_path)
    assert "s3://bucket/study.zarr" in page.text
    assert "secret" not in page.source


# -- the file ----------------------------------------------------------------------------------


def test_gives_the_path_and_leaves_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text("old")
    assert write_report(mt.Analysis(), str(path)) == path
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert list(tmp_path.iterdir()) == [path]
    if os.name == "posix":
        umask = os.umask(0)
        os.umask(umask)
        assert path.stat().st_mode & 0o777 == 0o666 & ~umask


def test_a_write_that_fails_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    path = tmp_path / "report.html"
    path.write_text("old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreUnwritable, match=r"No space left on device.*before is unchanged"):
        write_report(mt.Analysis(), path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_refuses_what_it_cannot_use(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    with pytest.raises(InvalidInput, match=r"`analysis`: a dict\. Pass a mutua\.Analysis"):
        write_report({}, path)  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match=r"`path`: .* is a folder"):
        write_report(mt.Analysis(), tmp_path)
    with pytest.raises(InvalidInput, match=r"`path`: there is no folder"):
        write_report(mt.Analysis(), tmp_path / "none" / "report.html")
    with pytest.raises(InvalidInput, match=r"`path`: a int"):
        write_report(mt.Analysis(), 3)  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match=r"`explain`: a str"):
        write_report(mt.Analysis(), path, explain="yes")  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match=r"`title`: a int"):
        write_report(mt.Analysis(), path, title=3)  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match=r"`n_explained`"):
        write_report(mt.Analysis(), path, n_explained=-1)
    assert list(tmp_path.iterdir()) == []
