"""Decode a folder of pictures with pillow."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch

from nas.common.errors import NasWarning
from nas.common.machine import available_memory
from nas.data.class_folders import class_names, list_split, split_folders
from nas.data.pictures import DataError, Pictures, first
from nas.data.resize import resize
from nas.data.splits import held_out_test

#: what the files may be, whatever they are called: pillow gives others to programs that run code
FORMATS = ("BMP", "DIB", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
MODES = {1: "L", 3: "RGB"}
#: a few bytes may unpack to gigabytes: pixels of a picture that are decoded in any case,
#: and where there is memory for them, with all its copies on the way
FEW_PIXELS, MOST_PIXELS, BYTES_A_PIXEL = 2**20, 2**26, 32
TOO_MANY = (
    f"too many to decode: at most {MOST_PIXELS:,} are, or as many as the memory has room for; save "
    "it smaller"
)


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How files become pictures: the keys of a `dataset:` section that say so."""

    image_size: int | None = None
    channels: int = 3
    background: str = "#ffffff"
    skip_unreadable: bool = False


def read_folder(path: Path, split: str, reading: Reading) -> Pictures:
    """The pictures of one split; without `test/`, a fixed fifth of each class is the test split.

    Unreadable files are a DataError that lists them, or left out with a NasWarning.
    """
    classes, folders = class_names(path), split_folders(path)
    listing = list_split(path, split if split in folders else "train", classes)
    files, labels = listing.pictures, np.array(listing.labels, dtype=np.int64)
    if "test" not in folders and split != "validation":
        chosen = held_out_test(labels, split)
        files, labels = [files[index] for index in chosen], labels[chosen]
    pixels, faults = _decode_all(files, reading)
    _tell(path, [*[f"'{other}'" for other in listing.others], *faults.values()], reading)
    readable = np.array([row not in faults for row in range(len(files))])
    return Pictures(pixels, labels[readable], classes)


def _tell(path: Path, faults: list[str], reading: Reading) -> None:
    """Say which files cannot be read."""
    if not faults:
        return
    count, listed = f"{len(faults):,}", first(faults)
    if reading.skip_unreadable:
        text = f"'{path}': {count} files cannot be read and are left out: {listed}."
        warnings.warn(text, NasWarning, stacklevel=2)
        return
    raise DataError(
        f"dataset.path: {count} files below '{path}' cannot be read as pictures: {listed}. "
        "Mend or remove them, or leave them out with dataset.unreadable: skip."
    )


def _decode_all(files: Sequence[Path], reading: Reading) -> tuple[np.ndarray, dict[int, str]]:
    """Every readable file as uint8 (N, C, H, W), and row -> what is wrong with the others."""
    image, faults = _pillow_image(), dict[int, str]()
    pixels, sample, count = np.empty((0, reading.channels, 1, 1), dtype=np.uint8), None, 0
    for row, file in enumerate(files):
        try:
            decoded = _decode(file, image, reading)
        except Exception as error:  # a damaged picture can raise anything
            faults[row] = f"'{file}' ({error or type(error).__name__})"
            continue
        if sample is None:
            sample, pixels = file, _room_for(len(files), decoded.shape)
        if decoded.shape != pixels.shape[1:]:
            raise DataError(
                f"'{file}' has {_size(decoded)} pixels and '{sample}' {_size(pixels[0])}; set "
                "dataset.image_size to resize them."
            )
        pixels[count] = decoded
        count += 1
    return pixels[:count], faults


def _size(pixels: np.ndarray) -> str:
    return f"{pixels.shape[2]}x{pixels.shape[1]}"


def _room_for(count: int, shape: tuple[int, ...]) -> np.ndarray:
    """One array that is filled file by file: no second copy of the pictures is ever made."""
    needed = count * int(np.prod(shape))
    if needed > available_memory() * 3 // 4:
        raise DataError(
            f"dataset.path: {count:,} pictures of {shape[2]}x{shape[1]} pixels need "
            f"{needed / 2**30:.1f} GiB, more than the memory has free; lower dataset.image_size."
        )
    return np.empty((count, *shape), dtype=np.uint8)


def _decode(file: Path, image: ModuleType, reading: Reading) -> np.ndarray:
    """One picture as uint8 (C, H, W), upright, stretched to a square if a size is given."""
    from PIL.ImageOps import exif_transpose

    with _opened(file, image) as picture:
        if picture.mode.startswith(("I", "F")):
            raise ValueError(
                "more than 8 bits for each channel: scale it to 0 to 255 and save it with 8 bits"
            )
        if picture.format == "TIFF" and getattr(picture, "n_frames", 1) > 1:
            raise ValueError(f"{picture.n_frames} pages: save each as a file of its own")
        mode = MODES[reading.channels]
        flat = _composed(exif_transpose(picture), image, reading.background).convert(mode)
        pixels = np.array(flat).reshape(flat.height, flat.width, -1).transpose(2, 0, 1)
    if reading.image_size is None:
        return pixels
    return resize(torch.from_numpy(pixels)[None], reading.image_size)[0].numpy()


def _opened(file: Path, image: ModuleType) -> Any:
    """A picture of which only the head has been read; ValueError if it is too large to decode."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", image.DecompressionBombWarning)
        try:
            picture = image.open(file, formats=FORMATS)
        except (image.DecompressionBombWarning, image.DecompressionBombError) as error:
            raise ValueError(f"pixels {TOO_MANY}") from error
    pixels = picture.width * picture.height
    if pixels > FEW_PIXELS and pixels > min(MOST_PIXELS, available_memory() // BYTES_A_PIXEL):
        size = f"{picture.width:,}x{picture.height:,} pixels, "
        picture.close()
        raise ValueError(size + TOO_MANY)
    return picture


def _composed(picture: Any, image: ModuleType, background: str) -> Any:
    """A picture with the background where it is transparent."""
    if not picture.has_transparency_data:
        return picture
    canvas = image.new("RGBA", picture.size, background)
    canvas.alpha_composite(picture.convert("RGBA"))
    return canvas


def _pillow_image() -> ModuleType:
    try:
        from PIL import Image
    except ImportError as error:
        raise DataError(
            "Reading a folder of pictures needs the package pillow: pip install pillow."
        ) from error
    return Image
