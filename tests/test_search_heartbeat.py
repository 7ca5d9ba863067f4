"""Heartbeats are due by the clock of a worker, whatever the number of its trials."""

import threading
from typing import Any

import pytest

from nas.search import heartbeat
from nas.search.heartbeat import Heartbeat


class Counted(Heartbeat):
    """A heartbeat that notes what it sends."""

    def __init__(self) -> None:
        self.sent, self.is_sent = list[int](), threading.Event()
        super().__init__(None, lambda trial_id: None)  # type: ignore[arg-type]

    def _send(self, trial_id: int, count: int) -> None:
        self.sent.append(trial_id)
        self.is_sent.set()


@pytest.fixture
def every(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Sets the seconds between two heartbeats."""
    return lambda seconds: monkeypatch.setattr(heartbeat, "HEARTBEAT_INTERVAL", seconds)


def test_a_trial_that_has_just_been_taken_needs_none(every: Any) -> None:
    every(1000.0)
    beats = Counted()
    for trial_id in range(50):
        beats.start(trial_id, None)
        beats.is_sent.wait(0.002)
        beats.stop()
    assert beats.sent == []


def test_one_is_sent_in_time_though_each_trial_is_shorter(every: Any) -> None:
    every(0.2)
    beats = Counted()
    for trial_id in range(10_000):
        beats.start(trial_id, None)
        if beats.is_sent.wait(0.01):
            break
    assert beats.sent
    beats.stop()
