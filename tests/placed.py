"""A small space with a placement to be filled in."""

from dataclasses import replace
from typing import Any

from nas.space.enumeration import all_draws, all_values
from nas.space.space import SearchSpace
from nas.space.yaml import Source
from nas.training.candidate import Candidate

SPACE = """
name: placed
dataset: {name: digits}
architecture:
  stem: {conv3x3: {width: 8}}
  depth: 3
  transition: zero_pad
  placement: PLACEMENT
  stages: [{width: 8, OWN}, {width: 16, stride: 2}]
"""


def load(placement: str, own: str = "", *settings: str) -> SearchSpace:
    text = SPACE.replace("PLACEMENT", placement).replace("OWN", own)
    return SearchSpace.parse(Source("t.yaml", text), settings)


def candidate(**changes: Any) -> Candidate:
    space = load("all")
    ((_, found),) = all_draws(space.candidate, all_values)
    return replace(found, **changes)
