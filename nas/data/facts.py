"""What is known of the built-in data sets: sizes, class names, where the authors publish them."""

from dataclasses import dataclass


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
class Facts:
    """A built-in data set of square pictures."""

    channels: int
    image_size: int  # pixels, side
    classes: tuple[str, ...]
    num_train: int
    num_test: int
    home_page: str
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

FACTS = {
    # Alpaydin and Kaynak 1998, test part of UCI "Optical Recognition of Handwritten Digits"; ships
    # inside scikit-learn. The split into 1,400 and 397 is ours, fixed: see splits.py.
    "digits": Facts(
        channels=1,
        image_size=8,
        classes=tuple("0123456789"),
        num_train=1_400,
        num_test=397,
        home_page="https://archive.ics.uci.edu/dataset/80",
    ),
    # Krizhevsky 2009; sizes and md5 of the binary versions from the page named.
    "cifar10": Facts(
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
    ),
    "cifar100": Facts(
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
    ),
    # Xiao, Rasul and Vollgraf 2017; md5 from the README of the repository named.
    "fashion_mnist": Facts(
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
    ),
}
