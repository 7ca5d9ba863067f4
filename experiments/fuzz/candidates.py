"""Good candidates as they are stored: of the bundled spaces, and of a module of the user."""

from nas.space.enumeration import EnumeratingTrial, all_values
from nas.space.space import SearchSpace, bundled_spaces
from nas.space.yaml import Source
from nas.training.candidate import Candidate

MODULE = """
name: module
dataset:
  {class_path: package.module.Data, init_args: {a: 1}, image_shape: [3, 8, 8], num_classes: 5}
architecture: {depth: 2, stages: [{width: 8, block: {bottleneck: {ratio: 0.5}}}, {width: 12}]}
"""


def first(space: SearchSpace) -> Candidate:
    """The candidate of the first values of a space."""
    return space.candidate(EnumeratingTrial([], all_values))


SPACES = [SearchSpace.load(name) for name in bundled_spaces()]
CANDIDATES = [first(space).to_json() for space in (*SPACES, SearchSpace.parse(Source("m", MODULE)))]
