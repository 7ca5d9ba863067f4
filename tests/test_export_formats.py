"""Other formats, model cards, and trainings other than those of the search."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from conftest import Run, small
from exported import load
from torch import nn

from nas.common.errors import ExportError
from nas.export import formats
from nas.export.card import Card
from nas.export.changes import changed, differences
from nas.export.formats import FORMATS, check_formats, texts, write_formats
from nas.export.prediction import Inputs
from nas.export.source import module_source
from nas.model.architecture import Architecture, Named, Stage
from nas.training.candidate import Candidate, Training

INPUTS = Inputs(("cat", "T-shirt/top", "猫", "a", "b"), (0.5, 0.25, 0.1), (0.2, 0.1, 0.3), 90, 100)


def convolutional() -> Architecture:
    """Parts that are traced each in their own way."""
    gated = Named.of("shortcut_gate", bias=-6.0)
    squeezed = Named.of("basic", se=0.25)
    stages = (
        Stage(depth=2, width=16, block=squeezed, join=gated),
        Stage(depth=2, width=32, stride=2, block=Named("convnext"), transition="zero_pad"),
        Stage(depth=1, width=32, stride=2, transition="space_to_depth"),
    )
    stem = Named.of("conv7x7_pool", width=16)
    return small(stages=stages, norm="layer2d", stem=stem, image_shape=(3, 40, 36))


def exported(architecture: Architecture) -> nn.Module:
    """The network of the exported module."""
    network: nn.Module = load(module_source(architecture, title="A network.", facts=[]))[
        "Network"
    ]()
    return network.eval()


@pytest.mark.parametrize("name", FORMATS)
def test_a_format_computes_what_the_module_does(name: str, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime" if name == "onnx" else "torch")
    for number, architecture in enumerate((small(), convolutional())):
        network, shape = exported(architecture), architecture.image_shape
        module = tmp_path / f"net{number}.py"
        (path,) = write_formats([name], network, shape, INPUTS, module)
        assert path == module.with_suffix(FORMATS[name].suffix)
        pictures = torch.randn(5, *shape)
        with torch.no_grad():
            expected = network(pictures)
        torch.testing.assert_close(
            FORMATS[name].outputs(path.read_bytes(), pictures), expected, rtol=0, atol=1e-5
        )


def test_what_is_needed_beside_the_network_is_in_files_of_one_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    onnx = pytest.importorskip("onnx")
    network, shape = exported(small()), small().image_shape
    asked = ["onnx", "torch_export", "onnx"]
    traced: list[nn.Module] = []
    export = torch.export.export
    monkeypatch.setattr(
        torch.export, "export", lambda net, *a, **k: traced.append(net) or export(net, *a, **k)
    )
    path, other = write_formats(asked, network, shape, INPUTS, tmp_path / "net.py")
    assert traced == [network]
    found = {one.key: json.loads(one.value) for one in onnx.load(path).metadata_props}
    told = {"classes": [*INPUTS.classes], "mean": [0.5, 0.25, 0.1], "std": [0.2, 0.1, 0.3]}
    assert {key: found[key] for key in told} == told
    kept = dict.fromkeys(texts(INPUTS), "")
    torch.export.load(other, extra_files=kept)
    assert {key: json.loads(text) for key, text in kept.items()} == told


def test_a_file_that_computes_something_else_is_not_written(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    form = FORMATS["torch_export"]
    other = exported(small()).requires_grad_(False)
    for weight in other.parameters():
        weight.mul_(1.01)

    def wrong(graph: torch.export.ExportedProgram, texts: dict[str, str]) -> bytes:
        return form.serialised(formats.program(other, small().image_shape), texts)

    monkeypatch.setitem(formats.FORMATS, "torch_export", replace(form, serialised=wrong))
    with pytest.raises(RuntimeError, match="something else"):
        write_formats(
            ["torch_export"], exported(small()), small().image_shape, INPUTS, tmp_path / "n.py"
        )
    assert not list(tmp_path.iterdir())


def test_what_is_missing_is_told_before_anything_is_trained(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(formats, "find_spec", lambda name: None if name == "onnxscript" else name)
    with pytest.raises(ExportError, match=r"needs onnxscript: pip install 'nas\[onnx\]'"):
        check_formats(["torch_export", "onnx"])
    with pytest.raises(ExportError, match="Did you mean 'onnx'"):
        check_formats(["onx"])


# Trainings other than those of the search


def candidate() -> Candidate:
    """A candidate of digits."""
    from nas.data.catalog import Dataset

    one = small(image_shape=(1, 8, 8), num_classes=10)
    return Candidate(architecture=one, training=Training(epochs=2), dataset=Dataset(name="digits"))


def test_a_candidate_is_trained_as_asked() -> None:
    before = candidate()
    after = changed(before, ["training.epochs=100", "training.optimizer={sgd: {lr: 0.5}}"])
    assert (after.training.epochs, after.training.optimizer.arguments["lr"]) == (100, 0.5)
    assert (after.architecture, after.dataset) == (before.architecture, before.dataset)
    told = differences(before, after)
    assert told[0] == "Trained with epochs 100, where the search had 2."
    assert len(told) == 2
    assert changed(before, []) == before
    assert differences(before, before) == []


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("training.epoch=3", "Did you mean 'training.epochs'"),
        ("architecture.depth=3", "needs a search of its own"),
        ("training.epochs=many", "epochs cannot be 'many'"),
        ("training.epochs=0", "too small"),
        ("training.optimizer=sdg", "Did you mean 'sgd'"),
        ("training", "setting of a training"),
    ],
)
def test_what_cannot_be_is_a_sentence(setting: str, words: str) -> None:
    with pytest.raises(ExportError, match=words):
        changed(candidate(), [setting])


# Cards


def test_foreign_text_stays_code(tmp_path: Path) -> None:
    hostile = "`</code><script>alert(1)</script>\n# head"
    inputs = replace(INPUTS, classes=(hostile, "b"))
    card = Card(hostile, 3, candidate(), inputs, [hostile], {}, [tmp_path / "best.py"]).text()
    assert "\n# head" not in card
    assert "`'</code><script>alert(1)</script>\\n# head`" in card
    assert "\\`\\</code\\>\\<script\\>" in card
    assert "validation accuracy, which is therefore too high" in card


def test_an_export_writes_all_that_was_asked_for(after: Path, nas: Run) -> None:
    changes = ("--seeds", "2", "--set", "training.epochs=3", "--format", "torch_export")
    status, told, errors = nas("export", "tiny", *changes, "--output", "made/best.py")
    assert status == 0, errors
    files = {path.name for path in (after / "made").iterdir()}
    assert files == {"best.py", "best.pt", "best.pt2", "best.md"}
    card = (after / "made" / "best.md").read_text(encoding="utf-8")
    assert "- Trained with epochs 3, where the search had 2." in card
    for seed in told.splitlines()[:2]:  # as in: seed 0: test accuracy 0.5000
        number, accuracy = seed.split()[1].strip(":"), float(seed.split()[-1])
        assert f"| {number} | {100 * accuracy:.2f} % |" in card
    status, _, errors = nas("export", "tiny", "--no-train", "--set", "training.epochs=3")
    assert (status, "--no-train trains nothing" in errors) == (2, True)
