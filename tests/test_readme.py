"""What README.md and docs/ say is so: their commands, links, tables and the tree of folders."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest
import typer

import nas
from nas.cli import app
from nas.space.schema import PayoffSection
from nas.space.space import SearchSpace, bundled_spaces
from nas.space.yaml import Source

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"]
PAGES += sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("docs/**/*.md"))
TEXT = {page: (ROOT / page).read_text(encoding="utf-8") for page in PAGES}
#: all that tells users what to do
GUIDE = "\n".join(text for page, text in TEXT.items() if page != "CHANGELOG.md")
ARCHITECTURE = TEXT["docs/architecture.md"]
FIRST_SCREEN = README.splitlines()[:30]


def fenced(language: str, text: str = README) -> str:
    """The code blocks of a language, one after the other."""
    return "\n".join(
        re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)
    )


def commands(text: str) -> list[str]:
    """The single commands of a shell text, without comments."""
    parts = [part for line in text.splitlines() for part in line.split("&&")]
    return [shlex.join(shlex.split(part, comments=True)) for part in parts]


def set_ups() -> list[list[str]]:
    """The first screen's command lines for a fresh machine, each as its single commands."""
    lines = [line for line in FIRST_SCREEN if line.startswith("python3 -m venv")]
    return [line.split(" && ") for line in lines]


def nas_commands() -> list[str]:
    """Every `nas …` in a block or in a line of the README and of the pages beside it."""
    inline = [span for span in re.findall(r"`([^`\n]+)`", GUIDE) if re.match(r"nas [a-z]", span)]
    found = [
        command.removeprefix(".venv/bin/") for command in commands(fenced("bash", GUIDE))
    ] + inline
    return sorted({command for command in found if command.startswith("nas ")})


def tree() -> dict[str, str]:
    """Path -> comment of the tree of folders."""
    rows, folders = {}, []
    for line in fenced("text", ARCHITECTURE).splitlines():
        name, _, comment = line.strip().partition(" ")
        folders[(len(line) - len(line.lstrip())) // 2 :] = [name]
        if comment or not name.endswith("/"):
            rows["".join(folders)] = comment.strip()
    return rows


def test_the_first_screen_runs_the_main_job_and_the_tests() -> None:
    main, tests = set_ups()
    assert main == [
        "python3 -m venv .venv",
        ".venv/bin/pip install -c constraints.txt .",
        ".venv/bin/nas search digits",
    ]
    assert tests == [
        "python3 -m venv .venv",
        '.venv/bin/pip install -c constraints.txt -e ".[dev]"',
        ".venv/bin/pytest -n auto --dist worksteal",
    ]


def test_ci_runs_the_readmes_test_commands_in_their_order() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    script = re.sub(r'"\$venv((?:/bin/\w+)?)"', r".venv\1", script)
    steps = [re.sub(r'^step "[^"]*" ', "", line) for line in script.splitlines()]
    ours = set_ups()[1]
    assert [step for step in steps if step in ours] == ours
    assert steps[-1] == ours[-1]


@pytest.mark.parametrize("command", nas_commands())
def test_a_command_of_the_readme_parses(command: str) -> None:
    group = typer.main.get_command(app)
    words = shlex.split(command)[1:]
    with group.make_context("nas", list(words)) as context:
        name, verb, rest = group.resolve_command(context, words)  # type: ignore[attr-defined]
        if rest or not verb.params or not verb.params[0].required:  # else only the verb is meant
            verb.make_context(name, rest, parent=context)


def test_the_readme_names_every_command() -> None:
    verbs = set(typer.main.get_command(app).commands)  # type: ignore[attr-defined]
    named = {shlex.split(command)[1] for command in nas_commands()}
    assert verbs <= named, f"no word of {verbs - named}"


def test_every_file_of_the_tree_is_there_with_a_comment() -> None:
    assert [path for path in tree() if not (ROOT / path).exists()] == []
    assert [path for path, comment in tree().items() if not comment] == []


def test_every_folder_with_code_is_in_the_tree() -> None:
    files = [*ROOT.glob("nas/**/*.py"), *ROOT.glob("experiments/*/*.py"), *ROOT.glob("tests/*.py")]
    folders = {f"{path.parent.relative_to(ROOT)}/" for path in files} - {"nas/"}
    assert sorted(folders - set(tree())) == []


def test_git_ignores_nothing_of_the_tree() -> None:
    paths = "\0".join(tree())
    run = subprocess.run(
        ["git", "check-ignore", "--no-index", "--stdin", "-z"],
        input=paths,
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if run.returncode not in (0, 1):
        pytest.skip("not a git checkout, or git is not installed")
    assert run.stdout.split("\0")[:-1] == []


def test_every_bundled_space_is_in_the_tables() -> None:
    tables = {
        name for line in GUIDE.splitlines() if line.startswith("|") for name in line.split("`")
    }
    assert set(bundled_spaces()) <= tables


def test_the_space_shown_is_a_space() -> None:
    space = SearchSpace.parse(Source("README.md", fenced("yaml")))
    assert space.parameters()


def test_every_key_of_payoff_is_told_with_what_it_stands_at_when_left_out() -> None:
    example = fenced("yaml") + fenced("yaml", TEXT["docs/twins.md"])
    section = SearchSpace.parse(Source("twins.md", example)).section.payoff
    assert section is not None
    assert section.model_fields_set == set(PayoffSection.model_fields)
    told = section.model_dump()
    standing = PayoffSection().model_dump(exclude_none=True)
    assert {key: told[key] for key in standing} == standing


def test_every_environment_variable_is_named() -> None:
    sources = "".join(path.read_text(encoding="utf-8") for path in ROOT.glob("nas/**/*.py"))
    assert {
        name for name in re.findall(r"\bNAS_[A-Z_]+\b", sources) if f"`{name}`" not in GUIDE
    } == set()


@pytest.mark.parametrize("page", PAGES)
def test_links_to_files_lead_somewhere(page: str) -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", TEXT[page])
    assert [link for link in links if not ((ROOT / page).parent / link).exists()] == []


def test_the_readme_is_short_and_names_every_page() -> None:
    assert len(README.splitlines()) <= 200
    pages = [page for page in PAGES if page.startswith("docs/")]
    assert [page for page in pages if f"]({page})" not in README] == []


def test_the_tested_versions_meet_the_lower_bounds() -> None:
    from packaging.requirements import Requirement

    text = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    pinned = {
        normal(name): version
        for name, version in re.findall(r"^([\w-]+)==(\S+)$", text, re.MULTILINE)
    }
    for line in requirements():
        need = Requirement(line)
        assert need.specifier.contains(pinned[normal(need.name)]), line


def test_the_version_is_the_same_everywhere() -> None:
    """The newest version of the changelog too, with its date."""
    assert f'\nversion = "{nas.__version__}"\n' in (ROOT / "pyproject.toml").read_text()
    assert f"\nversion: {nas.__version__}\n" in (ROOT / "CITATION.cff").read_text()
    headings = re.findall(r"^## \[(.+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] == "Unreleased]"
    assert re.fullmatch(re.escape(nas.__version__) + r"\] - \d{4}-\d\d-\d\d", headings[1])


def normal(name: str) -> str:
    """A distribution's name as package indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def requirements() -> list[str]:
    """All requirements of pyproject.toml."""
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return [*project["dependencies"], *sum(project["optional-dependencies"].values(), [])]
