"""Find the files of a built-in data set below the data folder, or bring them there."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from nas.data.archive import unpack
from nas.data.catalog import Dataset
from nas.data.download import download, exclusive
from nas.data.facts import DATASETS
from nas.data.pictures import DataError

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class FileLayout:
    """One way the files of a CIFAR data set lie in their folder."""

    folder: str
    train: tuple[str, ...]
    test: tuple[str, ...]
    records: int  # pictures in a test file, and in a training file unless train_records says more
    train_records: int | None = None
    label_key: bytes = b""  # pickled layout
    label_bytes: int = 0  # binary layout: bytes before the pixels, the last of which is the label

    def files(self, split: str) -> tuple[tuple[str, int], ...]:
        """(name, number of pictures) of every file of the "train" or "test" split."""
        if split == "test":
            return tuple((name, self.records) for name in self.test)
        return tuple((name, self.train_records or self.records) for name in self.train)


CIFAR: dict[str, tuple[FileLayout, ...]] = {  # the layout to prefer first
    "cifar10": (
        FileLayout(
            folder="cifar-10-batches-bin",
            train=tuple(f"data_batch_{i}.bin" for i in range(1, 6)),
            test=("test_batch.bin",),
            records=10_000,
            label_bytes=1,
        ),
        FileLayout(
            folder="cifar-10-batches-py",
            train=tuple(f"data_batch_{i}" for i in range(1, 6)),
            test=("test_batch",),
            records=10_000,
            label_key=b"labels",
        ),
    ),
    "cifar100": (
        FileLayout(
            folder="cifar-100-binary",
            train=("train.bin",),
            test=("test.bin",),
            records=10_000,
            train_records=50_000,
            label_bytes=2,  # coarse, fine
        ),
        FileLayout(
            folder="cifar-100-python",
            train=("train",),
            test=("test",),
            records=10_000,
            train_records=50_000,
            label_key=b"fine_labels",
        ),
    ),
}
CIFAR_PLACES = {
    "cifar10": ("", "cifar10", "cifar-10", "CIFAR10"),
    "cifar100": ("", "cifar100", "cifar-100", "CIFAR100"),
}
FASHION_FOLDER = "FashionMNIST/raw"  # torchvision's
FASHION_PLACES = (FASHION_FOLDER, "fashion_mnist", "fashion-mnist", "FashionMNIST", "")


def ensure(dataset: Dataset, data_dir: Path) -> None:
    """Bring the files of a built-in data set to `data_dir` unless they are there; read nothing."""
    if dataset.name in CIFAR:
        cifar(dataset.name, data_dir)
    elif dataset.name == "fashion_mnist":
        fashion_mnist(data_dir)


def cifar(name: str, data_dir: Path) -> tuple[Path, FileLayout]:
    """The folder of a CIFAR data set and the layout found in it."""
    folders = [layout.folder for layout in CIFAR[name]]

    def bring() -> None:
        for file in DATASETS[name].files:
            unpack(download(file, data_dir), folders[0])

    return _find_or_bring(name, data_dir, folders, lambda: _find_cifar(name, data_dir), bring)


def fashion_mnist(data_dir: Path) -> Path:
    """The folder of Fashion-MNIST's four files, gzipped or not."""
    name, target = "fashion_mnist", data_dir / FASHION_FOLDER

    def bring() -> None:
        for file in DATASETS[name].files:
            download(file, target)

    return _find_or_bring(name, target, FASHION_PLACES, lambda: _find_fashion(data_dir), bring)


def idx_file(folder: Path, name: str) -> Path | None:
    """An IDX file as it is or gzipped, whichever there is."""
    both = (folder / name, folder / f"{name}.gz")
    return next((path for path in both if path.is_file()), None)


def _find_cifar(name: str, data_dir: Path) -> tuple[Path, FileLayout] | None:
    for layout in CIFAR[name]:
        folders = [data_dir / place / layout.folder for place in CIFAR_PLACES[name]]
        if data_dir.resolve().name == layout.folder:
            folders.append(data_dir)
        for folder in folders:
            if any((folder / file).is_file() for file in (*layout.train, *layout.test)):
                return folder, layout
    return None


def _find_fashion(data_dir: Path) -> Path | None:
    names = [file.name.removesuffix(".gz") for file in DATASETS["fashion_mnist"].files]
    for place in FASHION_PLACES:
        if all(idx_file(data_dir / place, name) for name in names):
            return data_dir / place
    return None


def _find_or_bring(
    name: str,
    target: Path,
    looked_for: Sequence[str],
    find: Callable[[], T | None],
    bring: Callable[[], None],
) -> T:
    """What `find` finds, after `bring` has downloaded it to `target` if need be."""
    found = find()
    if found is None:
        with exclusive(target):
            found = find()  # another process may have brought it meanwhile
            if found is None:
                _bring(name, target, looked_for, bring)
                found = find()
    assert found is not None
    return found


def _bring(name: str, target: Path, looked_for: Sequence[str], bring: Callable[[], None]) -> None:
    try:
        bring()
    except DataError as error:
        files = ", ".join(file.name for file in DATASETS[name].files)
        places = ", ".join(place or "the folder itself" for place in looked_for)
        raise DataError(
            f"{name} was not found in the data folder (looked for {places}): {error} "
            f"Without a network, put {files} from {DATASETS[name].home_page} into '{target}', "
            f"or name the data folder that has {name} with --data-dir or NAS_DATA_DIR."
        ) from error
