"""Save the figures of a report as SVG, with a headless Chromium: report.html FOLDER [ID …].

python -m experiments.figures runs/depth_ladder/report.html experiments/depth_ladder/results
"""

import shutil
import sys
from pathlib import Path
from urllib.parse import unquote

from playwright.sync_api import sync_playwright

FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
FIGURES = "[...document.querySelectorAll('.js-plotly-plot')].map(figure => figure.id)"
IMAGE = "id => Plotly.toImage(document.getElementById(id), {format: 'svg', width: 720})"


def save(report: Path, folder: Path, wanted: list[str]) -> None:
    """Save every figure of the report, or those with the wanted ids."""
    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto(report.resolve().as_uri(), timeout=120_000)
        page.wait_for_function("document.querySelectorAll('.js-plotly-plot').length > 0")
        page.wait_for_timeout(2000)
        for name in wanted or page.evaluate(FIGURES):
            svg = unquote(page.evaluate(IMAGE, name).partition(",")[2])
            (folder / f"{name}.svg").write_text(svg, encoding="utf-8")
            print(folder / f"{name}.svg")
        browser.close()


if __name__ == "__main__":
    save(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
