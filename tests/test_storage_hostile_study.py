"""Studies made by somebody who means harm: looked at, they are told or refused; nothing leaves."""

import ast
import json
import sys
from pathlib import Path
from typing import Any

import optuna
import pytest
from conftest import TINY

from nas.cli import main
from nas.common.paths import study_folder
from nas.space.enumeration import EnumeratingTrial, all_values
from nas.space.space import SearchSpace

ROOT = Path(__file__).parents[1] / "nas"
EVIL = "<script>alert(1)</script>\x1b[2J\n\u202e`|![x](javascript:1)"
SPACE: dict[str, Any] = {
    "space": TINY,
    "space_file": "tiny.yaml",
    "space_hash": "0",
    "seed": 0,
    "objectives": ["val_accuracy"],
}
NAMES = ["../../x", "/tmp/nas-hostile", "..", ".", "", "x" * 500, EVIL, "a/../../../b", "a\0b"]
STUDIES: dict[str, dict[str, Any]] = {
    "objectives of a word": {"objectives": EVIL},
    "no objectives": {"objectives": None},
    "too many objectives": {"objectives": ["a", "b", "c"]},
    "space of a number": {"space": 3},
    "space of a word": {"space": EVIL, "space_file": EVIL},
    "space beside code": {"space": TINY.replace("name: digits", "class_path: evil.Evil")},
    "seed": {"seed": EVIL},
    "twins of none": {"twins_of": "none", "payoff": EVIL},
    "twins of itself": {"twins_of": "study"},
}
TRIALS: list[tuple[str, Any]] = [
    ("candidate", EVIL),
    ("candidate", 3),
    ("seed", "../../x"),
    ("layers", EVIL),
    ("val_accuracy", EVIL),
    ("error", EVIL),
    ("result", EVIL),
    ("worker", EVIL),
    ("provenance", EVIL),
    ("reused_from", EVIL),
    ("cells", EVIL),
    ("parameters", EVIL),
]
COMMANDS = (["status"], ["report"], ["export", "--no-train"])
PAYOFF = ["payoff", "--timeout", "1s", "--depths", "1"]


@pytest.fixture
def nas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> Any:
    """A command in a folder deep inside another: (status, all it said)."""
    inside = tmp_path / "a" / "b" / "c"
    inside.mkdir(parents=True)
    monkeypatch.chdir(inside)

    def run(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["nas", *arguments, "--storage", "sqlite:///s.db"])
        try:
            main()
            status: Any = 0
        except SystemExit as end:
            status = end.code
        said = capsys.readouterr()
        return status or 0, said.out + said.err

    return run


def make(name: str, attrs: dict[str, Any], **trial: Any) -> None:
    """A study of two finished trials by plain Optuna."""
    study = optuna.create_study(
        study_name=name, storage="sqlite:///s.db", direction="maximize", load_if_exists=True
    )
    for key, value in (SPACE | attrs).items():
        study.set_user_attr(key, value)
    Path("tiny.yaml").write_text(TINY)
    candidate = SearchSpace.load("tiny.yaml").candidate(EnumeratingTrial([], all_values)).to_json()
    known = {"candidate": candidate, "candidate_hash": "x", "seed": 0, "val_accuracy": 0.5}
    choice = {EVIL: optuna.distributions.CategoricalDistribution(["<b>", "c"])}
    for _ in range(2):
        study.add_trial(
            optuna.trial.create_trial(
                value=0.5, user_attrs=known | trial, params={EVIL: "<b>"}, distributions=choice
            )
        )


def assert_harmless(nas: Any, tmp_path: Path, *more: list[str]) -> None:
    """Every look ends in words, shows no sign a terminal or browser obeys, and stays inside."""
    for command in (*COMMANDS, *more):
        status, said = nas(*command)
        assert status in (0, 2), command
        assert "Traceback" not in said
        assert not {"\x1b", "\u202e"} & set(said)
    inside = tmp_path / "a" / "b" / "c"
    outside = {path for path in tmp_path.rglob("*") if not path.is_relative_to(inside)}
    assert outside == {inside.parent, inside.parent.parent}
    for page in inside.rglob("*.html"):
        assert "<script>alert" not in page.read_text(encoding="utf-8")
    for page in inside.rglob("report.md"):
        lines = [line for line in page.read_text(encoding="utf-8").split("\n") if "<script" in line]
        assert all("<script" not in "".join(line.split("`")[::2]) for line in lines)


@pytest.mark.parametrize("name", [name for name in NAMES if "\0" not in name], ids=ascii)
def test_names_stay_in_their_folder(name: str, nas: Any, tmp_path: Path) -> None:
    make(name, {})
    assert_harmless(nas, tmp_path, *([PAYOFF] if name in NAMES[:2] else []))
    assert not Path("/tmp/nas-hostile").exists()


@pytest.mark.parametrize("case", STUDIES)
def test_studies_are_told_or_refused(case: str, nas: Any, tmp_path: Path) -> None:
    make("study", STUDIES[case])
    assert_harmless(nas, tmp_path, PAYOFF)


@pytest.mark.parametrize(
    ("key", "value"), TRIALS, ids=[f"{k}-{type(v).__name__}" for k, v in TRIALS]
)
def test_trials_are_told_or_refused(key: str, value: Any, nas: Any, tmp_path: Path) -> None:
    make("study", {}, **{key: value})
    assert_harmless(nas, tmp_path)


def test_a_candidate_that_names_code_is_not_run_by_an_export(nas: Any) -> None:
    make("study", {})
    stored = optuna.load_study(study_name="study", storage="sqlite:///s.db").trials[0].user_attrs
    candidate = json.loads(stored["candidate"])
    candidate["dataset"] = {"name": "module", "class_path": "evil.Evil", "init_args": "{}"}
    candidate["dataset"] |= {"image_shape": [1, 8, 8], "num_classes": 10}
    make("study", {}, candidate=json.dumps(candidate))
    Path("evil.py").write_text("open('ran', 'w')")
    status, said = nas("export", "--trial", "2", "--seeds", "1")
    assert status == 2
    assert "This space runs code: evil.Evil" in said
    assert "add --trust" in said
    assert not Path("ran").exists()


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_folders_of_studies(name: str, tmp_path: Path) -> None:
    folder = study_folder(tmp_path, name)
    assert folder.parent == tmp_path
    folder.mkdir()
    assert len({study_folder(tmp_path, other) for other in (name, name + "x", name + "/")}) == 3


@pytest.mark.parametrize("name", ["digits", "my_study-2.1", "tiny-twins", "x" * 70])
def test_folders_of_usual_names_are_those_names(name: str) -> None:
    assert study_folder("runs", name) == Path("runs") / name


# What could run code


def calls(name: str) -> list[tuple[Path, ast.Call]]:
    """Every call of a function of that name in the package."""
    return [
        (path, node)
        for path in sorted(ROOT.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == name
    ]


def test_weights_are_read_as_numbers_alone() -> None:
    found = calls("torch.load")
    assert found
    for path, call in found:
        given = {word.arg: ast.unparse(word.value) for word in call.keywords}
        assert given.get("weights_only") == "True", path


def test_arrays_are_read_without_pickle() -> None:
    assert all("allow_pickle=False" in ast.unparse(call) for _, call in calls("np.load"))


@pytest.mark.parametrize(
    ("name", "homes"),
    [
        ("eval", set()),
        ("exec", set()),
        ("pickle.load", set()),
        ("pickle.loads", set()),
        ("pickle.Unpickler", set()),
        ("yaml.load", set()),
        ("yaml.unsafe_load", set()),
        ("os.system", set()),
        ("importlib.import_module", {"class_paths.py", "plugins.py"}),
        ("runpy.run_path", {"writing.py"}),
    ],
)
def test_code_runs_in_few_places(name: str, homes: set[str]) -> None:
    assert {path.name for path, _ in calls(name)} == homes
