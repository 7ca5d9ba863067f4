"""The page in headless Chromium, at desktop and phone width, in light and dark, and on paper."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from optuna.storages import InMemoryStorage
from report_studies import HOSTILE, make_study, make_twins

from nas.report import data as facts
from nas.report.build import write_report

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
if CHROMIUM is None:
    pytest.skip("there is no chromium here", allow_module_level=True)

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WIDTHS = {"desktop": (1280, 900), "phone": (390, 844)}
#: names of the figures without anything drawn
EMPTY = """() => [...document.querySelectorAll(".plot")].filter((plot) => {
    const drawn = plot.querySelectorAll(
        ".scatterlayer .trace path, .barlayer .trace path, .heatmaplayer image, .fills path");
    return plot.data.length === 0 || drawn.length === 0;
}).map((plot) => plot.id)"""


#: names of the figures wider than their place
CUT = """() => [...document.querySelectorAll(".plot")]
    .filter((plot) => plot.scrollWidth > plot.clientWidth + 1).map((plot) => plot.id)"""


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Reports with twins and random search, with two objectives, and with a hostile name."""
    storage, out = InMemoryStorage(), tmp_path_factory.mktemp("reports")
    study = make_study(storage, "twins", trials=60)
    make_twins(study, depths=[1, 2, 5], seeds=3, blocks=("bottleneck",), widths=(2,))
    random = make_study(storage, "twins-random", trials=30, seed=1)
    random.set_user_attr("baseline_of", "twins")
    make_study(storage, "front", trials=40, objectives=("val_accuracy", "parameters"))
    make_study(storage, "hostile", trials=30).set_user_attr("objectives", [HOSTILE])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(facts, "open_storage", lambda url: storage)
        names = ("twins", "front", "hostile")
        return {name: write_report("sqlite:///x", name, out)[0] for name in names}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A headless Chromium."""
    with sync_api.sync_playwright() as play:
        found = play.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield found
        found.close()


def opened(browser: Any, path: Path, width: str = "desktop", scheme: str = "light") -> Any:
    """The page with all that it said and asked for while it was opened."""
    size = dict(zip(("width", "height"), WIDTHS[width], strict=True))
    page = browser.new_page(viewport=size, color_scheme=scheme)
    page.set_default_timeout(120_000)
    page.said, page.asked = [], []
    page.on("console", lambda message: page.said.append(message.text))
    page.on("pageerror", lambda error: page.said.append(str(error)))
    page.on("dialog", lambda dialog: page.said.append(dialog.message))
    page.on("request", lambda request: page.asked.append(request.url))
    page.goto(path.as_uri())
    page.wait_for_function("document.querySelectorAll('.plot:not(.js-plotly-plot)').length === 0")
    return page


@pytest.mark.parametrize("name", ["twins", "front", "hostile"])
@pytest.mark.parametrize("width", list(WIDTHS))
def test_every_figure_is_drawn_and_fits_and_nothing_complains(pages, browser, name, width):
    page = opened(browser, pages[name], width)
    assert page.said == []
    assert page.evaluate(EMPTY) == []
    assert page.evaluate("document.querySelectorAll('.plot').length") > 3
    assert [url for url in page.asked if not url.startswith(("file:", "data:", "blob:"))] == []
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") <= WIDTHS[width][0]
    assert page.evaluate(CUT) == []
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_figures_are_readable_in_light_and_dark(pages, browser, scheme):
    page = opened(browser, pages["twins"], scheme=scheme)
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    for selector in (".xtick text", ".ytitle", ".legendtext", ".annotation text"):
        ink = page.evaluate(f"getComputedStyle(document.querySelector('.plot {selector}')).fill")
        assert contrast(ink, paper) >= 4.5, selector
    page.close()


def contrast(one: str, other: str) -> float:
    """The contrast of two colours `rgb(r, g, b)` (WCAG 2.1)."""
    light = sorted((luminance(one), luminance(other)), reverse=True)
    return (light[0] + 0.05) / (light[1] + 0.05)


def luminance(colour: str) -> float:
    """Relative luminance of `rgb(r, g, b)`."""
    channels = [int(part) / 255 for part in colour.strip("rgb()").split(",")[:3]]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_figures_are_saved(pages, browser, tmp_path):
    """As SVG in black on white, and as a PDF of one page with that figure alone."""
    page = opened(browser, pages["twins"], scheme="dark")
    with page.expect_download() as saved:
        page.locator(".save button", has_text="SVG").first.click()
    saved.value.save_as(tmp_path / "figure.svg")
    assert saved.value.suggested_filename.startswith("gain-train-error")
    text = (tmp_path / "figure.svg").read_text()
    assert text.startswith("<svg")
    assert "depth (weighted layers)" in text
    assert "fill: rgb(255, 255, 255)" in text
    assert "fill: rgb(0, 0, 0)" in text
    page.evaluate("window.print = () => {}")
    page.locator(".save button", has_text="PDF").nth(2).click()
    page.emulate_media(media="print")
    shown = "[...document.querySelectorAll('.plot')].filter((one) => one.offsetParent).length"
    assert page.evaluate(shown) == 1
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert page.pdf().count(b"/Type /Page\n") == 1
    page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert page.evaluate(shown) > 3
    assert page.said == []
    page.close()


def test_on_paper_figures_fit_and_folded_tables_are_open(pages, browser):
    page = opened(browser, pages["twins"])
    page.emulate_media(media="print")
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate("document.querySelectorAll('details:not([open])').length") == 0
    widths = page.evaluate("[...document.querySelectorAll('.main-svg')].map((s) => s.clientWidth)")
    assert max(widths) <= 690
    lead = "getComputedStyle(document.querySelector('h2 + p'))"
    assert page.evaluate(f"[{lead}.breakInside, {lead}.breakAfter]") == ["avoid", "avoid"]
    page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert page.evaluate("document.querySelectorAll('details:not([open])').length") > 0
    assert page.said == []
    page.close()
