"""docs/gallery.md is what the script makes of the results that are there."""

import re

from experiments.gallery import ROOT, page

PUBLISHED = ROOT / "docs" / "gallery.md"


def test_the_gallery_is_made_anew_when_results_change() -> None:
    """After a change: `python -m experiments.gallery > docs/gallery.md`."""
    assert PUBLISHED.read_text(encoding="utf-8") == page()


def test_every_figure_of_the_results_is_shown_and_every_link_leads_somewhere() -> None:
    links = re.findall(r"\]\((?!http)([^)]+)\)", page())
    shown = {(PUBLISHED.parent / link).resolve() for link in links}
    assert all(path.exists() for path in shown)
    assert {path.resolve() for path in ROOT.glob("experiments/*/results/**/*.svg")} <= shown
