"""Programs in files of cNMF and D-SPIN, written here as both write them."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import anndata
import fsspec
import numpy as np
import pandas as pd
import pytest

import mutua as mt
from mutua.errors import InvalidElement, InvalidInput

GENES = ["CD3E", "CD2", "LYZ", "CD14", "MS4A1"]
CELLS = ["c0", "c1", "c2", "c3"]
RNG = np.random.default_rng(0)
SPECTRA = RNG.gamma(1.0, size=(3, 4)).round(6)  # of the variable genes only
SCORE = RNG.normal(size=(3, 5)).round(6)
TPM = RNG.gamma(1.0, 100, size=(3, 5)).round(6)
USAGES = RNG.gamma(1.0, size=(4, 3)).round(6)


def write_cnmf(folder: Path, *, name: str = "screen", choice: str = "k_3.dt_0_1") -> Path:
    """Frames as text; programs, numbered from 1, are rows of spectra and columns of usages."""
    folder.mkdir(exist_ok=True)
    programs = [1, 2, 3]
    for part, values, columns in (
        ("spectra.{}.consensus", SPECTRA, GENES[:4]),
        ("gene_spectra_score.{}", SCORE, GENES),
        ("gene_spectra_tpm.{}", TPM, GENES),
    ):
        frame = pd.DataFrame(values, index=programs, columns=columns)
        frame.to_csv(folder / f"{name}.{part.format(choice)}.txt", sep="\t")
    usages = pd.DataFrame(USAGES, index=CELLS, columns=programs)
    usages.to_csv(folder / f"{name}.usages.{choice}.consensus.txt", sep="\t")
    (folder / f"{name}.clustering.{choice}.png").write_bytes(b"")
    (folder / "cnmf_tmp").mkdir(exist_ok=True)
    return folder


def write_dspin(folder: Path, *, n: int = 2) -> Path:
    """Genes and weights by turns, by descending weight, and shorter programs filled up."""
    folder.mkdir(exist_ok=True)
    stem = f"gene_programs_total_{n}_onmf_{n}_prior_0"
    (folder / f"{stem}.csv").write_text("0,1\r\nCD2,LYZ\r\nCD3E,CD14\r\n,MS4A1\r\n")
    text = "0,Weights_0,1,Weights_1\r\nCD2,0.8,LYZ,0.7\r\nCD3E,0.6,CD14,0.5\r\n,,MS4A1,0.1\r\n"
    (folder / f"{stem}_weights.csv").write_text(text)
    (folder / "onmf").mkdir(exist_ok=True)
    (folder / "onmf" / "onmf_components_2_repeat_0.npy").write_bytes(b"\x93NUMPY")
    return folder


@pytest.fixture
def cnmf(tmp_path: Path) -> Path:
    return write_cnmf(tmp_path / "cnmf")


@pytest.fixture
def dspin(tmp_path: Path) -> Path:
    return write_dspin(tmp_path / "dspin")


@pytest.fixture
def adata() -> anndata.AnnData:
    """The same cells and genes in another order, and a gene more."""
    adata = anndata.AnnData(np.ones((4, 6), np.float32))
    adata.obs_names = ["c3", "c1", "c0", "c2"]
    adata.var_names = ["MS4A1", "GNLY", "CD2", "CD3E", "CD14", "LYZ"]
    return adata


class TestCnmf:
    def test_weights_and_usages_by_name(self, cnmf: Path, adata: anndata.AnnData) -> None:
        assert mt.read_programs(cnmf, adata=adata) is None
        weight = pd.DataFrame(
            adata.varm["programs"], adata.var_names, adata.uns["programs"]["names"]
        )
        assert weight.columns.tolist() == ["P1", "P2", "P3"]
        np.testing.assert_array_equal(weight.loc[GENES[:4]].T, SPECTRA)
        assert (weight.loc[["GNLY", "MS4A1"]] == 0).all(axis=None)
        activity = pd.DataFrame(adata.obsm["X_programs"], adata.obs_names)
        np.testing.assert_array_equal(activity.loc[CELLS], USAGES)
        entry = adata.uns["programs"]
        assert (entry["format"], entry["weights"], list(entry["missing_genes"])) == (
            "cnmf", "spectra", [],
        )  # fmt: skip
        step = json.loads(adata.uns["mutua"])["steps"][-1]
        assert step["function"] == "read_programs"

    @pytest.mark.parametrize(
        ("weights", "values"), [("spectra", SPECTRA), ("score", SCORE), ("tpm", TPM)]
    )
    def test_choice_of_weights(self, cnmf: Path, weights: str, values: np.ndarray) -> None:
        made = mt.read_programs(cnmf, weights=weights)
        assert made is not None
        assert made.var_names.tolist() == GENES[: values.shape[1]]
        assert made.obs_names.tolist() == CELLS
        assert made.X is None
        np.testing.assert_array_equal(made.varm["programs"], values.T)
        assert made.uns["programs"]["weights"] == weights

    def test_a_file_names_its_run_and_weights(self, cnmf: Path) -> None:
        write_cnmf(cnmf, choice="k_3.dt_2_0")
        with pytest.raises(InvalidInput, match=r"2 runs.*k_3.dt_0_1.*k_3.dt_2_0"):
            mt.read_programs(cnmf)
        path = cnmf / "screen.gene_spectra_score.k_3.dt_2_0.txt"
        for weights, values in ((None, SCORE), ("tpm", TPM)):
            made = mt.read_programs(path, weights=weights)
            assert made is not None
            np.testing.assert_array_equal(made.varm["programs"], values.T)
        made = mt.read_programs(cnmf / "screen.usages.k_3.dt_2_0.consensus.txt")
        assert made is not None
        assert made.uns["programs"]["weights"] == "spectra"

    def test_without_usages(self, cnmf: Path, adata: anndata.AnnData) -> None:
        (cnmf / "screen.usages.k_3.dt_0_1.consensus.txt").unlink()
        adata.obsm["X_programs"] = np.ones((4, 9))
        mt.read_programs(cnmf, adata=adata)
        assert "X_programs" not in adata.obsm  # of other programs
        assert adata.varm["programs"].shape == (6, 3)

    def test_programs_of_the_usages_are_those_of_the_spectra(self, cnmf: Path) -> None:
        path = cnmf / "screen.usages.k_3.dt_0_1.consensus.txt"
        frame = pd.read_csv(path, sep="\t", index_col=0)
        frame[["3", "1", "2"]].to_csv(path, sep="\t")
        made = mt.read_programs(cnmf)
        assert made is not None
        np.testing.assert_array_equal(made.obsm["X_programs"], USAGES)
        frame[["1", "2"]].to_csv(path, sep="\t")
        with pytest.raises(InvalidInput, match=r"programs \['1', '2'\], those of the spectra"):
            mt.read_programs(cnmf)

    def test_a_part_that_is_not_there(self, cnmf: Path) -> None:
        (cnmf / "screen.gene_spectra_tpm.k_3.dt_0_1.txt").unlink()
        with pytest.raises(InvalidInput, match="no gene_spectra_tpm among the files"):
            mt.read_programs(cnmf, weights="tpm")

    def test_missing_values(self, cnmf: Path) -> None:
        frame = pd.DataFrame(SPECTRA.copy(), index=[1, 2, 3], columns=GENES[:4])
        frame.loc[2, "CD2"] = np.nan
        frame.to_csv(cnmf / "screen.spectra.k_3.dt_0_1.consensus.txt", sep="\t")
        with pytest.raises(InvalidInput, match="no number at '2', 'CD2'"):
            mt.read_programs(cnmf)


class TestDspin:
    @pytest.mark.parametrize(
        "name",
        ["", *(f"gene_programs_total_2_onmf_2_prior_0{end}.csv" for end in ("", "_weights"))],
    )
    def test_weights(self, dspin: Path, name: str, adata: anndata.AnnData) -> None:
        mt.read_programs(dspin / name, adata=adata, key_added="dspin")
        assert adata.uns["dspin"]["names"].tolist() == ["P0", "P1"]
        weight = pd.DataFrame(adata.varm["dspin"], adata.var_names).loc[[*GENES, "GNLY"]]
        assert weight[0].tolist() == [0.6, 0.8, 0, 0, 0, 0]
        assert weight[1].tolist() == [0, 0, 0.7, 0.5, 0.1, 0]
        assert "X_dspin" not in adata.obsm

    def test_names_only(self, dspin: Path) -> None:
        next(dspin.glob("*_weights.csv")).unlink()
        with pytest.raises(InvalidInput, match=r"no file ending with _weights.csv"):
            mt.read_programs(dspin)

    def test_pickled_files_are_not_opened(self, dspin: Path) -> None:
        with pytest.raises(InvalidInput, match="could run any code"):
            mt.read_programs(dspin / "onmf" / "onmf_components_2_repeat_0.npy")

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("", "begins with"),
            ("0,1\nCD2,LYZ\n", "begins with"),
            ("0,Weights_1\nCD2,1\n", "begins with"),
            ("0,Weights_0\nCD2\n", "other lengths"),
            ("0,Weights_0\nCD2,high\n", "weight 'high' of gene 'CD2'"),
            ("0,Weights_0\nCD2,nan\n", "weight 'nan'"),
            ("0,Weights_0\nCD2,1\nCD2,0.5\n", "genes of program 0 of one name"),
        ],
    )
    def test_damaged_files(self, dspin: Path, text: str, said: str) -> None:
        next(dspin.glob("*_weights.csv")).write_text(text)
        with pytest.raises(InvalidInput, match=said):
            mt.read_programs(dspin)

    def test_one_folder_for_both(self, dspin: Path) -> None:
        write_cnmf(dspin)
        with pytest.raises(InvalidInput, match="2 runs"):
            mt.read_programs(dspin)
        made = mt.read_programs(dspin, format="dspin")
        assert made is not None
        assert made.uns["programs"]["format"] == "dspin"
        with pytest.raises(InvalidInput, match="D-SPIN has one only"):
            mt.read_programs(dspin, format="dspin", weights="tpm")


class TestNames:
    def test_genes_that_are_not_there(self, cnmf: Path, adata: anndata.AnnData) -> None:
        cut = adata[:, adata.var_names != "CD2"].copy()
        with pytest.raises(InvalidInput, match=r"lacks 1 of 4 genes: \['CD2'\].*join='inner'"):
            mt.read_programs(cnmf, adata=cut)
        assert "programs" not in cut.uns
        mt.read_programs(cnmf, adata=cut, join="inner")
        assert cut.uns["programs"]["missing_genes"].tolist() == ["CD2"]
        assert cut.varm["programs"].shape == (5, 3)

    def test_no_gene_in_common(self, cnmf: Path, adata: anndata.AnnData) -> None:
        adata.var_names = [f"ENSG{i}" for i in range(6)]
        with pytest.raises(InvalidInput, match=r"none of the genes.*CD3E.*ENSG0"):
            mt.read_programs(cnmf, adata=adata, join="inner")

    def test_fewer_cells(self, cnmf: Path, adata: anndata.AnnData) -> None:
        cut = adata[:3].copy()
        with pytest.raises(InvalidInput, match=r"lacks 1 of 4 cells: \['c2'\]"):
            mt.read_programs(cnmf, adata=cut)
        mt.read_programs(cnmf, adata=cut, join="inner")
        np.testing.assert_array_equal(cut.obsm["X_programs"], USAGES[[3, 1, 0]])

    def test_more_cells(self, cnmf: Path, adata: anndata.AnnData) -> None:
        more = anndata.concat([adata, anndata.AnnData(np.ones((1, 6)), var=adata.var)])
        with pytest.raises(InvalidInput, match="1 of its 5 cells have no usages"):
            mt.read_programs(cnmf, adata=more)

    def test_names_that_stand_twice(self, cnmf: Path, adata: anndata.AnnData) -> None:
        adata.var_names = ["CD2", "CD2", *adata.var_names[2:]]
        with pytest.raises(InvalidInput, match="var_names_make_unique"):
            mt.read_programs(cnmf, adata=adata)


class TestResult:
    def test_copy(self, cnmf: Path, adata: anndata.AnnData) -> None:
        made = mt.read_programs(cnmf, adata=adata, copy=True)
        assert made is not None
        assert made.uns["programs"]["names"].tolist() == ["P1", "P2", "P3"]
        assert not adata.uns
        assert not adata.varm

    def test_goes_on_in_the_library(self, cnmf: Path, adata: anndata.AnnData) -> None:
        mt.read_programs(cnmf, adata=adata)
        found = mt.to_xarray(adata, "programs")
        assert dict(found.sizes) == {"feature": 6, "program": 3, "sample": 4}
        activity = mt.get.program_activity(adata)
        np.testing.assert_array_equal(activity[CELLS, "P2"].X[:, 0], USAGES[:, 1])

    def test_activities_of_what_d_spin_found(self, dspin: Path, adata: anndata.AnnData) -> None:
        """The files hold weights only; scales are those of the cells."""
        adata.X = np.random.default_rng(1).gamma(1.0, size=adata.shape).astype(np.float32)
        mt.tl.project_programs(adata, reference=mt.read_programs(dspin), scale="own")
        known = adata.var_names != "GNLY"
        scale = adata.X.astype(float)[:, known].std(axis=0)
        scale = np.maximum(scale, np.percentile(scale, 20))
        weights = adata.varm["programs"][known]
        expected = np.linalg.lstsq(weights, (adata.X[:, known] / scale).T, rcond=None)[0].T
        np.testing.assert_allclose(adata.obsm["X_programs"], expected, rtol=1e-5)
        assert np.isnan(adata.uns["programs"]["scale"]).tolist() == (~known).tolist()

    def test_comes_back_from_a_store(self, dspin: Path, tmp_path: Path) -> None:
        made = mt.read_programs(dspin)
        assert made is not None
        assert made.shape == (0, 5)
        mt.Analysis({"programs": made}).write(tmp_path / "s.zarr")
        back = mt.open(tmp_path / "s.zarr")["programs"]
        assert mt.to_xarray(back, "programs").identical(mt.to_xarray(made, "programs"))

    def test_same_from_elsewhere(self, cnmf: Path) -> None:
        """A URL and compressed files give the same programs."""
        wanted = mt.read_programs(cnmf)
        system = fsspec.filesystem("memory")
        for path in cnmf.glob("*.txt"):
            system.pipe(f"/programs_of_cnmf/{path.name}", path.read_bytes())
            (cnmf / f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
            path.unlink()
        assert wanted is not None
        for path in ("memory://programs_of_cnmf", cnmf):
            made = mt.read_programs(path)
            assert made is not None
            assert mt.to_xarray(made, "programs").identical(mt.to_xarray(wanted, "programs"))
        system.rm("/programs_of_cnmf", recursive=True)


class TestArguments:
    @pytest.mark.parametrize(
        ("options", "argument"),
        [({"format": "nmf"}, "format"), ({"weights": "z"}, "weights"), ({"join": "outer"}, "join")],
    )
    def test_options(self, cnmf: Path, options: dict[str, str], argument: str) -> None:
        with pytest.raises(InvalidInput, match=f"`{argument}`"):
            mt.read_programs(cnmf, **options)  # type: ignore[arg-type]

    def test_paths(self, cnmf: Path, tmp_path: Path) -> None:
        with pytest.raises(InvalidInput, match="does not exist"):
            mt.read_programs(tmp_path / "nowhere")
        with pytest.raises(InvalidInput, match=r"a folder with.*gene_programs_total"):
            mt.read_programs(cnmf / "cnmf_tmp")
        with pytest.raises(InvalidInput, match=r"or its folder"):
            mt.read_programs(cnmf / "screen.clustering.k_3.dt_0_1.png")
        with pytest.raises(InvalidInput, match="a folder with"):
            mt.read_programs(cnmf, format="dspin")
        with pytest.raises(InvalidInput, match="`path`"):
            mt.read_programs(5)  # type: ignore[arg-type]
        with pytest.raises(InvalidInput, match="`path`"):
            mt.read_programs("nothing://of/this")

    def test_adata(self, cnmf: Path) -> None:
        with pytest.raises(InvalidElement, match="argument `adata` of read_programs"):
            mt.read_programs(cnmf, adata=np.ones(3))  # type: ignore[arg-type]
