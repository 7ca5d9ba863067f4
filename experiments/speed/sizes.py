"""The three networks that are timed, as candidates on real CIFAR-10, some for longer or shorter."""

import os
from pathlib import Path

from nas.data import Dataset
from nas.model.architecture import Architecture, Named, Stage
from nas.training.candidate import Candidate, Training

#: name -> side of the pictures, widths of the stages, blocks in each, training pictures, epochs
SIZES = {
    "XS": (16, (8, 16), 1, 5120, 4),  # 0.57 million multiply-adds
    "S": (32, (16, 32, 64), 1, 1280, 2),  # 12.2 million: ResNet-8
    "M": (32, (16, 32, 64), 3, 512, 2),  # 40.6 million: ResNet-20
    "M, 20 steps": (32, (16, 32, 64), 3, 1280, 2),
    "one step": (16, (8, 16), 1, 128, 1),  # of XS
    "S, 80 steps": (32, (16, 32, 64), 1, 2560, 4),
    "M, 40 steps": (32, (16, 32, 64), 3, 1280, 4),
    "S, on a GPU": (32, (16, 32, 64), 1, 25600, 2),  # 400 steps
    "M, on a GPU": (32, (16, 32, 64), 3, 25600, 2),
    "S, one epoch of 10 steps": (32, (16, 32, 64), 1, 1280, 1),
    "M, one epoch of 4 steps": (32, (16, 32, 64), 3, 512, 1),
}


def data_dir() -> Path:
    """Where CIFAR-10 is."""
    return Path(os.environ.get("NAS_DATA_DIR", "data"))


def candidate(name: str) -> Candidate:
    """A network of He et al. 2015, section 4.2, option A, trained for a few epochs."""
    side, widths, depth, num_pictures, epochs = SIZES[name]
    stages = tuple(
        Stage(depth=depth, width=width, stride=1 if index == 0 else 2, transition="zero_pad")
        for index, width in enumerate(widths)
    )
    architecture = Architecture(
        image_shape=(3, side, side),
        num_classes=10,
        stem=Named.of("conv3x3", width=widths[0]),
        stages=stages,
    )
    training = Training(
        epochs=epochs, batch_size=128, optimizer=Named.of("sgd", lr=0.05, momentum=0.9)
    )
    dataset = Dataset(
        name="cifar10",
        image_size=side,
        augment=("crop", "flip"),
        train_size=num_pictures,
        validation_size=num_pictures // 4,
    )
    return Candidate(architecture=architecture, training=training, dataset=dataset)
