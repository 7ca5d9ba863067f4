"""A user's own parts: through check, search, twins, report and export, the package untouched."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import optuna
import pytest

NAS = Path(sys.executable).with_name("nas")
PARTS = Path(__file__).with_name("own_parts.py")
SPACE = """
name: own
plugins: [own_parts]
dataset:
  name: stripes
  init_args: {noise: 0.5}
  augment: [flip, {name: dimmed, by: 0.2}]
  train_size: 64
  validation_size: 40
architecture:
  stem: {conv5x5: {width: 4}}
  activation_order: {norm_last: {after: 2}}
  activation: {name: squared_relu, scale: 0.75}
  norm: pairs
  block: {funnel: {ratio: [0.5, 1.0]}}
  depth: 2
  shortcut: [{blurred: {size: [1, 3]}}, none]
  transition: {name: blurred, size: 5}
  join: {damped: {factor: [0.5, 1.0]}}
  stages: [{width: 4}, {width: 8, stride: 2}]
training:
  epochs: 1
  batch_size: 32
  optimizer: {plain_rmsprop: {lr: 0.01}}
  schedule: {root: {power: 0.25}}
search:
  objectives: [val_accuracy, gap]
  trials: 6
  workers: 2
  sampler: {shifted: {by: 3}}
  pruner: {name: patient, epochs: 5}
  probes: [head_norm]
  duplicates: new_seed
payoff: {top: 0, seeds: 1, depths: [1, 2], lr_factors: [1.0], stages: false}
"""
#: what a candidate of the space is made of
OWN = {"conv5x5", "norm_last", "squared_relu", "pairs", "funnel", "blurred", "damped"}
OWN |= {"plain_rmsprop", "root", "stripes", "dimmed"}


class Here:
    """A folder with a plugin and its space."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.copy(PARTS, folder)
        (folder / "own.yaml").write_text(SPACE)

    def nas(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """A command in that folder."""
        return subprocess.run(
            [NAS, *arguments],
            cwd=self.folder,
            env=os.environ | variables,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def study(self, name: str = "own") -> optuna.Study:
        """A study of the folder."""
        storage = f"sqlite:///{self.folder}/runs/nas.db"
        return optuna.load_study(study_name=name, storage=storage)

    def figures(self) -> dict[str, Any]:
        """Name -> figure of the report."""
        page = (self.folder / "runs" / "own" / "report.html").read_text(encoding="utf-8")
        found = re.search(r'id="figures">(.*?)</script>', page, re.DOTALL)
        assert found
        return json.loads(found[1])


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Here:
    """With the study `own` and its twins, by two workers."""
    place = Here(tmp_path_factory.mktemp("own"))
    run = place.nas("search", "own.yaml")
    assert run.returncode == 0, run.stdout + run.stderr
    return place


def names_in(data: Any) -> set[str]:
    """All words of some JSON data, those with options without them."""
    if isinstance(data, dict):
        return set(data).union(*map(names_in, data.values()))
    if isinstance(data, list):
        return set().union(*map(names_in, data))
    return {data.partition("(")[0]} if isinstance(data, str) else set()


def test_a_check_knows_own_parts(here: Here) -> None:
    run = here.nas("check", "own.yaml", "--cost")
    assert run.returncode == 0, run.stderr
    assert "block.funnel.ratio" in run.stdout
    assert "Pictures: 64 training, 40 validation and 40 test pictures of 2 classes" in run.stdout
    for setting, meant in (
        ("architecture.block=funel", "funnel"),
        ("dataset.name=stripe", "stripes"),
        ("dataset.augment=[dimed]", "dimmed"),
        ("search.probes=[had_norm]", "head_norm"),
    ):
        refused = here.nas("check", "own.yaml", "--set", setting)
        assert refused.returncode == 2, setting
        assert f"'{meant}'" in refused.stderr, refused.stderr
    wrong = here.nas("check", "own.yaml", "--set", "dataset.init_args.noise=much")
    assert "noise of stripes cannot be 'much'" in wrong.stderr


def test_every_trial_is_made_of_own_parts(here: Here) -> None:
    """But for those that drew no shortcuts."""
    trials = here.study().trials
    assert [trial.state.name for trial in trials] == ["COMPLETE"] * 6
    for trial in trials:
        missing = OWN - names_in(json.loads(trial.user_attrs["candidate"]))
        assert missing <= {"blurred", "damped"}
        assert trial.user_attrs["provenance"]["plugins"].startswith("own_parts ")
        assert json.loads(trial.user_attrs["probes_end"])["head_norm"] > 0
        assert json.loads(trial.user_attrs["result"])["measures"]["last_loss"] > 0
    assert here.study().user_attrs["objectives"] == ["val_accuracy", "gap"]


def test_twins_have_an_arm_of_an_own_shortcut(here: Here) -> None:
    twins = here.study("own-twins").trials
    arms = {cell["arm"] for twin in twins for cell in twin.user_attrs["cells"]}
    assert arms == {"identity", "projection", "none", "blurred", "none, wider"}
    assert {twin.state.name for twin in twins} == {"COMPLETE"}


def test_figures_draw_an_own_shortcut_in_one_colour(here: Here) -> None:
    run = here.nas("report", "--import", "own_parts")
    assert run.returncode == 0, run.stderr
    told = [line for line in run.stderr.splitlines() if "Waiting for the storage" not in line]
    assert not told  # a busy machine may make it wait
    colours: dict[str, set[str]] = {}
    for name, figure in here.figures().items():
        for trace in figure["data"]:
            if trace.get("name") == "blurred":
                styles = (trace.get("marker", {}), trace.get("line", {}))
                found = next(style["color"] for style in styles if "color" in style)
                colours.setdefault(name, set()).add(found)
    assert {"history", "pareto"} <= {name.partition("-")[0] for name in colours}
    assert any(name.startswith("gain") for name in colours)
    assert len(set.union(*colours.values())) == 1, colours
    page = (here.folder / "runs" / "own" / "report.html").read_text(encoding="utf-8")
    assert ".kind-blurred::before" in page
    assert "generalisation gap (points)" in page
    assert "norm of the classifier" in page
    assert "loss of the last batch (nats)" in page
    assert "stripes: 64 training and 40 validation pictures of the 120 published" in page
    assert "augmented by flip, dimmed(by=0.2)" in page
    assert "Optuna, sampler shifted(by=3), pruner patient(epochs=5)" in page
    assert "Candidates were drawn at random" in page


def test_the_exported_module_holds_own_parts_and_needs_torch_alone(here: Here) -> None:
    """Equal to the trained network to the bit, as `nas export` itself holds."""
    joined = next(t for t in here.study().trials if "damped" in t.user_attrs["candidate"])
    asked = ("--trial", str(joined.number), "--seeds", "1", "--import", "own_parts")
    run = here.nas("export", *asked)
    assert run.returncode == 0, run.stdout + run.stderr
    source = (here.folder / "best.py").read_text(encoding="utf-8")
    for part in (
        "class SquaredReLU(nn.Module):",
        "class Damped(nn.Module):",
        "class RandomStream(nn.Module):",
        "def narrowed(channels, ratio):",
        "def norm_last(",
    ):
        assert part in source
    assert "WIDEST = 64\n" in source
    assert "from torch import Tensor, nn" in source or "from torch import Tensor\n" in source
    assert "nas." not in source
    assert "@" not in source
    (here.folder / "own_parts.py").rename(here.folder / "hidden.py")
    alone = [
        sys.executable,
        "-c",
        "import sys; sys.modules['nas'] = None; import best; best.Network()",
    ]
    ran = subprocess.run(alone, cwd=here.folder, capture_output=True, text=True, check=False)
    (here.folder / "hidden.py").rename(here.folder / "own_parts.py")
    assert ran.returncode == 0, ran.stderr


def test_the_schema_for_editors_describes_own_parts(here: Here) -> None:
    run = here.nas("schema", "--import", "own_parts")
    assert run.returncode == 0, run.stderr
    assert OWN | {"gap", "shifted", "patient", "head_norm"} <= names_in(json.loads(run.stdout))


# Whose word it is


def test_a_plugin_out_of_a_storage_needs_trust(here: Here) -> None:
    """Also where no data set is read: the network itself is made by its code."""
    run = here.nas("export", "--no-train")
    assert run.returncode == 2
    assert "runs the code of own_parts, which was read from the storage" in run.stderr
    assert "add --trust" in run.stderr


def test_a_look_runs_no_plugin_out_of_a_storage(here: Here) -> None:
    """The report names what is missing, and draws what it can."""
    with (here.folder / "own_parts.py").open("a") as file:
        file.write("\nopen('ran', 'w').close()\n")
    assert here.nas("status").returncode == 0
    run = here.nas("report")
    assert run.returncode == 0, run.stderr
    assert "--import own_parts" in run.stderr
    assert not (here.folder / "ran").exists()
    drawn = {trace.get("name") for figure in here.figures().values() for trace in figure["data"]}
    assert "blurred" in drawn


# How a plugin is named


@pytest.fixture
def alone(tmp_path: Path) -> Here:
    """A folder in which nothing was searched."""
    return Here(tmp_path)


def without_key(place: Here) -> None:
    """The space names no plugin."""
    (place.folder / "own.yaml").write_text(SPACE.replace("plugins: [own_parts]\n", ""))


def test_a_plugin_can_be_named_on_the_command_line(alone: Here) -> None:
    without_key(alone)
    assert alone.nas("check", "own.yaml").returncode == 2
    run = alone.nas("check", "own.yaml", "--import", "own_parts")
    assert run.returncode == 0, run.stderr


def test_a_plugin_of_an_installed_package_needs_no_naming(alone: Here) -> None:
    without_key(alone)
    package = alone.folder / "packages" / "own-1.0.dist-info"
    package.mkdir(parents=True)
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: own\nVersion: 1.0\n")
    (package / "entry_points.txt").write_text("[nas.plugins]\nown = own_parts\n")
    path = os.pathsep.join(
        [str(package.parent), str(alone.folder), os.environ.get("PYTHONPATH", "")]
    )
    run = alone.nas("check", "own.yaml", PYTHONPATH=path)
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ("[own_part]", "own.yaml:3:11: plugin 'own_part' cannot be imported (ModuleNotFoundError"),
        ("[own_parts, own_parts]", "own.yaml:3:10: plugins: 'own_parts' stands twice"),
        ("own_parts", "own.yaml:3:10: plugins: should be a valid list, found 'own_parts'"),
        ("[../own]", "own.yaml:3:11: plugins.0: write each as package.module, found '../own'"),
        ("[broken]", "own.yaml:3:11: plugin 'broken' cannot be imported (ZeroDivisionError"),
        ("[twice]", "ValueError: block type 'basic' is registered twice."),
        ("[typed]", "option 'size' of block type 'sized' must have a default and one of the types"),
    ],
)
def test_a_plugin_that_cannot_be_one_is_told_with_its_place(
    alone: Here, named: str, said: str
) -> None:
    start = "from nas.model.blocks import BLOCKS\n@BLOCKS.register"
    (alone.folder / "broken.py").write_text("1 / 0\n")
    (alone.folder / "twice.py").write_text(f"{start}('basic')\ndef basic(a, b, c): ...\n")
    (alone.folder / "typed.py").write_text(f"{start}('sized')\ndef sized(a, b, c, *, size): ...\n")
    (alone.folder / "own.yaml").write_text(SPACE.replace("[own_parts]", named))
    run = alone.nas("check", "own.yaml")
    assert run.returncode == 2
    assert said in run.stderr, run.stderr
    assert "Traceback" not in run.stderr


# The guide


def test_the_guide_works_word_by_word(tmp_path: Path) -> None:
    guide = Path(__file__).parents[1].joinpath("docs", "add-a-block.md").read_text(encoding="utf-8")
    found = re.findall(r"^```(\w+)\n(.*?)^```$", guide, flags=re.DOTALL | re.MULTILINE)
    blocks, place = dict(found), Here(tmp_path)
    python = [text for language, text in found if language == "python"]
    (tmp_path / "my_parts.py").write_text("\n\n".join(python))
    (tmp_path / "mine.yaml").write_text(blocks["yaml"])
    for line in blocks["bash"].splitlines():
        command = shlex.split(line, comments=True)
        run = place.nas(*command[1:])
        assert run.returncode == 0, (command, run.stdout, run.stderr)
    source = (tmp_path / "best.py").read_text(encoding="utf-8")
    assert "def funnel(in_channels, out_channels, stride, *, ratio=" in source
    twins = place.study("mine-twins").trials
    arms = {cell["arm"] for twin in twins for cell in twin.user_attrs["cells"]}
    assert "wide_projection" in arms
