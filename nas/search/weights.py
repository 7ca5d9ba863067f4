"""The weights of the best candidates of a search, kept for `nas export --no-train`."""

import warnings
from pathlib import Path

import torch

from nas.common.errors import NasWarning, first_line
from nas.common.files import replacing
from nas.model.network import Network


def keep_weights(network: Network, folder: Path, number: int) -> None:
    """Write the weights of a trial into a folder; a full disk is a warning and costs no more."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(folder / f"trial-{number}.pt") as file:
            torch.save(network.state_dict(), file)
    except (OSError, RuntimeError) as error:  # torch tells of a full disk with a RuntimeError
        warnings.warn(
            f"Weights cannot be kept in {folder}: {first_line(error)}.", NasWarning, stacklevel=2
        )
