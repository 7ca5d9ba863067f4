"""The site of the documentation: it builds without a warning, and loads nothing from elsewhere."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import nas

pytest.importorskip("material", reason="mkdocs-material is not installed")
ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a built site."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "-q", "-d", str(folder)]
    quiet = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(
        command, cwd=ROOT, env=quiet, capture_output=True, text=True, check=False, timeout=300
    )
    assert (done.returncode, done.stderr) == (0, "")
    return folder


def test_every_page_is_there(site: Path) -> None:
    for page in [*(ROOT / "docs").glob("*.md"), Path("index.md"), Path("reference.md")]:
        assert (site / page.with_suffix(".html").name).is_file(), page
    reference = (site / "reference.html").read_text(encoding="utf-8")
    for name in set(nas.__all__) - {"__version__"}:
        assert f"nas.{name}</code>" in reference, name


def test_links_and_pictures_lead_somewhere(site: Path) -> None:
    """Those of all pages to files; pages of experiments too."""
    seen = 0
    for page in site.rglob("*.html"):
        if page.name == "404.html":  # written for the root of a server
            continue
        for link in re.findall(r'(?:href|src)="([^"#?]+)', page.read_text(encoding="utf-8")):
            if not re.match(r"[a-z]+:", link):
                seen += 1
                assert (page.parent / link).exists(), f"{page.relative_to(site)}: {link}"
    assert seen > 500


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        loaded = re.findall(r'<(?:script|img)[^>]* src="([^"]+)', text)
        loaded += re.findall(r'<link[^>]*rel="stylesheet"[^>]* href="([^"]+)', text)
        assert not [one for one in loaded if re.match(r"(https?:)?//", one)], page.name
