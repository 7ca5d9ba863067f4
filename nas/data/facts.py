"""The data sets that can be named: sizes, class names, where the authors publish them, and the
function that reads them. Loads neither torch nor numpy: `nas check` reads this file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nas.common.registry import Entry, Registry

if TYPE_CHECKING:
    from pathlib import Path

    from nas.data.pictures import Pictures


@dataclass(frozen=True, kw_only=True)
class RemoteFile:
    """A file on the network, as published."""

    url: str
    size: int  # bytes
    md5: str

    @property
    def name(self) -> str:
        return self.url.rsplit("/", 1)[-1]


@dataclass(frozen=True, kw_only=True)
class KnownDataset(Entry):
    """A function of the data folder and of the split, "train" or "test", that reads the pictures of
    one data set, all square, and what is known without reading them.

    folder: where its files are below the data folder; pictures are read anew when these change.
    """

    channels: int
    image_size: int  # pixels, side
    classes: tuple[str, ...]
    num_train: int
    num_test: int
    home_page: str = ""
    licence: str = ""  # where its publishers state one
    folder: str | None = None
    files: tuple[RemoteFile, ...] = ()


_CIFAR_PAGE = "https://www.cs.toronto.edu/~kriz/cifar.html"
_FASHION_PAGE = "https://github.com/zalandoresearch/fashion-mnist"
_FASHION_FILES = f"{_FASHION_PAGE}/raw/master/data/fashion"

_CIFAR10_CLASSES = "airplane automobile bird cat deer dog frog horse ship truck"
_CIFAR100_CLASSES = """
apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly
camel can castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup
dinosaur dolphin elephant flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower
leopard lion lizard lobster man maple_tree motorcycle mountain mouse mushroom oak_tree orange orchid
otter palm_tree pear pickup_truck pine_tree plain plate poppy porcupine possum rabbit raccoon ray
road rocket rose sea seal shark shrew skunk skyscraper snail snake spider squirrel streetcar
sunflower sweet_pepper table tank telephone television tiger tractor train trout tulip turtle
wardrobe whale willow_tree wolf woman worm
"""

DATASETS: Registry[KnownDataset] = Registry("data set", KnownDataset)


# Alpaydin and Kaynak 1998, test part of UCI "Optical Recognition of Handwritten Digits"; ships
# inside scikit-learn. The split into 1,400 and 397 is ours, fixed: see splits.py.
@DATASETS.register(
    "digits",
    channels=1,
    image_size=8,
    classes=tuple("0123456789"),
    num_train=1_400,
    num_test=397,
    home_page="https://archive.ics.uci.edu/dataset/80",
)
def digits(data_dir: Path, split: str) -> Pictures:
    """8x8 pictures of handwritten digits (Alpaydin and Kaynak 1998), part of scikit-learn."""
    from nas.data.readers import read_digits

    return read_digits(data_dir, split)


# Krizhevsky 2009; sizes and md5 of the binary versions from the page named.
@DATASETS.register(
    "cifar10",
    channels=3,
    image_size=32,
    classes=tuple(_CIFAR10_CLASSES.split()),
    num_train=50_000,
    num_test=10_000,
    home_page=_CIFAR_PAGE,
    files=(
        RemoteFile(
            url="https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
            size=170_052_171,
            md5="c32a1d4ab5d03f1284b67883e8d87530",
        ),
    ),
)
def cifar10(data_dir: Path, split: str) -> Pictures:
    """32x32 photographs of ten kinds of things (Krizhevsky 2009)."""
    from nas.data.readers import read_cifar10

    return read_cifar10(data_dir, split)


@DATASETS.register(
    "cifar100",
    channels=3,
    image_size=32,
    classes=tuple(_CIFAR100_CLASSES.split()),
    num_train=50_000,
    num_test=10_000,
    home_page=_CIFAR_PAGE,
    files=(
        RemoteFile(
            url="https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz",
            size=168_513_733,
            md5="03b5dce01913d631647c71ecec9e9cb8",
        ),
    ),
)
def cifar100(data_dir: Path, split: str) -> Pictures:
    """32x32 photographs of a hundred kinds of things (Krizhevsky 2009)."""
    from nas.data.readers import read_cifar100

    return read_cifar100(data_dir, split)


# Xiao, Rasul and Vollgraf 2017; md5 from the README of the repository named.
@DATASETS.register(
    "fashion_mnist",
    channels=1,
    image_size=28,
    classes=(
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ),
    num_train=60_000,
    num_test=10_000,
    home_page=_FASHION_PAGE,
    licence="MIT",
    files=(
        RemoteFile(
            url=f"{_FASHION_FILES}/train-images-idx3-ubyte.gz",
            size=26_421_880,
            md5="8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        ),
        RemoteFile(
            url=f"{_FASHION_FILES}/train-labels-idx1-ubyte.gz",
            size=29_515,
            md5="25c81989df183df01b3e8a0aad5dffbe",
        ),
        RemoteFile(
            url=f"{_FASHION_FILES}/t10k-images-idx3-ubyte.gz",
            size=4_422_102,
            md5="bef4ecab320f06d8554ea6380940ec79",
        ),
        RemoteFile(
            url=f"{_FASHION_FILES}/t10k-labels-idx1-ubyte.gz",
            size=5_148,
            md5="bb300cfdad3c16e7a12a480ee83cd310",
        ),
    ),
)
def fashion_mnist(data_dir: Path, split: str) -> Pictures:
    """28x28 grey pictures of ten kinds of clothes (Xiao, Rasul and Vollgraf 2017)."""
    from nas.data.readers import read_fashion_mnist

    return read_fashion_mnist(data_dir, split)
