"""Decode a folder of pictures with pillow."""

from pathlib import Path
from types import ModuleType

import numpy as np
import torch

from nas.data.class_folders import class_names, pictures_of, split_root
from nas.data.pictures import DataError, Pictures
from nas.data.resize import resize
from nas.data.splits import held_out_test

#: what the files may be, whatever they are called: pillow gives others to programs that run code
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")


def read_folder(path: Path, split: str, *, image_size: int | None) -> Pictures:
    """The pictures of one split; without `test/`, a fixed fifth of each class is the test split."""
    classes = class_names(path)
    root = split_root(path, split)
    files, listed = pictures_of(root, classes)
    labels = np.array(listed, dtype=np.int64)
    if split_root(path, "train") == split_root(path, "test"):
        chosen = held_out_test(labels, split)
        files, labels = [files[index] for index in chosen], labels[chosen]
    return Pictures(_decode_all(files, image_size), labels, classes)


def _decode_all(files: list[Path], image_size: int | None) -> np.ndarray:
    """Every file as uint8 (N, 3, H, W), into one array that is filled file by file."""
    image = _pillow_image()
    first = _decode(files[0], image, image_size)
    pixels = np.empty((len(files), *first.shape), dtype=np.uint8)
    for row, file in enumerate(files):
        decoded = _decode(file, image, image_size)
        if decoded.shape != first.shape:
            raise DataError(
                f"'{file}' has {decoded.shape[2]}x{decoded.shape[1]} pixels and '{files[0]}' "
                f"{first.shape[2]}x{first.shape[1]}; set dataset.image_size to resize them."
            )
        pixels[row] = decoded
    return pixels


def _decode(file: Path, image: ModuleType, image_size: int | None) -> np.ndarray:
    """One picture as uint8 (3, H, W), upright, stretched to a square if a size is given."""
    from PIL.ImageOps import exif_transpose

    try:
        with image.open(file, formats=FORMATS) as picture:
            if picture.mode.startswith(("I", "F")):
                raise ValueError("more than 8 bits for each channel")
            pixels = np.array(exif_transpose(picture).convert("RGB")).transpose(2, 0, 1)
    except Exception as error:  # a damaged picture can raise anything
        raise DataError(
            f"'{file}' cannot be read as a picture ({error}); mend or remove it."
        ) from error
    if image_size is None:
        return pixels
    return resize(torch.from_numpy(pixels)[None], image_size)[0].numpy()


def _pillow_image() -> ModuleType:
    try:
        from PIL import Image
    except ImportError as error:
        raise DataError(
            "Reading a folder of pictures needs the package pillow: pip install pillow."
        ) from error
    return Image
