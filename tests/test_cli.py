"""The command line, as a person meets it."""

import ast
import json
import os
import re
import runpy
import shutil
import signal
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import NAS, TINY, VERBS, Run

from nas.data import Dataset, open_data
from nas.report import status as status_page
from nas.space.space import bundled_spaces

ROOT = Path(__file__).parents[1]


def files() -> list[str]:
    return sorted(str(path) for path in Path().rglob("*") if path.is_file())


# Starting.


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_with_an_example(verb: str, nas: Run) -> None:
    status, output, _ = nas(verb, "--help")
    assert status == 0
    assert re.search(rf"Example:\s+nas {verb}", output)


#: a library that is being imported, and makes an ImportError of what interrupts it
SLOW_LIBRARY = """
import time
print("importing", flush=True)
try:
    time.sleep(60)
except BaseException as error:
    raise ImportError("half imported") from error
"""


@pytest.mark.parametrize("started", ["-m nas", "nas"])
def test_ctrl_c_while_libraries_are_imported(started: str, tmp_path: Path) -> None:
    (tmp_path / "typer.py").write_text(SLOW_LIBRARY)
    script = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]["nas"]
    program = ["-c", f"from {script.replace(':', ' import ')}; main()"]
    process = subprocess.Popen(
        [sys.executable, *(program if started == "nas" else started.split()), "status"],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "importing\n"
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (130, "Interrupted.\n")


def test_ctrl_c_in_a_command(nas: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*arguments: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(status_page, "status_lines", interrupted)
    assert nas("status") == (130, "", "Interrupted.\n")


def test_the_verbs_of_the_readme_are_there(nas: Run) -> None:
    expected = {"init", "check", "search", "status", "report", "dashboard", "schema", "export"}
    assert expected <= set(VERBS)
    status, output, _ = nas("--help")
    assert status == 0
    assert all(verb in output for verb in VERBS)


@pytest.mark.parametrize(
    "arguments",
    [
        ["frobnicate"],
        ["search"],
        ["search", "tiny.yaml", "--trials", "0"],
        ["search", "tiny.yaml", "--trials", "many"],
        ["search", "tiny.yaml", "--workers", "-1"],
        ["search", "tiny.yaml", "--seed", "-1"],
        ["search", "tiny.yaml", "--sed", "1"],
        ["search", "tiny.yaml", "--timeout", "soon"],
        ["search", "tiny.yaml", "--timeout", "0"],
        ["search", "tiny.yaml", "--timeout", "3"],
        ["payoff", "--timeout", "3"],
        ["show", "-1"],
        ["search", "tiny.yaml", "--study", "a/b"],
        ["search", "tiny.yaml", "--study", ""],
        ["search", "tiny.yaml", "--study", "my study"],
        ["search", "tiny.yaml", "--study", "x" * 65],
        ["search", "tiny.yaml", "--storage", "runs/nas.db"],
        ["search", "tiny.yaml", "--storage", "sqlite:///:memory:"],
        ["search", "tiny.yaml", "--storage", "sqlite:///tiny.yaml"],
        ["search", "tiny.yaml", "--storage", "sqlite:///tiny.yaml/nas.db"],
        ["search", "tiny.yaml", "--out", "tiny.yaml"],
        ["search", "nowhere.yaml"],
        ["search", "."],
        ["check", "nowhere"],
        ["check", "tiny.yaml", "--set", "training.epochs=0"],
        ["export", "--seeds", "0"],
        ["dashboard", "--port", "0"],
        ["dashboard", "--port", "65536"],
        ["init", "tiny.yaml"],
    ],
    ids=" ".join,
)
def test_what_the_user_can_mend_is_told_with_status_2(arguments: list[str], nas: Run) -> None:
    Path("tiny.yaml").write_text(TINY)
    status, output, errors = nas(*arguments)
    assert status == 2
    assert output == ""
    assert errors.startswith(("nas: ", "Usage: ", "Try "))
    assert "Traceback" not in errors
    assert 20 < len(errors) < 900
    assert not [name for name in files() if name.endswith(".pt")]


@pytest.mark.parametrize("verb", ["status", "report", "export", "dashboard", "payoff", "list"])
def test_before_the_first_search_there_is_no_study(verb: str, nas: Run) -> None:
    """And asking makes no files."""
    status, output, errors = nas(verb)
    assert (status, output) == (2, "")
    assert errors.startswith("nas: there is no study here yet (runs/nas.db): start one with")
    status, _, errors = nas(verb, "--storage", "sqlite:///elsewhere/nas.db")
    assert (status, "elsewhere/nas.db" in errors) == (2, True)
    assert list(Path().iterdir()) == []


# init, check, schema.


def test_init_writes_every_space_and_keeps_what_is_there(nas: Run) -> None:
    status, output, _ = nas("init", "a b")
    assert status == 0
    written = {Path(name).name for name in files()}
    assert written == {f"{name}.yaml" for name in bundled_spaces()} | {"schema.json"}
    assert f"Wrote {len(bundled_spaces())} spaces" in output
    assert output.strip().endswith("Next: nas check 'a b/spaces/digits.yaml'")
    edited = Path("a b/spaces/digits.yaml")
    edited.write_text(TINY)
    assert "Wrote 0 spaces" in nas("init", "a b")[1]
    assert edited.read_text() == TINY
    for name in bundled_spaces():
        assert nas("check", f"a b/spaces/{name}.yaml")[0] == 0
    head = Path("a b/spaces/cifar.yaml").read_text().splitlines()[0]
    assert head == "# yaml-language-server: $schema=./schema.json"


def test_check_says_what_is_searched_and_how_much_there_is(nas: Run) -> None:
    Path("tiny.yaml").write_text(TINY)
    status, output, errors = nas("check", "tiny.yaml")
    assert (status, errors) == (0, "")
    assert output == (
        "  depth                      1, 2\n"
        "  stages.0.shortcut          identity, none\n"
        "  training.optimizer.sgd.lr  0.03, 0.1\n"
        "tiny: 3 searched parameters, 4 distinct architectures.\n"
        "Pictures: 96 training, 40 validation and 397 test pictures of 10 classes.\n"
    )
    assert files() == ["tiny.yaml"]


@pytest.mark.parametrize("name", ["cifar", "cifar.yaml", "spaces/cifar.yaml"])
def test_bundled_spaces_are_found_from_anywhere(name: str, nas: Run) -> None:
    status, output, errors = nas("check", name)
    assert status == 0
    assert errors.startswith("Using the bundled space 'cifar' (/")
    assert "cifar: 9 searched parameters" in output


def test_schema_prints_json(nas: Run) -> None:
    status, output, _ = nas("schema")
    assert status == 0
    assert json.loads(output)["title"] == "SpaceSection"


def test_a_closed_pipe_is_no_error() -> None:
    command = f"'{NAS}' schema | head -n 1"
    run = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True)
    assert run.stderr == ""


# After a search.


def test_search_says_what_it_did_and_what_comes_next(searched: tuple[Path, str]) -> None:
    folder, output = searched
    lines = output.splitlines()
    finished = [
        line
        for line in lines
        if re.match(r"\[search [123]/3\] trial \d: val_accuracy 0?\.?\d+", line)
    ]
    assert len(finished) == 3
    assert "study tiny in sqlite:///runs/nas.db" in lines
    assert any(re.match(r"  best: trial \d, val_accuracy [\d.]+: basic ", line) for line in lines)
    assert any(line.startswith("Next: nas ") for line in lines)
    assert (folder / "runs/nas.db").exists()
    assert list((folder / "runs/tiny/weights").glob("trial-*.pt"))
    assert {path.name for path in folder.iterdir()} == {"runs", "tiny.yaml"}


@pytest.mark.usefixtures("after")
def test_status(nas: Run) -> None:
    for arguments in ([], ["tiny"]):
        status, output, _ = nas("status", *arguments)
        assert status == 0
        assert output.startswith(
            "study tiny in sqlite:///runs/nas.db\n"
            "  3 trials: 3 trained to their end\n  best: trial "
        )
    status, _, errors = nas("status", "other")
    assert (status, errors) == (2, "nas: there is no study 'other'; there is tiny.\n")


@pytest.mark.usefixtures("after")
def test_status_needs_neither_the_space_nor_its_data(nas: Run) -> None:
    Path("tiny.yaml").unlink()
    assert nas("status")[0] == 0


@pytest.mark.usefixtures("after")
def test_the_storage_may_come_from_the_environment(
    nas: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("runs").rename("kept")
    assert nas("status")[0] == 2
    monkeypatch.setenv("NAS_STORAGE", "sqlite:///kept/nas.db")
    status, output, _ = nas("status")
    assert status == 0
    assert output.startswith("study tiny in sqlite:///kept/nas.db")
    assert nas("status", "--storage", "sqlite:///runs/nas.db")[0] == 2


@pytest.mark.usefixtures("after")
def test_export_without_training_takes_the_weights_found(nas: Run) -> None:
    status, output, _ = nas("export", "--no-train", "--output", "out dir/net.py")
    assert status == 0
    assert "net.py" in output
    assert Path("out dir/net.pt").exists()
    run = subprocess.run(
        [sys.executable, "out dir/net.py"], capture_output=True, text=True, env=bare_environment()
    )
    assert run.returncode == 0, run.stderr
    assert "(1, 10)" in run.stdout
    assert "Trained on 96 of the 1,400 pictures" in docstring_of("out dir/net.py")
    names = runpy.run_path("out dir/net.py")
    pictures = torch.zeros(3, 1, 8, 8, dtype=torch.uint8)
    assert set(names["predict"](names["Network"](), pictures)) <= set("0123456789")
    usual = open_data(Dataset(name="digits", train_size=96, validation_size=40), **DIGITS)
    assert tuple(names["MEAN"]) == usual.mean
    first = Path("out dir/net.py").read_bytes()
    nas("export", "--no-train", "--output", "out dir/net.py")
    assert Path("out dir/net.py").read_bytes() == first


DIGITS: dict[str, Any] = {"data_dir": Path(), "batch_size": 2, "seed": 0}


def docstring_of(file: str) -> str:
    """What a module says of itself, on one line."""
    return " ".join(str(ast.get_docstring(ast.parse(Path(file).read_text()))).split())


def bare_environment() -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}


@pytest.mark.usefixtures("after")
def test_export_trains_again_and_tests_once(nas: Run) -> None:
    status, output, _ = nas("export", "--seeds", "2", "--output", "net.py")
    assert status == 0
    assert len(re.findall(r"seed \d: test accuracy 0\.\d+", output)) == 2
    facts = docstring_of("net.py")
    assert "Trained on 136 of the 1,400 pictures outside the test split." in facts
    tested = [float(value) for value in re.findall(r"seed \d: test accuracy (0\.\d+)", output)]
    own = re.search(r"these weights \(seed 0\), tested once: (\S+) %", facts)
    assert own
    assert float(own[1]) == pytest.approx(100 * tested[0], abs=0.01)
    both = re.search(r"of the architecture: (\S+) ± \S+ % \(mean ± sd of 2 seeds", facts)
    assert both
    assert float(both[1]) == pytest.approx(50 * sum(tested), abs=0.01)
    both_splits = {"train_on_validation": True, **DIGITS}
    usual = open_data(Dataset(name="digits", train_size=96, validation_size=40), **both_splits)
    assert tuple(runpy.run_path("net.py")["MEAN"]) == usual.mean
    kept = sorted(Path("runs/tiny/export").glob("*.json"))
    assert len(kept) == 2
    stamps = [path.stat().st_mtime_ns for path in kept]
    assert nas("export", "--seeds", "2", "--output", "net.py")[0] == 0
    assert [path.stat().st_mtime_ns for path in kept] == stamps, "trained again in vain"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["export", "--trial", "99"], "has no trained trial 99"),
        (["export", "other"], "there is no study 'other'; there is tiny"),
        (["search", "tiny.yaml", "--seed", "1"], "made from another seed"),
        (["search", "tiny.yaml", "--set", "training.epochs=3"], "made from another space"),
        (["search", "digits", "--study", "tiny"], "made from another space"),
    ],
    ids=str,
)
@pytest.mark.usefixtures("after")
def test_what_does_not_fit_the_study_is_told(arguments: list[str], words: str, nas: Run) -> None:
    status, _, errors = nas(*arguments)
    assert status == 2
    assert words in errors
    assert "Traceback" not in errors


@pytest.mark.usefixtures("after")
def test_a_place_that_cannot_be_written_is_told(nas: Run) -> None:
    for output in ("tiny.yaml", "net.pt", "net"):
        status, _, errors = nas("export", "--no-train", "--output", output)
        assert status == 2
        assert errors == f"nas: {output} is no name of a Python file: write it as best.py.\n"
    assert Path("tiny.yaml").read_text() == TINY
    for output in ("tiny.yaml/net.py", "/proc/net.py"):
        status, _, errors = nas("export", "--no-train", "--output", output)
        assert status == 2
        assert errors.startswith("nas: /proc" if output[0] == "/" else "nas: tiny.yaml")
        assert "Traceback" not in errors


@pytest.mark.usefixtures("after")
def test_weights_that_are_gone_are_told(nas: Run) -> None:
    shutil.rmtree("runs/tiny")
    status, _, errors = nas("export", "--no-train")
    assert status == 2
    assert "leave out --no-train" in errors
    assert not Path("best.py").exists()


@pytest.mark.usefixtures("after")
@pytest.mark.parametrize("damage", ["cut", "text", "empty", "another"])
def test_damaged_weights_are_told(damage: str, nas: Run) -> None:
    for file in Path("runs/tiny/weights").glob("*.pt"):
        whole = file.read_bytes()
        file.write_bytes({"cut": whole[: len(whole) // 2], "text": b"none"}.get(damage, b""))
        if damage == "another":
            torch.save({"weight": torch.zeros(2)}, file)
    status, _, errors = nas("export", "--no-train")
    assert status == 2
    assert "are damaged or of another network" in errors
    assert "Traceback" not in errors
    assert not Path("best.py").exists() or not Path("best.pt").exists()


@pytest.mark.usefixtures("after")
def test_a_damaged_run_of_an_export_is_trained_again(nas: Run) -> None:
    assert nas("export", "--seeds", "1")[0] == 0
    whole = Path("best.pt").read_bytes()
    (kept,) = Path("runs/tiny/export").glob("*.json")
    for file in (kept, kept.with_suffix(".pt")):
        file.write_bytes(file.read_bytes()[:100])
        status, output, errors = nas("export", "--seeds", "1")
        assert status == 0, errors
        assert "test accuracy" in output
        assert Path("best.pt").read_bytes() == whole


@pytest.mark.usefixtures("after")
def test_a_finished_search_is_not_started_again(nas: Run) -> None:
    status, output, _ = nas("search", "tiny.yaml", "--trials", "3")
    assert status == 0
    assert "/3] trial" not in output
    assert output.startswith("study tiny in")


def test_missing_data_are_told_before_anything_is_made(
    nas: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No network, no pictures: one sentence, and no study that would have to be cleaned up."""
    monkeypatch.setenv("NAS_DATA_DIR", "pictures")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    status, _, errors = nas("search", "cifar")
    assert status == 2
    assert "cifar10" in errors
    assert "pictures" in errors
    assert "Traceback" not in errors
    assert not Path("runs").exists()


def test_search_runs_random_search_beside_it_by_flag_or_by_the_space(after: Path, nas: Run) -> None:
    status, output, _ = nas("search", "tiny.yaml", "--trials", "3", "--baseline", "random")
    assert status == 0
    assert "study tiny in sqlite:///runs/nas.db" in output
    assert output.count("[random search ") == output.count("/3] trial ") == 3
    page = (after / "runs/tiny/report.md").read_text()
    assert "random search reached validation accuracy" in page
    status, output, _ = nas(
        "search", "tiny.yaml", "--trials", "3", "--set", "search.baseline=random"
    )
    assert (status, output.count("] trial ")) == (0, 0)
    status, _, errors = nas("search", "tiny.yaml", "--baseline", "tpe")
    assert status == 2
    assert "'tpe' is not one of 'random'" in errors
