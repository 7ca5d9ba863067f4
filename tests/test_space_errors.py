"""Bad spaces: each is refused with its place, in words, with status 2, at once."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from nas.common.errors import SpaceError

GOOD = """\
name: t
dataset: {name: digits}
architecture:
  stages:
    - {width: 8, depth: 1}
    - {width: 16, depth: 1, stride: 2}
"""


def with_(old: str, new: str) -> str:
    assert GOOD.count(old) == 1
    return GOOD.replace(old, new)


def stage(more: str) -> str:
    """The second stage with something more: line 6, from column 40."""
    return with_("stride: 2}", f"stride: 2, {more}}}")


def alias_bomb() -> str:
    lines = ["a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    for old, new in zip("abcdefghijklm", "bcdefghijklmn", strict=True):
        lines.append(f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]")
    return "\n".join(lines)


#: name -> (YAML, place, words)
FAULTS: dict[str, tuple[str, str, str]] = {
    "unknown key": (stage("strid: 2"), "6:40", "unknown key 'strid': .* Did you mean 'stride'?"),
    "unknown section": (GOOD + "trainig: 1\n", "7:1", "Did you mean 'training'?"),
    "number as key": (GOOD + "1: 2\n", "7:1", "unknown key '1'"),
    "duplicate key": (stage("stride: 1"), "6:40", "'stride' stands here twice"),
    "duplicate section": (GOOD + "name: u\n", "7:1", "'name' stands here twice"),
    "list as key": (GOOD + "? [1, 2]\n: 3\n", "7:3", "a key must be a plain word"),
    "merge key": (GOOD + "<<: {name: x}\n", "7:1", "unknown key '<<'"),
    "text for a number": (with_("16", "wide"), "6:15", "valid integer, found 'wide'"),
    "true for a number": (with_("16", "true"), "6:15", "valid integer, found true"),
    "16.0 for an integer": (with_("16", "16.0"), "6:15", "valid integer, found 16.0"),
    "010": (with_("16", "010"), "6:15", "valid integer, found '010'"),
    "0x10": (with_("16", "0x10"), "6:15", "valid integer, found '0x10'"),
    "1_000": (with_("16", "1_000"), "6:15", "valid integer, found '1_000'"),
    "60:30": (with_("16", "60:30"), "6:15", "found '60:30'"),
    "null": (with_("16", "null"), "6:7", "the stage has no width"),
    "zero": (with_("16", "0"), "6:15", "greater than or equal to 1, found 0"),
    "negative": (with_("16", "-16"), "6:15", "greater than or equal to 1, found -16"),
    "400 digits": (with_("16", "9" * 400), "6:15", "valid integer, found '9{56}"),
    "400 decimals": (with_("16", "1." + "9" * 400), "6:15", "valid integer"),
    "18 digits": (with_("16", "9" * 18), "6:15", "less than or equal to 100000"),
    "nan": (GOOD + "training: {warmup: .nan}\n", "7:20", "valid number, found '.nan'"),
    "NaN": (GOOD + "training: {warmup: NaN}\n", "7:20", "valid number, found 'NaN'"),
    "infinity": (GOOD + "training: {warmup: .inf}\n", "7:20", "valid number, found '.inf'"),
    "overflow": (GOOD + "training: {warmup: 1e999}\n", "7:20", "finite number, found inf"),
    "yes": (
        GOOD + "training: {optimizer: {sgd: {nesterov: yes}}}\n",
        "7:40",
        "true or false, found 'yes'",
    ),
    "True": (
        GOOD + "training: {optimizer: {name: sgd, lr: 0.1, nesterov: True}}\n",
        "7:54",
        "nesterov: should be true or false, found 'True'",
    ),
    "1 as a flag": (GOOD + "search: {probes: 1}\n", "7:18", "should be true or false, found 1"),
    "a flag as a number": (GOOD + "search: {trials: true}\n", "7:18", "found true"),
    "empty range": (stage("width: {low: 5, high: 2}").replace("width: 16, ", ""), "6:", "is empty"),
    "range of one": (with_("16", "{low: 8, high: 8}"), "6:15", "low must be below high"),
    "half a range": (with_("16", "{low: 8}"), "6:15", "'high' is missing"),
    "big step": (with_("16", "{low: 8, high: 16, step: 9}"), "6:15", "does not fit"),
    "no step": (with_("16", "{low: 8, high: 16, step: 0}"), "6:", "step"),
    "log from 0": (
        GOOD + "training: {warmup: {low: 0, high: 1, log: true}}\n",
        "7:20",
        "starts above 0",
    ),
    "log with step": (
        with_("16", "{low: 8, high: 16, log: true, step: 2}"),
        "6:15",
        "has no step",
    ),
    "empty choice": (with_("16", "[]"), "6:15", "at least 1 item"),
    "same value twice": (with_("16", "[8, 16, 8]"), "6:15", "8 stands twice"),
    "choice in a choice": (with_("16", "[8, [16]]"), "6:19", "valid integer, found \\[16\\]"),
    "range in a choice": (with_("16", "[8, {low: 1, high: 2}]"), "6:19", "valid integer"),
    "unknown block": (stage("block: basik"), "6:47", "'separable', 'inverted', .*, found 'basik'"),
    "unknown shortcut": (stage("shortcut: skip"), "6:50", "'projection' or 'none', found 'skip'"),
    "unknown transition": (stage("transition: identity"), "6:52", "'zero_pad', .* or 'none'"),
    "unknown optimiser": (
        GOOD + "training: {optimizer: {name: sgdd}}\n",
        "7:23",
        "Did you mean 'sgd'?",
    ),
    "unknown option": (
        stage("block: {bottleneck: {ration: 1}}"),
        "6:61",
        "unknown key 'ration': it can be ratio, groups, .*, se. Did you mean 'ratio'?",
    ),
    "option of another": (
        stage("block: {basic: {ratio: 1}}"),
        "6:56",
        "unknown key 'ratio': it can be convs, kernel, dilation, dropout, se",
    ),
    "option of none": (
        GOOD + "training: {schedule: {constant: {x: 1}}}\n",
        "7:",
        "there is none to give",
    ),
    "two names": (stage("block: {basic: {}, bottleneck: {}}"), "6:47", "exactly one name"),
    "no name": (stage("block: {}"), "6:47", "exactly one name"),
    "part twice": (
        stage("block: [{bottleneck: {ratio: 1}}, {bottleneck: {ratio: 0.5}}]"),
        "6:47",
        "'bottleneck' stands twice",
    ),
    "part twice, once plain": (
        stage("block: [bottleneck, {bottleneck: {ratio: 1}}]"),
        "6:47",
        "twice",
    ),
    "less than a pixel": (with_("stride: 2", "stride: 16"), "6:7", "less than one pixel of 8x8"),
    "groups": (stage("block: {bottleneck: {groups: 3}}"), "6:7", "3 groups do not divide the 4"),
    "groups of a choice": (
        stage("block: {bottleneck: {groups: [1, 2, 3]}}"),
        "6:7",
        r"stages\.1\.block\.bottleneck\.groups = 3",
    ),
    "groups in a range": (
        stage("block: {bottleneck: {ratio: {low: 0.25, high: 0.5}, groups: 2}}"),
        "6:7",
        r"2 groups do not divide the 5 .* \S*ratio = 0\.28",
    ),
    "norm groups": (
        with_("  stages:", "  norm: {group: {groups: 3}}\n  stages:"),
        "6:7",
        "3 norm groups do not divide the 8 channels",
    ),
    "no channels": (stage("block: {bottleneck: {ratio: 0.01}}"), "6:7", "0 channels"),
    "no depth": (with_("depth: 1, stride", "stride"), "6:7", "the stage has no depth"),
    "no width": (with_("{width: 8, depth", "{depth"), "5:7", "the stage has no width"),
    "no name of the space": (with_("name: t\n", ""), "1:1", "'name' is missing"),
    "no architecture": ("name: t\n", "1:1", "'architecture' is missing"),
    "no stages": ("name: t\narchitecture: {depth: 1}\n", "2:15", "'stages' is missing"),
    "empty stages": ("name: t\narchitecture: {stages: []}\n", "2:24", "at least 1 item"),
    "empty section": ("name: t\narchitecture:\n", "2:14", "should be a mapping"),
    "empty stage": (
        "name: t\narchitecture: {stages: [null]}\n",
        "2:25",
        "stages.0: should be a map",
    ),
    "stages as mapping": ("name: t\narchitecture: {stages: {width: 3}}\n", "2:24", "valid list"),
    "bad name": (with_("name: t\n", "name: ../t\n"), "1:7", "letters, digits"),
    "name with a space": (with_("name: t\n", "name: my space\n"), "1:7", "letters, digits"),
    "name of a number": (with_("name: t\n", "name: 3\n"), "1:7", "letters, digits"),
    "unknown data": (with_("name: digits", "name: mnist"), "2:17", "'digits', 'cifar10'"),
    "too few pictures": (
        with_("name: digits", "name: digits, train_size: 9999"),
        "2:10",
        "9,999 training",
    ),
    "fewer pictures than classes": (
        with_("name: digits", "name: digits, train_size: 9"),
        "2:37",
        "dataset.train_size: digits has 10 classes, and 9 training pictures cannot",
    ),
    "fewer pictures than in a batch": (
        with_("name: digits", "name: digits, train_size: 200")
        + "training: {batch_size: [64, 256]}\n",
        "7:24",
        "has 200 training pictures, fewer than the 256 of one batch",
    ),
    "no batch of the default": (
        with_("name: digits", "name: digits, train_size: 100"),
        "",
        "fewer than the 128 of one batch",
    ),
    "warm-up": (
        GOOD + "training: {epochs: 1, warmup: 20}\n",
        "7:31",
        "20 epochs of warm-up are more than a training of 1 has",
    ),
    "warm-up of some": (
        GOOD + "training: {epochs: {low: 2, high: 9}, warmup: [0, 3]}\n",
        "7:47",
        "3 epochs of warm-up are more than a training of 2 has",
    ),
    "no stem": (
        with_("  stages:", "  stem: {conv3x3: {width: 0}}\n  stages:"),
        "4:9",
        "a stem has 1 channel or more: leave width out",
    ),
    "no stem in some": (
        with_("  stages:", "  stem: [conv7x7_pool, {name: conv3x3, width: [0, 8]}]\n  stages:"),
        "4:9",
        "a stem has 1 channel or more: leave width out",
    ),
    "no npz": (with_("name: digits", "name: npz, path: /none.npz"), "2:28", "no file '/none.npz'"),
    "no path": (with_("name: digits", "name: npz"), "2:10", "dataset.path: needed"),
    "idle path": (with_("name: digits", "name: digits, path: x"), "2:31", "not a setting of"),
    "no shape": (with_("name: digits", "class_path: a.B"), "2:10", "image_shape: needed"),
    "augmentation": (with_("digits", "digits, augment: [spin]"), "2:35", "'crop', 'flip', 'rand_"),
    "timeout": (GOOD + "search: {timeout: 20 minutes}\n", "7:19", "90s, 20m or 2h"),
    "timeout as number": (GOOD + "search: {timeout: 20}\n", "7:19", "90s, 20m or 2h"),
    "objective": (
        GOOD + "search: {objectives: [accuracy]}\n",
        "7:23",
        "objectives.0: should be 'val_",
    ),
    "objective twice": (
        GOOD + "search: {objectives: [latency, latency]}\n",
        "7:22",
        "stands twice",
    ),
    "sampler": (GOOD + "search: {sampler: bayes}\n", "7:19", "'tpe', 'random'"),
    "bound": (GOOD + "constraints: {depth: 9}\n", "7:22", "should be a mapping"),
    "bounds": (GOOD + "constraints: {depth: {min: 9, max: 8}}\n", "7:22", "nothing lies between"),
    "cmaes of names": (GOOD + "search: {sampler: cmaes}\n", "7:19", "2 at least"),
    "cmaes of two": (
        GOOD + "search: {sampler: cmaes, objectives: [val_loss, parameters]}\n",
        "7:19",
        "one objective only",
    ),
    "endless grid": (
        GOOD + "training: {warmup: {low: 0, high: 1}}\nsearch: {sampler: grid}\n",
        "8:19",
        "training.warmup needs a step",
    ),
    "a list": ("- 1\n", "1:1", "a search space is a mapping"),
    "a word": ("hello\n", "1:1", "a search space is a mapping"),
    "nothing": ("", "1:1", "'name' is missing"),
    "a comment": ("# nothing\n", "1:1", "'name' is missing"),
    "two documents": (GOOD + "---\n" + GOOD, "7:1", "another document"),
    "tab": (with_("    - {width: 8", "\t- {width: 8"), "5:1", "not YAML"),
    "unclosed": (with_("stride: 2}", "stride: 2"), "7:1", "not YAML"),
    "deep list": ("a: " + "[" * 3000 + "]" * 3000, "1:24", "too deeply nested"),
    "deep brackets": ("[" * 60_000, "1:22", "too deeply nested"),
    "deep mapping": (
        "\n".join(" " * i + "a:" for i in range(10_000))[:60_000],
        "21:21",
        "too deeply nested",
    ),
    "alias bomb": (alias_bomb(), "1:32", "too many or too deeply nested"),
    "alias of itself": ("a: &a [*a]\n", "1:4", "too deeply nested"),
    "unknown alias": ("a: *b\n", "1:4", "undefined alias 'b'"),
    "python tag": ("a: !!python/name:os.system 1", "1:4", "has no meaning here"),
    "python call": (
        with_("16", "!!python/object/apply:os.abort []"),
        "6:15",
        "has no meaning here",
    ),
    "binary tag": (with_("16", "!!binary aGk="), "6:15", "has no meaning here"),
    "wrong tag": (with_("16", "!!int wide"), "6:15", "'wide' is no int"),
    "control character": (GOOD + "# \x07\n", "", "not YAML"),
    "zero byte": (GOOD + "\0", "", "not YAML"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_told_with_their_place(fault: str, nas: Any) -> None:
    text, place, words = FAULTS[fault]
    Path("s.yaml").write_bytes(text.encode())
    start = time.process_time()
    status, output, errors = nas("check", "s.yaml")
    assert time.process_time() - start < 2
    assert status == 2
    assert output == ""
    assert errors.startswith(f"nas: s.yaml:{place}")
    assert re.search(words, errors), errors
    assert "Traceback" not in errors
    assert len(errors) < 600
    assert not place or re.match(r"nas: s\.yaml:[0-9]+:[0-9]+: ", errors)


def test_all_faults_are_told_at_once(nas: Any) -> None:
    Path("s.yaml").write_text(stage("strid: 2") + "search: {trials: 0, sampler: x}\n")
    _, _, errors = nas("check", "s.yaml")
    assert re.findall(r"s\.yaml:(\S+): ", errors) == ["6:40", "7:18", "7:30"]


@pytest.mark.parametrize(
    "raw",
    [
        GOOD.encode(),
        GOOD.replace("\n", "\r\n").encode(),
        GOOD.replace("\n", "\r").encode(),
        b"\xef\xbb\xbf" + GOOD.encode(),
        (GOOD + "# \N{GRINNING FACE} é\n").encode(),
        GOOD.rstrip().encode(),
        GOOD.replace("width: 16", "width: !!int 16").encode(),
        GOOD.replace("name: t", 'name: "t"').encode(),
    ],
    ids=["plain", "windows", "old mac", "byte order mark", "emoji", "no newline", "tag", "quoted"],
)
def test_good_files_of_all_kinds(raw: bytes, nas: Any) -> None:
    Path("s.yaml").write_bytes(raw)
    status, output, errors = nas("check", "s.yaml")
    assert (status, errors) == (0, "")
    assert output.startswith("t: 0 searched parameters, 1 distinct architecture.\n")


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_other_encodings_are_told(encoding: str, nas: Any) -> None:
    Path("s.yaml").write_bytes(with_("  stages:", "  # é\n  stages:").encode(encoding))
    status, _, errors = nas("check", "s.yaml")
    assert status == 2
    assert re.match(r"nas: s\.yaml:[14]:1: .* not UTF-8; save it as UTF-8", errors)


def test_what_is_no_file(nas: Any, tmp_path: Path) -> None:
    Path("folder.yaml").mkdir()
    os.mkfifo("pipe.yaml")
    Path("big.yaml").write_text(GOOD + "#" * 70_000)
    for name, words in {
        "folder.yaml": "is a folder; a search space is a YAML file",
        "pipe.yaml": "is no regular file",
        "big.yaml": "larger than 64 KiB",
        "none.yaml": "no such file and no bundled space of that name. Bundled spaces: cifar",
        "digts": "of that name. Did you mean 'digits'? Bundled spaces: cifar",
        "": "",
        ".": "is a folder",
        "/dev/zero": "is no regular file",
        "a\nb": "no such file",
        "x" * 5000: "",
    }.items():
        status, output, errors = nas("check", name)
        assert (status, output) == (2, ""), name
        assert words in errors
        assert "Traceback" not in errors


def test_unreadable_files_are_told(nas: Any) -> None:
    Path("s.yaml").write_text(GOOD)
    Path("s.yaml").chmod(0)
    if os.access("s.yaml", os.R_OK):
        pytest.skip("root reads everything")
    status, _, errors = nas("check", "s.yaml")
    assert status == 2
    assert "cannot be read" in errors


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("training.epochs", "write it as key=value"),
        ("=3", "write it as key=value"),
        ("training.epoch=3", "--set training.epoch=3: unknown key 'epoch'"),
        ("training.epochs=many", "--set training.epochs=many: epochs: should be a valid integer"),
        ("training.epochs=[1, 1]", "stands twice"),
        ("training.epochs=[1, 1", "--set .*this is not YAML"),
        ("architecture.stages.7.width=3", "there is no 7 here; there is 0 to 1"),
        ("architecture.stages.0.width.low=3", "there is no 'low' here"),
        ("architecture.stages.one.width=3", "there is no 'one' here"),
        ("architecture.stages.0.width=0", "--set architecture.stages.0.width=0: width: "),
        ("architecture.stages.1.stride=64", "^nas: --set \\S+: s.yaml:6:7: .*less than one pixel"),
        ("dataset={name: npz, path: /nope}", "^nas: --set .*: dataset.path: there is no file '/no"),
        ("dataset.train_size=5000", "^nas: --set dataset.train_size=5000: .* 1,400 there are"),
        ("search.rungs=[2]", r"^nas: --set search.rungs=\[2\]: pruner median knows no rungs"),
        ("name.x=3", "there is no 'x' here"),
        ("a.b.c=3", "unknown key 'a'"),
        ("training.optimizer.lr=fast", "unknown key 'lr': it can be sgd, adam, adamw"),
    ],
)
def test_settings_are_checked_as_the_file_is(setting: str, words: str, nas: Any) -> None:
    Path("s.yaml").write_text(GOOD)
    status, output, errors = nas("check", "s.yaml", "--set", setting)
    assert (status, output) == (2, "")
    assert re.search(words, errors), errors


def test_a_key_that_was_set_is_blamed_and_not_the_line_around_it(nas: Any) -> None:
    """Also where the file has a fault of its own there: its folder is not in this place."""
    Path("s.yaml").write_text(with_("{name: digits}", "{name: folder, path: away, image_size: 8}"))
    words = "dataset.path: there is no folder"
    assert f"nas: s.yaml:2:31: {words} 'away'" in nas("check", "s.yaml")[2]
    errors = nas("check", "s.yaml", "--set", "dataset.path=/nope")[2]
    assert f"nas: --set dataset.path=/nope: {words} '/nope'" in errors


def test_settings_that_fit_only_together_are_blamed_together(nas: Any) -> None:
    Path("s.yaml").write_text(GOOD + "search: {pruner: halving, rungs: [2, 8]}\n")
    errors = nas("check", "s.yaml", "--set", "name=u", "--set", "training.epochs=8")[2]
    assert errors.startswith("nas: --set name=u --set training.epochs=8: s.yaml:7:34: 8 is no epo")


def test_the_real_program_says_it_without_traceback(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(stage("strid: 2"))
    program = Path(sys.executable).with_name("nas")
    for command in ("check", "search"):
        run = subprocess.run(
            [program, command, "s.yaml"], cwd=tmp_path, capture_output=True, text=True, timeout=60
        )
        assert run.returncode == 2
        assert run.stderr.startswith("nas: s.yaml:6:40: unknown key 'strid'")
        assert "Traceback" not in run.stderr
        assert run.stdout == ""
    assert [path.name for path in tmp_path.iterdir()] == ["s.yaml"]


@pytest.mark.parametrize("block", ["mine", "{mine: {ratio: 2}}"])
def test_a_part_of_ones_own_needs_its_module(block: str, space: Any) -> None:
    with pytest.raises(SpaceError, match="'mine' is a part of your own, name its module: --import"):
        space(text=stage(f"block: {block}"))
    with pytest.raises(SpaceError) as error:
        space(text=stage("block: basik"))
    assert "--import" not in str(error.value)
