"""A user's own pictures: a folder by class, or an .npz."""

import builtins
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from nas.data.catalog import Dataset
from nas.data.folder import Reading, read_folder
from nas.data.npz import peek, read_npz
from nas.data.pictures import DataError, Pictures
from nas.data.survey import survey


def _picture(path: Path, colour: tuple[int, int, int], size: tuple[int, int] = (12, 12)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)


def _classes(root: Path, count: int) -> None:
    for index in range(count):
        _picture(root / "red" / f"{index:02}.png", (200, index, 0))
        _picture(root / "blue" / f"{index:02}.png", (0, index, 200))


def _read_both(read: Callable[..., Pictures], path: Path, *options: Any) -> None:
    for split in ("train", "test"):
        read(path, split, *options)


def test_folder_with_train_and_test(tmp_path: Path) -> None:
    _classes(tmp_path / "train", 4)
    _picture(tmp_path / "test" / "red" / "a.JPG", (255, 0, 0))
    _picture(tmp_path / "test" / "blue" / "a.png", (0, 0, 255))
    train = read_folder(tmp_path, "train", Reading())
    assert train.classes == ("blue", "red")
    assert train.labels.tolist() == [0] * 4 + [1] * 4
    assert train.pixels.shape == (8, 3, 12, 12)
    assert train.pixels[5, :, 0, 0].tolist() == [200, 1, 0]
    assert read_folder(tmp_path, "test", Reading()).labels.tolist() == [0, 1]


@pytest.mark.parametrize("place", ["", "train"])
def test_folder_without_test_keeps_a_fifth_for_it(tmp_path: Path, place: str) -> None:
    _classes(tmp_path / place, 10)
    train, test = (read_folder(tmp_path, s, Reading()) for s in ("train", "test"))
    assert np.bincount(train.labels).tolist() == [8, 8]
    assert np.bincount(test.labels).tolist() == [2, 2]
    seen = np.concatenate([train.pixels, test.pixels])[:, :, 0, 0]
    assert len(np.unique(seen, axis=0)) == 20


def test_folder_pictures_are_resized_to_the_square(tmp_path: Path) -> None:
    _picture(tmp_path / "a" / "1.png", (10, 20, 30), (24, 12))
    _picture(tmp_path / "b" / "1.png", (40, 50, 60), (7, 9))
    _picture(tmp_path / "b" / "2.png", (40, 50, 60), (6, 6))
    with pytest.raises(DataError, match=r"set dataset.image_size to resize"):
        read_folder(tmp_path, "train", Reading())
    pictures = read_folder(tmp_path, "train", Reading(image_size=6))
    assert pictures.pixels.shape[1:] == (3, 6, 6)
    assert pictures.pixels[-1, :, 3, 3].tolist() == [40, 50, 60]


def test_grey_and_transparent_pictures_are_read_as_rgb(tmp_path: Path) -> None:
    for name, mode in (("grey", "L"), ("clear", "RGBA"), ("palette", "P"), ("bits", "1")):
        for number in range(5):
            path = tmp_path / name / f"{number}.png"
            path.parent.mkdir(exist_ok=True)
            Image.new(mode, (8, 8)).save(path)
    assert read_folder(tmp_path, "train", Reading()).pixels.shape == (16, 3, 8, 8)


def test_a_corrupted_picture_is_named(tmp_path: Path) -> None:
    _classes(tmp_path, 5)
    bad = tmp_path / "red" / "02.png"
    bad.write_bytes(bad.read_bytes()[:45])
    with pytest.raises(DataError, match=r"1 files below .*02.png' \(.*Mend or remove"):
        _read_both(read_folder, tmp_path, Reading(image_size=8))


def test_pictures_of_sixteen_bits_are_refused(tmp_path: Path) -> None:
    _classes(tmp_path, 5)
    for number in range(5):
        Image.new("I;16", (12, 12)).save(tmp_path / "red" / f"{number:02}.png")
    with pytest.raises(DataError, match="more than 8 bits"):
        read_folder(tmp_path, "train", Reading())


@pytest.mark.parametrize(
    ("files", "complaint"),
    [
        (["only/a.png"], "has 1 sub-folders; two or more"),
        ([], "has 0 sub-folders"),
        (["a/a.png", "b/notes.txt"], "holds no pictures of 'b', only 'notes.txt'"),
        (["train/a/a.png", "train/b/a.png", "dev/a/a.png"], "has 'dev' beside 'train'"),
    ],
)
def test_folders_that_cannot_work_are_refused(
    tmp_path: Path, files: list[str], complaint: str
) -> None:
    for file in files:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).touch()
    with pytest.raises(DataError, match=complaint):
        read_folder(tmp_path, "train", Reading())


def test_a_class_only_in_test_is_refused(tmp_path: Path) -> None:
    _classes(tmp_path / "train", 2)
    _classes(tmp_path / "test", 2)
    _picture(tmp_path / "test" / "green" / "a.png", (0, 255, 0))
    with pytest.raises(DataError, match="classes that the training split has not: 'green'"):
        read_folder(tmp_path, "test", Reading())


def test_without_pillow_the_message_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _classes(tmp_path, 5)
    real_import = builtins.__import__

    def no_pillow(name: str, *rest: Any) -> Any:
        if name.startswith("PIL"):
            raise ImportError(name)
        return real_import(name, *rest)

    monkeypatch.setattr(builtins, "__import__", no_pillow)
    with pytest.raises(DataError, match="pip install pillow"):
        read_folder(tmp_path, "train", Reading())


X = np.random.default_rng(0).integers(0, 256, (20, 3, 10, 12), dtype=np.uint8)
Y = np.arange(20) % 4


def _npz(tmp_path: Path, **arrays: Any) -> Path:
    np.savez(tmp_path / "a.npz", **arrays)
    return tmp_path / "a.npz"


@pytest.mark.parametrize("channels_last", [False, True])
def test_npz_with_test_arrays(tmp_path: Path, channels_last: bool) -> None:
    x = X.transpose(0, 2, 3, 1) if channels_last else X
    path = _npz(tmp_path, x_train=x[:16], y_train=Y[:16, None], x_test=x[16:], y_test=Y[16:])
    train, test = read_npz(path, "train"), read_npz(path, "test")
    assert np.array_equal(train.pixels, X[:16])
    assert np.array_equal(test.pixels, X[16:])
    assert test.labels.dtype == np.int64
    assert test.labels.tolist() == [0, 1, 2, 3]
    assert train.classes == ("0", "1", "2", "3")
    assert peek(path) == ((3, 10, 12), 4)


def test_npz_without_test_arrays_keeps_a_fifth_for_it(tmp_path: Path) -> None:
    path = _npz(tmp_path, x=X[:, 0], y=Y)
    train, test = read_npz(path, "train"), read_npz(path, "test")
    assert train.pixels.shape == (16, 1, 10, 12)
    assert np.bincount(test.labels).tolist() == [1, 1, 1, 1]
    together = np.concatenate([train.pixels, test.pixels]).reshape(20, -1)
    assert len(np.unique(together, axis=0)) == 20


def test_npz_floats_from_0_to_1_become_bytes(tmp_path: Path) -> None:
    path = _npz(tmp_path, x=(X / 255).astype(np.float32), y=Y)
    whole = np.concatenate([read_npz(path, split).pixels for split in ("train", "test")])
    assert whole.dtype == np.uint8
    assert np.array_equal(np.sort(whole, axis=None), np.sort(X, axis=None))


@pytest.mark.parametrize("shape", [(8, 8, 12), (64, 32, 32), (3, 4, 3), (4, 4, 4), (5, 9, 9)])
def test_an_npz_whose_layout_can_be_read_in_two_ways_needs_to_be_told(
    tmp_path: Path, shape: tuple[int, int, int]
) -> None:
    x = np.random.default_rng(0).integers(0, 256, (20, *shape), dtype=np.uint8)
    path, (a, b, c) = _npz(tmp_path, x=x, y=Y), shape
    for look in (peek, lambda path: read_npz(path, "train")):
        with pytest.raises(DataError, match=rf"dataset.layout: .* {a} channels of {b}x{c}.*NHWC"):
            look(path)
    assert peek(path, "NCHW") == ((a, b, c), 4)
    assert peek(path, "NHWC") == ((c, a, b), 4)
    first = read_npz(path, "train", "NCHW").pixels
    last = read_npz(path, "train", "NHWC").pixels
    assert first.shape == (16, a, b, c)
    assert np.array_equal(last, first.transpose(0, 3, 1, 2))


@pytest.mark.parametrize(
    ("shape", "image_shape"),
    [
        ((3, 9, 7), (3, 9, 7)),
        ((9, 7, 3), (3, 9, 7)),
        ((1, 2, 2), (1, 2, 2)),
        ((2, 2, 1), (1, 2, 2)),
        ((4, 64, 64), (4, 64, 64)),
        ((5, 6, 1), (1, 5, 6)),
    ],
)
def test_an_npz_of_few_channels_tells_its_layout(
    tmp_path: Path, shape: tuple[int, ...], image_shape: tuple[int, ...]
) -> None:
    assert peek(_npz(tmp_path, x=np.zeros((20, *shape), np.uint8), y=Y))[0] == image_shape


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_floats_that_eight_bits_cannot_hold_are_refused(tmp_path: Path, kind: type) -> None:
    """Of 0 to 0.01 no more than 4 grey levels would be left."""
    values = np.random.default_rng(0).random((20, 16, 16)).astype(kind)
    with pytest.raises(DataError, match=r"floats from .* to 0.00999.*, which 8 bits cannot hold"):
        read_npz(_npz(tmp_path, x=(values * 0.01).astype(kind), y=Y), "train")
    read_npz(_npz(tmp_path, x=values, y=Y), "train")
    masks = read_npz(_npz(tmp_path, x=(values > 0.5).astype(kind), y=Y), "train")
    assert set(masks.pixels.flatten().tolist()) == {0, 255}


def test_the_names_of_medmnist_are_known_with_its_validation_split(tmp_path: Path) -> None:
    parts = {"train": slice(12), "val": slice(12, 16), "test": slice(16, 20)}
    arrays = {
        f"{split}_{part}": values[rows]
        for split, rows in parts.items()
        for part, values in (("images", X.transpose(0, 2, 3, 1)), ("labels", Y[:, None]))
    }
    path = _npz(tmp_path, **arrays)
    for split, rows in (
        ("train", slice(12)),
        ("validation", slice(12, 16)),
        ("test", slice(16, 20)),
    ):
        found = read_npz(path, split)
        assert np.array_equal(found.pixels, X[rows])
        assert found.labels.tolist() == Y[rows].tolist()


def test_arrays_that_are_not_read_are_told(tmp_path: Path) -> None:
    path = _npz(tmp_path, x=X, y=Y, x_more=X, mean=np.zeros(3))
    found = survey(Dataset(name="npz", path=str(path)), tmp_path, 2)
    assert found.counts == {"train": [3] * 4, "validation": [1] * 4, "test": [1] * 4}
    assert found.notes == ["Not read: the arrays 'x_more'."]


def test_labels_of_95_2_1_1_1_per_cent_are_in_every_split_or_told(tmp_path: Path) -> None:
    """Validation had [8, 0, 0, 0, 0] pictures of 100, and of 500 none of two classes."""
    for count, told in ((100, 2), (500, 0), (1000, 0)):
        labels = np.repeat(np.arange(5), np.array([95, 2, 1, 1, 1]) * count // 100)
        x = np.random.default_rng(0).integers(0, 256, (count, 4, 4), dtype=np.uint8)
        found = survey(Dataset(name="npz", path=str(_npz(tmp_path, x=x, y=labels))), tmp_path, 2)
        assert sum(map(sum, found.counts.values())) == count
        assert min(found.counts["train"]) > 0
        assert len(found.notes) == told
        assert all(min(n) > 0 for n in found.counts.values()) == (not told)
        if told:
            assert "The validation split has no pictures of '2' (1 in all), " in found.notes[0]


def test_all_splits_are_looked_at_before_training(tmp_path: Path) -> None:
    """A fault of the test split was told by the export alone."""
    good = {"x_train": X, "y_train": Y, "x_val": X, "y_val": Y, "x_test": X, "y_test": Y}
    for split in ("val", "test"):
        for fault, complaint in (
            ({f"y_{split}": Y + 1}, f"y_{split} holds the label 4"),
            ({f"x_{split}": X[:, :, :4]}, "they must agree"),
            ({f"x_{split}": X[:9]}, f"9 pictures in x_{split}, 20 labels in y_{split}"),
        ):
            path = _npz(tmp_path, **good | fault)
            with pytest.raises(DataError, match=complaint):
                survey(Dataset(name="npz", path=str(path)), tmp_path, 2)


def test_pictures_of_one_colour_are_refused(tmp_path: Path) -> None:
    path = _npz(tmp_path, x=np.full((20, 8, 8), 7, np.uint8), y=Y)
    with pytest.raises(DataError, match="are one and the same colour"):
        survey(Dataset(name="npz", path=str(path)), tmp_path, 2)


class Anything:
    pass


@pytest.mark.parametrize(
    ("arrays", "complaint"),
    [
        (
            {"x_train": X, "y_train": Y, "x_test": X},
            "holds 'x_test' without 'y_test'; pictures and",
        ),
        ({"x_train": X, "y_train": Y, "y_val": Y}, "holds 'y_val' without 'x_val'"),
        ({"x": X}, "holds 'x'; needed are the arrays x_train and y_train"),
        ({"x": X[:0], "y": Y[:0]}, "labels are integers, one for each"),
        ({"x": X[:0], "y": Y}, "at least one"),
        ({"x": X[0, 0], "y": Y}, r"x has the shape \(10, 12\)"),
        ({"x": X[None], "y": Y}, "x has the shape"),
        ({"x": X[:19], "y": Y}, "19 pictures in x, 20 labels in y"),
        ({"x": X * 1.0, "y": Y}, "float64 from .* floats from 0 to 1"),
        ({"x": X * np.nan, "y": Y}, "from nan to nan"),
        ({"x": X.astype(np.int64), "y": Y}, "int64 from"),
        ({"x": X, "y": Y * 0}, "1 different labels"),
        ({"x": X, "y": Y + 1}, "4 different labels from 1 to 4.*numbered from 0"),
        ({"x": X, "y": Y * 2}, "without gaps"),
        ({"x": X, "y": Y - 1}, "label -1; labels count from 0"),
        ({"x": X, "y": Y / 1}, "labels are integers"),
        ({"x": X, "y": np.eye(20)}, "labels are integers"),
        ({"x": X, "y": np.array([Anything()] * 20)}, "y holds object; numbers are needed"),
        ({"x_train": X, "y_train": Y, "x_test": X, "y_test": Y + 1}, "y_test holds the label 4"),
    ],
)
def test_npz_that_cannot_work_is_refused(tmp_path: Path, arrays: dict, complaint: str) -> None:
    path = _npz(tmp_path, **arrays)
    with pytest.raises(DataError, match=complaint):
        _read_both(read_npz, path)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 nothing", b"\x93NUMPY"])
def test_a_damaged_npz_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.npz").write_bytes(content)
    for look in (peek, lambda path: read_npz(path, "train")):
        with pytest.raises(DataError, match=r"a.npz' cannot be read"):
            look(tmp_path / "a.npz")
        with pytest.raises(DataError, match=r"no file '.*b.npz'"):
            look(tmp_path / "b.npz")


def test_an_npz_cut_short_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez_compressed(path, x=X, y=Y)
    content = bytearray(path.read_bytes())
    content[200:400] = bytes(200)
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"a.npz' cannot be read"):
        read_npz(path, "train")
