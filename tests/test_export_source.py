"""The exported module: the same function as the network, readable, lint-clean and harmless."""

import ast
import re
import subprocess
import sys
import unicodedata
from dataclasses import replace
from itertools import product

import hypothesis
import pytest
import torch
from conftest import COMBINATIONS, CONV_ORDERS, TOKEN_ORDERS, pairs
from exported import (
    FACTS,
    TITLE,
    architecture,
    assert_same_function,
    export,
    load,
    ruff,
    scrambled,
    two_stages,
)
from hypothesis import strategies as st

from nas.data.batches import Batches
from nas.export.prediction import Inputs
from nas.export.source import module_source
from nas.model.architecture import Architecture, Named, Stage
from nas.model.blocks import (
    ACTIVATIONS,
    BLOCKS,
    NORMS,
    ORDERS,
    SHORTCUTS,
    STEMS,
    BlockType,
    Conv,
    Norm,
    Shortcut,
    ZeroPad,
    conv,
    same_shape,
    transitions,
)
from nas.model.layout import lay_out
from nas.model.network import Network

torch.set_num_threads(1)

BLOCK_LINE = re.compile(
    r"^ {16}(first_|shared_)?(plain_)?(token_)?block\((.*|\n.*\n {16})\),$", re.MULTILINE
)


def bottleneck(**options) -> Named:
    return Named.of("bottleneck", **options)


def cases() -> dict[str, Architecture]:
    """Name -> architecture: all pairs of the parts of a block, the rest one at a time."""
    found = {}
    for block, order, shortcut, transition in COMBINATIONS:
        stages = two_stages(block=Named(block), shortcut=shortcut, transition=transition)
        name = f"{block}-{order}-{shortcut}-{transition}"
        found[name] = architecture(*stages, activation_order=order)
    for order, transition in product(CONV_ORDERS, transitions()):
        first = Stage(depth=2, width=16, stride=2, transition=transition)
        found[f"first-{order}-{transition}"] = architecture(first, activation_order=order)
    for order, norm, transition in pairs(CONV_ORDERS, NORMS, transitions()):
        stages = two_stages(transition=transition)
        found[f"{norm}-{order}-{transition}"] = architecture(
            *stages, activation_order=order, norm=Named(norm)
        )
    for order, activation in product(CONV_ORDERS, ACTIVATIONS):
        found[f"{activation}-{order}"] = architecture(activation_order=order, activation=activation)
    for stem, norm in product(STEMS, NORMS):
        found[f"{stem}-{norm}"] = architecture(
            stem=Named.of(stem, width=64), norm=Named(norm), image_shape=(1, 19, 16)
        )
    return found | special_cases()


def special_cases() -> dict[str, Architecture]:
    """Stages that differ from each other, and options in and out of the ordinary."""
    long = {"ratio": 0.3141592653589793, "groups": 5, "stride_first": True}
    mixed = architecture(
        Stage(depth=2, width=8, transition="none"),
        Stage(depth=2, width=16, stride=2, transition="none", block=bottleneck(ratio=0.5)),
        Stage(depth=1, width=24, shortcut="projection", block=bottleneck(groups=2)),
        Stage(depth=2, width=16, transition="zero_pad", block=bottleneck(ratio=1, groups=4)),
        Stage(depth=1, width=16, stride=2, shortcut="none"),
    )
    return {
        **{f"mixed-{order}": replace(mixed, activation_order=order) for order in CONV_ORDERS},
        **{f"hybrid-{order}": hybrid(order) for order in TOKEN_ORDERS},
        "groups-of-two": architecture(norm=Named.of("group", groups=2)),
        "stride-first": architecture(*two_stages(block=bottleneck(stride_first=True))),
        "resnext": architecture(*two_stages(block=bottleneck(ratio=0.5, groups=4))),
        "long-options": architecture(
            Stage(depth=2, width=16, block=bottleneck(ratio=0.3141592653589793)),
            Stage(depth=2, width=32, stride=2, block=bottleneck(ratio=0.2718281828459045)),
            Stage(depth=1, width=64, shortcut="projection", block=bottleneck(**long)),
        ),
    }


def hybrid(order: str) -> Architecture:
    """Tokens between convolutions, with and without shortcuts, which begin twice."""
    tokens = Named.of("transformer", heads=2, expansion=1.5)
    return architecture(
        Stage(depth=2, width=8, transition="none"),
        Stage(depth=2, width=8, block=tokens, transition="none"),
        Stage(depth=1, width=16, stride=2),
        Stage(depth=1, width=16, block=Named("attention"), shortcut="none", transition="none"),
        activation_order=order,
        norm=Named("rms2d"),
    )


CASES = cases()


INPUTS = Inputs(
    ("cat", "dog", "T-shirt/top", "猫", "cheval à bascule"), (0.5, 0.25, 1 / 3), (0.2, 0.1, 0.3)
)


@pytest.mark.parametrize("name", CASES)
def test_the_module_is_the_network(name):
    assert_same_function(CASES[name])


@pytest.mark.parametrize("name", CASES)
def test_only_what_is_used_is_written(name):
    source, layout = export(CASES[name]), lay_out(CASES[name])
    tree = ast.parse(source)
    words = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}
    parts = {n.name for n in tree.body if isinstance(n, ast.ClassDef | ast.FunctionDef)}
    assert parts <= words
    shortcuts = [block.shortcut for block in layout.blocks]
    assert ("Plain" in parts) == any(shortcut is None for shortcut in shortcuts)
    assert ("Residual" in parts) == any(shortcut is not None for shortcut in shortcuts)
    assert ("self.before" in source) == any(block.before for block in layout.blocks)
    assert ("after=" in source) == any(block.after for block in layout.blocks)
    assert ("self.final" in source) == bool(layout.final)


#: what tells the kind of shortcut in a line, where none before it does
WRITTEN = {
    "nn.Identity()": "identity",
    "avg_pool_projection(": "avg_pool_projection",
    "projection(": "projection",
    "avg_pool_zero_pad(": "avg_pool_zero_pad",
    "ZeroPad(": "zero_pad",
    "zero_pad(": "zero_pad",
    "SpaceToDepth(": "space_to_depth",
    "space_to_depth(": "space_to_depth",
    "Times(": "identity",
}


@pytest.mark.parametrize("name", CASES)
def test_one_line_for_each_block(name):
    records = CASES[name].blocks()
    lines = [match.group().strip() for match in BLOCK_LINE.finditer(export(CASES[name]))]
    assert len(lines) == len(records)
    for line, record in zip(lines, records, strict=True):
        call = f"{record.type.name}({record.in_channels}, {record.out_channels}, {record.stride}"
        assert call in line
        found = (kind for text, kind in WRITTEN.items() if text in line)
        assert next(found, "none") == record.shortcut
        assert ("plain_" in line) == (record.shortcut == "none")


def test_it_reads_like_this():
    source = export(architecture(*two_stages(transition="zero_pad")))
    assert source.startswith(f'"""{TITLE}\n\n{FACTS[0]}\n{FACTS[1]}\n\nNeeds torch only.')
    assert (
        """
            nn.Sequential(  # stage 2: 16 channels, 4x4
                block(basic(8, 16, 2), ZeroPad(8, 16, 2)),
                block(basic(16, 16, 1), nn.Identity()),
            ),
"""
        in source
    )
    for absent in (
        "projection",
        "Plain",
        "before",
        "nn.GELU",
        "GroupNorm",
        "bottleneck",
        "register",
    ):
        assert absent not in source


def test_options_are_defaults_of_the_copied_function():
    source = export(CASES["resnext"])
    assert "def bottleneck(in_channels, out_channels, stride, *, ratio=0.5, groups=4," in source
    assert "block(bottleneck(8, 16, 2), projection(8, 16, 2))," in source
    mixed = export(CASES["mixed-post_activation"])
    assert "bottleneck(16, 24, 1, ratio=0.25, groups=2)" in mixed
    assert "bottleneck(24, 16, 1, ratio=1, groups=4)" in mixed


def test_the_same_architecture_gives_the_same_bytes():
    candidate = CASES["mixed-pre_activation"]
    assert export(candidate) == export(Architecture.from_json(candidate.to_json()))


def test_a_deep_network_has_a_line_for_each_block():
    stages = [Stage(depth=200, width=w, stride=s) for w, s in ((16, 1), (32, 2), (64, 2))]
    source = export(architecture(*stages, image_shape=(3, 32, 32)))
    assert len(BLOCK_LINE.findall(source)) == 600
    compile(source, "best.py", "exec")


# The lint


def test_every_module_is_formatted_and_lint_clean(tmp_path):
    for name, candidate in CASES.items():
        (tmp_path / f"{name.replace('-', '_')}.py").write_text(export(candidate), encoding="utf-8")
    for number, text in enumerate(HOSTILE):
        source = module_source(CASES["resnext"], title=text, facts=[text, text])
        (tmp_path / f"hostile_{number}.py").write_text(source, encoding="utf-8")
    many = Inputs([f"class {index}" for index in range(100)], INPUTS.mean, INPUTS.std)
    for name, inputs in {"few": INPUTS, "many": many, "bare": Inputs("01234")}.items():
        (tmp_path / f"{name}.py").write_text(export(CASES["resnext"], inputs), encoding="utf-8")
    for arguments in (
        ["check"],
        ["check", "--line-length", "100", "--select", "E,F,I,UP,B,SIM"],
        ["format", "--check", "--line-length", "100"],
    ):
        command = [ruff(), *arguments, "--isolated", "--no-cache", str(tmp_path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


# The module on its own


@pytest.mark.parametrize("with_weights", [True, False])
def test_it_runs_where_nas_cannot_be_imported(tmp_path, with_weights):
    candidate = CASES["mixed-post_activation"]
    network = scrambled(Network(candidate)).eval()
    (tmp_path / "best.py").write_text(export(candidate), encoding="utf-8")
    if with_weights:
        torch.save(network.state_dict(), tmp_path / "best.pt")
    run = (
        "import runpy, sys, torch; sys.modules['nas'] = None; torch.set_num_threads(1)\n"
        "names = runpy.run_path('best.py', run_name='__main__')\n"
        "print(repr(names['output'].sum().item()))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", run], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    *loaded, shape, parameters, total = done.stdout.splitlines()
    with torch.no_grad():
        expected = network(torch.zeros(1, *candidate.image_shape)).sum().item()
    assert loaded == ["weights: best.pt"] * with_weights
    assert shape == "output shape: (1, 5)"
    assert parameters == f"parameters: {sum(p.numel() for p in network.parameters())}"
    assert (total == repr(expected)) == with_weights


def test_it_imports_torch_and_the_standard_library():
    for candidate in (CASES["resnext"], architecture(*two_stages(transition="zero_pad"))):
        tree = ast.parse(export(candidate))
        imports = [n for n in ast.walk(tree) if isinstance(n, ast.Import | ast.ImportFrom)]
        assert {ast.unparse(n) for n in imports} <= {
            "from pathlib import Path",
            "import torch",
            "import torch.nn.functional as F",
            "from torch import nn",
        }


# New parts


def pointwise(channels, number=1):
    """A chain of 1x1 convolutions."""
    return tuple(conv(channels, channels, 1) for _ in range(number))


def inverted(in_channels, out_channels, stride, *, ratio: float = 2.0) -> tuple[Conv, ...]:
    """1x1 to a multiple of the width, 3x3 by channel, 1x1 back and some more."""
    inner = round(in_channels * ratio)
    middle = Conv(inner, inner, 3, stride, inner)
    return (
        conv(in_channels, inner, 1),
        middle,
        conv(inner, out_channels, 1),
        *pointwise(out_channels),
    )


@pytest.mark.parametrize("order", CONV_ORDERS)
def test_a_new_block_type_needs_no_change_here(monkeypatch, order):
    monkeypatch.setitem(BLOCKS._parts, "wide_inside", BlockType(function=inverted))
    candidate = architecture(
        *two_stages(block=Named.of("wide_inside", ratio=3.0)), activation_order=order
    )
    assert_same_function(candidate)
    source = export(candidate)
    assert source.index("def pointwise(channels, number=1):") < source.index("def wide_inside(")


def squeezed(in_channels, out_channels, stride):
    """Two convolutions with fewer channels between them."""
    inner = max(1, in_channels // 2)
    return Conv(in_channels, inner, 1), Conv(inner, out_channels, 3, stride), Norm(out_channels)


def as_needed(in_channels, out_channels, stride):
    """A convolution where the shape changes, else two in a row."""
    if stride == 1:
        return Conv(in_channels, out_channels, 3), Conv(out_channels, out_channels, 3)
    return (Conv(in_channels, out_channels, 3, stride),)


def normalised(in_channels, out_channels, stride):
    """Padded with zeros and normalised, without a convolution."""
    return ZeroPad(in_channels, out_channels, stride), Norm(out_channels)


def widened(in_channels, out_channels, stride):
    """A 3x3 convolution, and its norm where the branch has one."""
    return Conv(in_channels, out_channels, 3, stride), Norm(out_channels)


@pytest.mark.parametrize("order", ["post_activation", "pre_activation", "norm_after_addition"])
@pytest.mark.parametrize("function", [squeezed, as_needed, normalised, widened])
def test_any_shortcut_can_be_exported(monkeypatch, function, order):
    """Also one that computes with the numbers of a block, or is not the same for all blocks."""
    part = Shortcut(function=function, keeps_shape=True, changes_shape=True)
    monkeypatch.setitem(SHORTCUTS._parts, "own", part)
    stages = two_stages(shortcut="own", transition="own")
    candidate = architecture(*stages, activation_order=order)
    assert_same_function(candidate)
    several = function is normalised and order == "post_activation"  # else its norm is left out
    assert ("own(8, 16, 2)" in export(candidate)) == (function is widened or several)


@pytest.mark.parametrize(
    "name", ["conv", "Residual", "block", "torch", "class", "no-name", "<lambda>"]
)
def test_a_part_cannot_take_the_name_of_another(monkeypatch, name):
    monkeypatch.setitem(BLOCKS._parts, name, BlockType(function=inverted))
    with pytest.raises(ValueError, match="name"):
        export(architecture(*two_stages(block=Named(name))))


# Foreign text

PAYLOAD = "import os; os.system('echo injected')"
HOSTILE = [
    f'"""\n{PAYLOAD}\n"""',
    f"'''\n{PAYLOAD}\n'''",
    f'\\"""\n{PAYLOAD}',
    f'"\\""""{PAYLOAD}#',
    f"ends in a backslash {PAYLOAD} \\",
    f'ends in a quote {PAYLOAD}"',
    f"{{{PAYLOAD}}} {{docstring}} {{0}} %s $x",
    f"\x00\r\n\x0b\x0c\x1c\x85\u2028\u2029 {PAYLOAD}",
    f"\u202e\u2066\u200f\ufeff {PAYLOAD} \ud800",
    f"\\N{{QUOTATION MARK}}\\x22\\x22\\x22 \\u0022 {PAYLOAD}",
    "\\" * 999 + PAYLOAD,
    '"' * 999 + PAYLOAD,
    ("word " * 60 + "\\" * 7 + '"') * 3 + PAYLOAD,
    f"  \t {PAYLOAD} \t ",
    "# coding: rot13",
    "",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_foreign_text_stays_in_the_docstring(text):
    candidate = CASES["resnext"]
    source = module_source(candidate, title=text, facts=[text, "fact", text])
    tree, harmless = ast.parse(source), ast.parse(export(candidate))
    docstring = tree.body[0].value.value
    assert ast.dump(ast.Module(tree.body[1:], [])) == ast.dump(ast.Module(harmless.body[1:], []))
    assert source.count("injected") == docstring.count("injected") == 3 * text.count("injected")
    assert source.split('"""\n', 1)[1] == export(candidate).split('"""\n', 1)[1]
    assert all(unicodedata.category(c)[0] != "C" for c in source.replace("\n", ""))


SNIPPETS = st.sampled_from(
    [*"\"'\\{}#\n\r\t\0\x85\u2028\u2029\u202e\u2066\ufeff", '"""', "'''", "\\N{DIGIT ONE}", "\\x22"]
    + ["\\u0022", "\\\n", "\ud800", "injected", PAYLOAD, "word " * 40, "x" * 5000, "__import__"]
)
FOREIGN = st.lists(SNIPPETS | st.text(max_size=5), max_size=12).map("".join)


@hypothesis.settings(max_examples=400, database=None, deadline=None, derandomize=True)
@hypothesis.given(FOREIGN, st.lists(FOREIGN, max_size=3))
def test_no_text_leaves_the_docstring(title, facts):
    """Whatever a study is called: the same code follows, and nothing invisible is in the file."""
    source = module_source(CASES["resnext"], title=title, facts=facts)
    tree, harmless = ast.parse(source.encode("utf-8")), ast.parse(export(CASES["resnext"]))
    assert ast.dump(ast.Module(tree.body[1:], [])) == ast.dump(ast.Module(harmless.body[1:], []))
    assert isinstance(tree.body[0].value.value, str)
    assert all(unicodedata.category(c)[0] != "C" for c in source.replace("\n", ""))
    assert not re.search(r"^[ \t\f]*#.*coding[:=]", source, re.MULTILINE)


NAMES_OF_PARTS = st.sampled_from(["__import__('os').abort()", "conv", "basic", "nn", "1)", "a\nb"])


@hypothesis.settings(max_examples=200, database=None, deadline=None, derandomize=True)
@hypothesis.given(
    FOREIGN | NAMES_OF_PARTS,
    st.sampled_from(
        ["activation", "activation_order", "norm", "stem", "block", "shortcut", "ratio"]
    ),
)
def test_no_name_of_a_part_becomes_code(text, place):
    """A stored architecture may say anything: it is refused, or the text is not in the module."""
    one = Stage(depth=1, width=8)
    candidate = architecture(one)
    changed = {
        "norm": {"norm": Named(text)},
        "stem": {"stem": Named.of(text, width=8)},
        "block": {"stages": (replace(one, block=Named(text)),)},
        "shortcut": {"stages": (replace(one, shortcut=text),)},
        "ratio": {"stages": (replace(one, block=bottleneck(ratio=text)),)},
    }.get(place, {place: text})
    try:
        source = export(replace(candidate, **changed))
    except ValueError:
        return
    assert text in (*BLOCKS, *ORDERS, *ACTIVATIONS, *NORMS, *STEMS, *same_shape())
    compile(source, "best.py", "exec")


def test_readable_text_is_kept():
    fact = "résumé_\\d+ 'quoted' 94.1 ± 0.2 % 网络"
    docstring = ast.get_docstring(
        ast.parse(module_source(CASES["resnext"], title="T.", facts=[fact]))
    )
    assert docstring.splitlines()[:3] == ["T.", "", fact]


EVIL = f"1); {PAYLOAD} #"


@pytest.mark.parametrize(
    "candidate",
    [
        architecture(activation=EVIL),
        architecture(activation_order=EVIL),
        architecture(norm=Named(EVIL)),
        architecture(norm=Named.of("group", groups=EVIL)),
        architecture(norm=Named.of("group", **{EVIL: 1})),
        architecture(stem=Named.of(EVIL, width=8)),
        architecture(stem=Named.of("conv3x3", width=EVIL)),
        architecture(num_classes=EVIL),
        architecture(num_classes=float("nan")),
        architecture(image_shape=(EVIL, 8, 8)),
        architecture(image_shape=(3, EVIL, 8)),
        replace(architecture(), stages=()),
        architecture(*two_stages(block=Named(EVIL))),
        architecture(*two_stages(block=bottleneck(ratio=EVIL))),
        architecture(*two_stages(block=bottleneck(ratio=float("inf")))),
        architecture(*two_stages(block=bottleneck(groups=EVIL))),
        architecture(*two_stages(block=bottleneck(stride_first=EVIL))),
        architecture(*two_stages(block=bottleneck(**{EVIL: 1}))),
        architecture(*two_stages(shortcut=EVIL)),
        architecture(*two_stages(transition=EVIL)),
        architecture(*two_stages(), Stage(depth=1, width=EVIL)),
        architecture(*two_stages(), Stage(depth=0, width=EVIL)),
        architecture(*two_stages(), Stage(depth=0, width=8, stride=EVIL)),
        architecture(*two_stages(), Stage(depth=EVIL, width=8)),
        architecture(*two_stages(), Stage(depth=1, width=8, stride=EVIL)),
    ],
)
def test_hostile_names_and_numbers_are_refused(candidate):
    with pytest.raises(ValueError, match=r"\S"):
        export(candidate)


# Pictures in, class names out


class Seen(torch.nn.Module):
    """Keeps what it is given; its scores are the first pixels."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.x = x
        return x.flatten(1)[:, :5]


def test_predict_normalises_as_training_did() -> None:
    """From bytes, or from floats of 0 to 1, to the name of the best class."""
    names, network = load(export(CASES["resnext"], INPUTS)), Seen()
    pixels = torch.randint(0, 256, (40, 3, 8, 8), generator=torch.Generator().manual_seed(0))
    pixels, rows = pixels.to(torch.uint8), torch.arange(40)
    batches = Batches(pixels, rows, rows, batch_size=40, mean=INPUTS.mean, std=INPUTS.std)
    trained_on = next(iter(batches))[0]
    classes = [INPUTS.classes[index] for index in trained_on.flatten(1)[:, :5].argmax(1)]
    assert len(set(classes)) == 5
    for pictures in (pixels, pixels / 255):
        assert names["predict"](network.train(), pictures) == classes
        assert torch.allclose(network.x, trained_on, atol=1e-5)
        assert not network.training
    assert (names["MEAN"], names["STD"]) == (list(INPUTS.mean), list(INPUTS.std))
    assert names["CLASSES"] == list(INPUTS.classes)


def test_predict_leaves_pictures_alone_where_a_data_module_normalised() -> None:
    names = load(export(CASES["resnext"], Inputs([str(label) for label in range(5)])))
    assert not {"MEAN", "STD"} & names.keys()
    network, pictures = names["Network"](), torch.randn(9, 3, 8, 8)
    with torch.no_grad():
        expected = network.eval()(pictures).argmax(1).tolist()
    assert names["predict"](network, pictures) == [str(label) for label in expected]


HOSTILE_CLASSES = [
    '"]; import os; os.abort(); ["',
    "\\",
    "a\nb\r\u2028",
    "\u202e rtl",
    "\ud800",
    '"""',
    "{shape}",
    "'",
    "\0",
    "x" * 300,
]


def test_names_of_classes_are_strings_whatever_is_in_them():
    source = export(CASES["resnext"], Inputs(HOSTILE_CLASSES, INPUTS.mean, INPUTS.std))
    assert load(source)["CLASSES"] == HOSTILE_CLASSES
    assert all(c.isprintable() or c == "\n" for c in source)
    harmless = export(CASES["resnext"], INPUTS)
    (constant,) = re.findall(r"CLASSES = \[.*?^\]$", source, re.DOTALL | re.MULTILINE)
    (usual,) = re.findall(r"CLASSES = .*", harmless)
    assert source.replace(constant, "") == harmless.replace(usual, "")
