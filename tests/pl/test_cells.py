"""Names that are shortened to stand beside rows of a heatmap."""

from __future__ import annotations

import pytest

from mutua.pl._cells import short

LINEAGE = "k__Bacteria;p__Firmicutes;c__Bacilli;o__Lactobacillales"


CASES = {
    "short": ("g__Blautia", "g__Blautia"),
    "short lineage": ("k__Bacteria;p__Firmicutes", "k__Bacteria;p__Firmicutes"),
    "no species": (f"{LINEAGE};f__Streptococcaceae;g__Streptococcus;s__", "…g__Streptococcus"),
    "no genus": (f"{LINEAGE};f__Lachnospiraceae; g__; s__", "…f__Lachnospiraceae"),
    "species": (f"{LINEAGE};f__X;g__Gemella;s__haemolysans", "…g__Gemella;s__haemolysans"),
    "bars": (LINEAGE.replace(";", "|") + "|g__uncultured|s__uncultured_bacterium",
             "…c__Bacilli;o__Lactobacillales"),
    "without ranks": ("Bacteria; Proteobacteria; Enterobacteriaceae; Escherichia-Shigella; NA",
                      "…Escherichia-Shigella"),
    "long species": (f"{LINEAGE};s__the_longest_of_all_names_of_species",
                     "…s__the_lo…ll_names_of_species"),
    "no lineage": ("a_long_name_of_a_metabolite_without_ranks", "a_long_na…bolite_without_ranks"),
    "nothing known": ("k__;p__;c__;o__;f__;g__;s__;t__;u__;v__", "k__;p__;c…;g__;s__;t__;u__;v__"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_the_end_of_a_lineage_stays(case: str) -> None:
    name, expected = CASES[case]
    assert short(name) == expected
    assert len(short(name)) <= 30


def test_names_that_differ_at_the_end_stay_apart() -> None:
    names = [f"{LINEAGE};f__Streptococcaceae;g__{i}" for i in range(60)]
    assert len({short(name) for name in names}) == 60
