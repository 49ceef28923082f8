"""The report in a real browser: nothing goes wrong, and pointing, clicking and typing work."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import mutua as mt
from mutua.report import write_report
from tests.report.examples import FIRST, N_POSITIONS, K, hostile_study, study
from tests.report.webdriver import BROWSER, DRIVER, Browser, browser

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        DRIVER is None or BROWSER is None,
        reason="no Chromium with chromedriver (Debian: apt-get install chromium chromium-driver)",
    ),
]
MI = "#element-promoters_mi"
WIDTHS = [1280, 400]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as session:
        yield session


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("report")
    made = {
        "study": write_report(
            study(), folder / "study.html", explain=mt.tl.explain_pair, n_explained=20
        ),
        "hostile": write_report(
            hostile_study(), folder / "hostile.html", title="<b>", explain=mt.tl.explain_pair
        ),
        "plain": write_report(study(), folder / "plain.html"),
        "empty": write_report(mt.Analysis(), folder / "empty.html"),
    }
    return {name: path.as_uri() for name, path in made.items()}


@pytest.fixture
def page(chromium: Browser, pages: dict[str, str]) -> Browser:
    chromium.resize(1280)
    chromium.open(pages["study"])
    return chromium


def place_of(page: Browser, i: int, j: int, element: str = MI) -> tuple[float, float]:
    """Give the middle of a pixel, counted from the corner of the plot."""
    left, top, width, height = page.run(
        "const [plot, cells] = [...document.querySelectorAll(arguments[0])]"
        ".map((e) => e.getBoundingClientRect());"
        "return [cells.x - plot.x, cells.y - plot.y, cells.width, cells.height];",
        f"{element} .plot, {element} .cells",
    )
    return left + (j + 0.5) * width / N_POSITIONS, top + (i + 0.5) * height / N_POSITIONS


def pixel(page: Browser, i: int, j: int, element: str = MI) -> list[int]:
    """Give the colour that was drawn for a pixel."""
    found: list[int] = page.run(
        "return [...document.querySelector(arguments[0]).getContext('2d')"
        ".getImageData(arguments[2], arguments[1], 1, 1).data].slice(0, 3)",
        f"{element} .cells", i, j,
    )  # fmt: skip
    return found


def strongest() -> tuple[int, int]:
    mi = study()["promoters_mi"]["mi"].values
    i, j = np.unravel_index(np.nanargmax(np.triu(mi)), mi.shape)
    return int(i), int(j)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", ["study", "hostile", "plain", "empty"])
def test_no_complaints_no_requests_no_overflow(
    chromium: Browser, pages: dict[str, str], name: str, width: int
) -> None:
    chromium.log()
    chromium.log("performance")
    chromium.resize(width)
    chromium.open(pages[name])
    chromium.run("for (const d of document.querySelectorAll('details')) d.open = true")
    shown, there = chromium.run(
        "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    )
    assert shown <= there <= width
    assert [entry["message"] for entry in chromium.log()] == []
    asked = [
        e["message"] for e in chromium.log("performance") if "requestWillBeSent" in e["message"]
    ]
    assert len(asked) >= 1
    assert not any('"url":"http' in message for message in asked)
    assert chromium.run("return window.hacked === undefined")
    states = chromium.run(
        "return [...document.querySelectorAll('.heatmap')].map((h) => h.dataset.state)"
    )
    assert states == ["ready"] * {"study": 3, "hostile": 2, "plain": 3, "empty": 0}[name]
    wide = chromium.run(
        "return [...document.querySelectorAll('.panel, .pair, .kmers, img, .controls, h1, h2')]"
        ".filter((e) => e.getBoundingClientRect().right > document.documentElement.clientWidth + 1)"
        ".map((e) => e.outerHTML.slice(0, 80))"
    )
    assert wide == []


def test_colours_are_those_of_the_plots(page: Browser) -> None:
    i, j = strongest()
    assert pixel(page, i, j) == [253, 231, 36]  # the end of viridis
    assert pixel(page, 0, 0) == [224, 224, 224]  # overlapping k-mers
    apc = study()["promoters_apc"]["mi_corrected"].values
    low = np.unravel_index(np.nanargmin(apc), apc.shape)
    red, _, blue = pixel(page, int(low[0]), int(low[1]), "#element-promoters_apc")
    assert blue > red  # blue is negative


def test_pointing_shows_both_positions_and_all_values(page: Browser) -> None:
    mi = study()["promoters_mi"]
    page.move(f"{MI} .plot", *place_of(page, 2, 9))
    shown = page.text(f"{MI} .tip")
    assert f"{FIRST + 2} and {FIRST + 9}".replace("-", "−") in shown
    assert f"{float(mi['mi'][2, 9]):.4g}" in shown
    for label in ("p-value", "q-value", "family-wise"):
        assert label in shown
    page.move(f"{MI} .plot", *place_of(page, 5, 5))
    assert "the k-mers overlap" in page.text(f"{MI} .tip")
    page.move("h1", 1, 1)
    assert page.run("return document.querySelector(arguments[0]).hidden", f"{MI} .tip")


@pytest.mark.parametrize("width", WIDTHS)
def test_a_click_shows_the_kmers(page: Browser, width: int) -> None:
    page.resize(width)
    i, j = strongest()
    page.move(f"{MI} .plot", *place_of(page, j, i), click=True)  # the lower triangle
    shown = page.text(f"{MI} .pair")
    table = mt.tl.explain_pair(study()["promoters"], FIRST + i, FIRST + j, k=K)
    best = table["contribution"].argmax(...)
    kmer_i, kmer_j = (str(table[axis].values[place]) for axis, place in best.items())
    first = page.text(f"{MI} .kmers tbody tr").split()
    assert first[:2] == [kmer_i, kmer_j]
    assert float(first[2]) == float(table["observed"].sel(kmer_i=kmer_i, kmer_j=kmer_j))
    assert float(first[3]) == pytest.approx(
        float(table["expected"].sel(kmer_i=kmer_i, kmer_j=kmer_j)), rel=0.01
    )
    assert f"at {FIRST + i}".replace("-", "−") in shown
    assert "of 256" in shown or "seen; all of them sum to" in shown
    overflow = page.run(
        "const e = document.querySelector(arguments[0]); return e.scrollWidth - e.clientWidth",
        f"{MI} .pair",
    )
    assert overflow <= 0


def test_a_pair_beyond_the_strongest_says_how_to_get_it(page: Browser) -> None:
    values = study()["promoters_mi"]["mi"].values
    i, j = (int(index) for index in np.unravel_index(np.nanargmin(values), values.shape))
    page.move(f"{MI} .plot", *place_of(page, i, j), click=True)
    i, j = sorted((i, j))
    assert "listed for the 20 strongest pairs" in page.text(f"{MI} .pair")
    call = f'mutua.tl.explain_pair(study["promoters"], {FIRST + i}, {FIRST + j}, k=2'
    assert page.text(f"{MI} .pair code").startswith(call)


def test_without_explanations_it_says_how_to_get_them(
    chromium: Browser, pages: dict[str, str]
) -> None:
    chromium.open(pages["plain"])
    chromium.run("document.querySelector(arguments[0]).click()", f"{MI} [data-pair]")
    assert "explain=mutua.tl.explain_pair" in chromium.text(f"{MI} .pair")


def test_keyboard(page: Browser) -> None:
    i, j = strongest()

    def shown() -> str:
        return page.text(f"{MI} .tip b").replace("−", "-")

    page.run("document.querySelector(arguments[0]).focus()", f"{MI} .plot")
    page.press("Home")
    assert shown() == f"{FIRST + i} and {FIRST + j}"
    page.press("Enter")
    assert f"{FIRST + i} and {FIRST + j}" in page.text(f"{MI} .pair h3").replace("−", "-")
    assert page.run(
        "return document.querySelectorAll(arguments[0]).length", f"{MI} .kmers tbody tr"
    )
    page.press("Down", "Left")
    assert shown() == f"{FIRST + i + 1} and {FIRST + j - 1}"
    page.press("Up", shift=True)
    assert shown() == f"{FIRST + max(0, i - 9)} and {FIRST + j - 1}"
    spoken = page.run("return document.querySelector(arguments[0]).textContent", f"{MI} .spoken")
    assert f"and {FIRST + j - 1}" in spoken.replace("−", "-")
    for _ in range(20):
        page.press("Right")
    assert shown().endswith(f"and {FIRST + N_POSITIONS - 1}")
    page.press("Escape")
    assert page.run("return document.querySelector(arguments[0]).hidden", f"{MI} .tip")
    page.press("Tab")  # goes on
    assert page.run("return document.activeElement.matches('[data-pair]')")


def test_log_colours_levels_and_variables(page: Browser) -> None:
    mi = study()["promoters_mi"]
    i, j = (int(x) for x in np.argwhere(mi["q_value"].values > 0.05)[0])
    linear = pixel(page, i, j)
    page.run(
        "const radio = document.querySelector(arguments[0]); radio.click()",
        f"{MI} input[value=log]",
    )
    assert pixel(page, i, j) != linear
    assert "log colours" in page.text(f"{MI} .bar-label")
    page.run("document.querySelector(arguments[0]).click()", f"{MI} input[value=linear]")
    assert pixel(page, i, j) == linear
    choose = (
        "const select = document.querySelector(arguments[0]); select.value = arguments[1];"
        "select.dispatchEvent(new Event('change'))"
    )
    page.run(choose, f"{MI} .level", "q_value 0.05")
    assert min(pixel(page, i, j)) > 200  # faded
    best = strongest()
    assert pixel(page, *best) == [253, 231, 36]
    page.run(choose, f"{MI} .level", "")
    page.run(choose, f"{MI} .variable", "mi_null")
    assert "shuffled" in page.text(f"{MI} .bar-label")
    assert pixel(page, i, j) != linear


def test_links_of_the_graph_lead_to_the_elements(page: Browser) -> None:
    page.run("document.querySelector('#history a[href=\"#element-pair\"]').dispatchEvent("
             "new MouseEvent('click', {bubbles: true, cancelable: true}))")  # fmt: skip
    page.wait_for("return location.hash === '#element-pair'")


def test_paper_shows_everything(page: Browser) -> None:
    page.run("window.dispatchEvent(new Event('beforeprint'))")
    closed = "return document.querySelectorAll('details:not([open]):not(.still)').length"
    assert page.run(closed) == 0
    page.run("window.dispatchEvent(new Event('afterprint'))")
    assert page.run(closed) > 0


def test_a_browser_without_decompression_says_so(chromium: Browser, pages: dict[str, str]) -> None:
    script = chromium.cdp(
        "Page.addScriptToEvaluateOnNewDocument", {"source": "delete window.DecompressionStream"}
    )
    try:
        chromium.open(pages["study"])
        assert "could not be drawn by this browser" in chromium.text(MI)
        assert chromium.run("return document.querySelector(arguments[0]).open", f"{MI} .still")
    finally:
        chromium.cdp("Page.removeScriptToEvaluateOnNewDocument", script)


def test_write_report_path_with_odd_characters(chromium: Browser, tmp_path: Path) -> None:
    path = write_report(study(), tmp_path / "a report #1 ü.html")
    chromium.open(path.as_uri())
    assert chromium.text("h1") == "Analysis"
