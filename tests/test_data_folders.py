"""Folders of pictures as people have them: each is read whole, or refused before any training."""

import os
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from nas.common.errors import NasWarning
from nas.data.catalog import Dataset
from nas.data.folder import Reading, read_folder
from nas.data.module import ImageData, open_data
from nas.data.pictures import DataError, some
from nas.data.survey import survey

Nas = Callable[..., tuple[int, str, str]]

SPACE = """
name: folder_case
dataset: {name: folder, path: pictures, image_size: 8}
architecture: {stem: {conv3x3: {width: 4}}, depth: 1, stages: [{width: 4}]}
training: {epochs: 1, batch_size: 4}
"""


def fill(folder: Path, count: int, suffix: str = "png") -> None:
    """Pictures of noise."""
    rng = np.random.default_rng(zlib.crc32(str(folder).encode()))
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(count):
        pixels = rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)
        kind = "JPEG" if suffix in ("jfif", "jpe") else None
        Image.fromarray(pixels).save(folder / f"{index:02}.{suffix}", kind)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of pictures beside a space that reads it."""
    monkeypatch.chdir(tmp_path)
    Path("space.yaml").write_text(SPACE)
    Path("pictures").mkdir()
    return tmp_path / "pictures"


@pytest.fixture
def nas(root: Path, nas: Nas) -> Nas:
    """The command line beside that space."""
    return nas


def table(output: str) -> dict[str, list[int]]:
    """Class -> its pictures in training, validation and test split, as `nas check` prints them."""
    rows = output.partition("Pictures:\n")[2].splitlines()[1:]
    cells = [row.rsplit(maxsplit=3) for row in rows if row.startswith("  ")]
    return {name.strip(): [int(n.replace(",", "")) for n in counts] for name, *counts in cells}


def opened(path: Path, **options: Any) -> ImageData:
    dataset = Dataset(name="folder", path=str(path), **options)
    data = open_data(dataset, data_dir=Path("nowhere"), batch_size=4, seed=0)
    assert isinstance(data, ImageData)
    return data


def test_check_prints_pictures_per_class_and_split(root: Path, nas: Nas) -> None:
    fill(root / "cat", 12)
    fill(root / "dog", 12)
    status, output, _ = nas("check", "space.yaml")
    assert status == 0
    assert table(output) == {"cat": [8, 1, 3], "dog": [9, 1, 2], "all classes": [17, 2, 5]}


def test_nested_folders_are_read(root: Path, nas: Nas) -> None:
    """As torchvision's ImageFolder does; 24 of these 54 were read before."""
    fill(root / "cat", 12)
    fill(root / "cat" / "more", 15)
    fill(root / "cat" / "more" / "yet", 15)
    fill(root / "cat" / ".ipynb_checkpoints", 3)
    fill(root / "dog", 12)
    (root / "cat" / "more" / "circle").symlink_to(root / "cat")
    assert table(nas("check", "space.yaml")[1])["all classes"] == [39, 4, 11]


def test_splits_inside_a_class_are_refused(root: Path, nas: Nas) -> None:
    fill(root / "cat" / "train", 6)
    fill(root / "cat" / "test", 6)
    fill(root / "dog", 6)
    status, _, errors = nas("check", "space.yaml")
    assert status == 2
    assert "cat' is a class and holds 'test'" in errors or "holds 'train'" in errors


def test_every_suffix_that_pillow_knows_is_read(root: Path) -> None:
    fill(root / "cat", 12)
    for suffix in ("jfif", "jpe", "dib"):
        fill(root / "cat", 4, suffix)
    fill(root / "dog", 12)
    assert sum(map(sum, survey(opened(root, image_size=8).dataset, root, 2).counts.values())) == 36


def test_a_test_split_without_labels_is_refused_before_training(root: Path, nas: Nas) -> None:
    fill(root / "train" / "cat", 12)
    fill(root / "train" / "dog", 12)
    fill(root / "test", 7)
    for command in ("check", "search"):
        status, output, errors = nas(command, "space.yaml")
        assert (status, output) == (2, "")
        assert "test' holds pictures outside class folders: '00.png'" in errors
        assert "'04.png' and 2 more" in errors
        assert "move 'test' away, and a part of the training split is kept for it" in errors
    assert "space.yaml:3:31: dataset.path" in nas("check", "space.yaml")[2]


@pytest.mark.parametrize("name", ["val", "valid", "Validation"])
def test_a_validation_split_of_ones_own_is_used(root: Path, nas: Nas, name: str) -> None:
    for kind in ("cat", "dog"):
        fill(root / "train" / kind, 12)
        fill(root / name / kind, 6)
    assert table(nas("check", "space.yaml")[1])["all classes"] == [19, 12, 5]
    data = opened(root, image_size=16)
    seen = torch.cat([x for x, _ in data.val_dataloader()])
    own = read_folder(root, "validation", Reading())
    assert np.allclose(seen[:, 0] * data.std[0] + data.mean[0], own.pixels[:, 0] / 255, atol=1e-6)


def test_training_on_a_validation_split_of_ones_own_has_every_picture(root: Path) -> None:
    for kind in ("cat", "dog"):
        fill(root / "train" / kind, 12)
        fill(root / "test" / kind, 2)
    fill(root / "val" / "dog", 6)
    dataset = Dataset(name="folder", path=str(root))
    data = ImageData(dataset, data_dir=root, batch_size=8, seed=0, train_on_validation=True)
    labels = torch.cat([y for _, y in data.train_dataloader()])
    assert labels.bincount().tolist() == data.class_counts("train") == [12, 18]
    assert data.class_counts("validation") == [0, 6]
    pictures = torch.cat([x for x, _ in data.train_evaluation_dataloader()])
    assert len(pictures.flatten(1).unique(dim=0)) == 30
    smaller = opened(root, train_size=10, validation_size=4)
    assert [sum(smaller.class_counts(s)) for s in ("train", "validation")] == [10, 4]
    with pytest.raises(DataError, match="2 training and 7 validation pictures were asked of"):
        opened(root, train_size=2, validation_size=7)


def test_names_of_splits_may_be_written_in_capitals(root: Path, nas: Nas) -> None:
    """These were two classes, Train and Test."""
    for kind in ("cat", "dog"):
        fill(root / "Train" / kind, 6)
        fill(root / "TEST" / kind, 6)
    assert table(nas("check", "space.yaml")[1]) == {
        "cat": [5, 1, 6],
        "dog": [5, 1, 6],
        "all classes": [10, 2, 12],
    }


def test_a_class_of_one_picture_is_trained_on_and_told(root: Path, nas: Nas) -> None:
    fill(root / "cat", 12)
    fill(root / "dog", 1)
    status, output, _ = nas("check", "space.yaml")
    assert (status, table(output)["dog"]) == (0, [1, 0, 0])
    assert "The validation split has no pictures of 'dog' (1 in all)" in output
    assert "The test split has no pictures of 'dog' (1 in all)" in output


def test_too_few_pictures_are_a_sentence(root: Path, nas: Nas) -> None:
    fill(root / "cat", 1)
    fill(root / "dog", 1)
    status, _, errors = nas("check", "space.yaml")
    assert status == 2
    assert "pictures were asked of the 1 there are outside the test split" in errors


def test_a_training_split_below_one_batch_is_refused_by_check(root: Path, nas: Nas) -> None:
    fill(root / "cat", 4)
    fill(root / "dog", 4)
    status, output, errors = nas("check", "space.yaml", "--set", "training.batch_size=[4, 8]")
    assert (status, output) == (2, "")
    assert errors.startswith("nas: --set training.batch_size=[4, 8]: training.batch_size: folder")


@pytest.mark.parametrize(
    ("folders", "complaint"),
    [
        (["train/a", "train/b", "Train/a"], "has 'Train', 'train'; one folder is the train split"),
        (["train/a", "train/b", "val/a", "valid/a"], "one folder is the validation split"),
        (["a", "b", "test"], "has 'test' but no 'train'"),
        (["inner/a", "inner/b"], "Is '.*inner' the folder that is meant?"),
        (["train/a", "train/b", "test/c"], "has classes that the training split has not: 'c'"),
    ],
)
def test_layouts_that_say_two_things_are_refused(
    root: Path, folders: list[str], complaint: str
) -> None:
    for folder in folders:
        fill(root / folder, 3)
    with pytest.raises(DataError, match=complaint):
        survey(Dataset(name="folder", path=str(root)), root, 2)


def test_valid_and_invalid_are_classes(root: Path) -> None:
    fill(root / "valid", 5)
    fill(root / "invalid", 5)
    assert opened(root).classes == ("invalid", "valid")


def test_pictures_outside_classes_are_refused(root: Path) -> None:
    fill(root / "cat", 5)
    fill(root / "dog", 5)
    fill(root, 2)
    (root / "README.md").touch()
    with pytest.raises(DataError, match=r"outside class folders: '00.png', '01.png'; move them"):
        opened(root)


def damaged(root: Path) -> None:
    """Two files that are no pictures by name and two that are none inside."""
    for kind in ("cat", "dog"):
        fill(root / kind, 20)
    (root / "cat" / "notes.txt").write_text("x")
    (root / "cat" / "labels.csv").write_text("x")
    (root / "cat" / "Thumbs.db").write_text("x")
    for file in (root / "cat" / "03.png", root / "dog" / "07.png"):
        file.write_bytes(file.read_bytes()[:60])


def test_unreadable_files_are_listed_all_at_once(root: Path, nas: Nas) -> None:
    damaged(root)
    status, _, errors = nas("check", "space.yaml")
    assert status == 2
    assert "4 files below" in errors
    for name in ("notes.txt", "labels.csv", "03.png", "07.png"):
        assert name in errors
    assert "Thumbs.db" not in errors
    assert "or leave them out with dataset.unreadable: skip" in errors


def test_unreadable_files_are_left_out_where_that_is_asked_for(root: Path, nas: Nas) -> None:
    damaged(root)
    status, output, _ = nas("check", "space.yaml", "--set", "dataset.unreadable=skip")
    assert status == 0
    assert sum(table(output)["all classes"]) == 38
    assert "files cannot be read and are left out: " in output


def test_sixteen_bits_and_several_pages_say_what_to_do(root: Path) -> None:
    fill(root / "cat", 8)
    fill(root / "dog", 8)
    Image.new("I;16", (16, 16)).save(root / "cat" / "deep.png")
    pages = [Image.new("RGB", (16, 16)) for _ in range(3)]
    pages[0].save(root / "dog" / "stack.tif", save_all=True, append_images=pages[1:])
    with pytest.raises(DataError) as refused:
        survey(Dataset(name="folder", path=str(root)), root, 2)
    assert "deep.png' (more than 8 bits for each channel: scale it to 0 to 255 and" in str(
        refused.value
    )
    assert "stack.tif' (3 pages: save each as a file of its own)" in str(refused.value)


def glyphs(root: Path, colour: int) -> None:
    """Bars of one colour, standing or lying, and transparent elsewhere."""
    for kind, rows in (("lying", slice(2, 4)), ("standing", slice(None))):
        (root / kind).mkdir(parents=True)
        for index in range(8):
            pixels = np.full((8, 8, 4), colour, np.uint8)
            pixels[..., 3] = 0
            pixels[rows, 2 : (8 if kind == "lying" else 4), 3] = 255
            Image.fromarray(pixels).save(root / kind / f"{index}.png")


def test_transparency_is_composed_on_white_or_what_is_asked_for(root: Path, nas: Nas) -> None:
    glyphs(root, colour=0)
    first = opened(root)._pool.pixels[0]
    assert first[:, 0, 0].tolist() == [255, 255, 255]
    assert first[:, 2, 4].tolist() == [0, 0, 0]
    first = opened(root, background="#ff8000")._pool.pixels[0]
    assert first[:, 0, 0].tolist() == [255, 128, 0]
    assert nas("check", "space.yaml")[0] == 0
    status, _, errors = nas("check", "space.yaml", "--set", "dataset.background='#000000'")
    assert status == 2
    assert "are one and the same colour" in errors
    assert "dataset.background" in errors


def test_half_transparent_pixels_are_mixed(root: Path) -> None:
    for kind in ("a", "b"):
        (root / kind).mkdir()
        for index in range(4):
            Image.new("RGBA", (4, 4), (100, 0, 0, 128)).save(root / kind / f"{index}.png")
    assert opened(root)._pool.pixels[0, :, 0, 0].tolist() == [177, 127, 127]


def test_grey_folders_stay_grey_where_that_is_asked_for(root: Path, nas: Nas) -> None:
    for kind in ("a", "b"):
        (root / kind).mkdir()
        for index in range(8):
            Image.new("L", (16, 16), 10 * index).save(root / kind / f"{index}.png")
    assert opened(root).image_shape == (3, 16, 16)
    grey = opened(root, channels=1)
    assert grey.image_shape == (1, 16, 16)
    assert sorted(grey._pool.pixels[:, 0, 0, 0].unique().tolist()) == [10 * k for k in range(8)]
    assert nas("check", "space.yaml", "--set", "dataset.channels=1")[0] == 0
    assert "should be 1 or 3" in nas("check", "space.yaml", "--set", "dataset.channels=2")[2]


def test_a_folder_that_cannot_be_listed_is_named(root: Path) -> None:
    fill(root / "cat", 5)
    fill(root / "dog", 5)
    (root / "cat" / "closed").mkdir(mode=0)
    if os.access(root / "cat" / "closed", os.R_OK):
        pytest.skip("root reads everything")
    with pytest.raises(DataError, match="closed' cannot be read: Permission denied"):
        opened(root)


def test_phones_pictures_with_a_second_one_inside_are_read(root: Path) -> None:
    for kind in ("a", "b"):
        (root / kind).mkdir()
        for index in range(4):
            pictures = [Image.new("RGB", (8, 8), (index, 9, 9)) for _ in range(2)]
            file = root / kind / f"{index}.jpg"
            pictures[0].save(file, "MPO", save_all=True, append_images=pictures[1:])
    assert opened(root).image_shape == (3, 8, 8)


def test_pictures_too_large_for_the_memory_are_a_sentence(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(root / "cat", 5)
    fill(root / "dog", 5)
    monkeypatch.setattr("nas.data.folder.available_memory", lambda: 1000)
    with pytest.raises(DataError, match=r"8 pictures of 16x16 pixels need .*lower dataset.image"):
        opened(root)


def test_what_is_left_out_is_a_remark_of_the_training_too(root: Path) -> None:
    damaged(root)
    with pytest.warns(NasWarning, match="files cannot be read and are left out"):
        opened(root, unreadable="skip", image_size=8)


def test_many_names_are_cut() -> None:
    assert some("abc") == "'a', 'b', 'c'"
    assert some(range(8)) == "'0', '1', '2', '3', '4' and 3 more"
