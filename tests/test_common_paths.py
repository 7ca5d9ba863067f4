"""Paths made from names that may be anybody's stay inside their folder."""

from pathlib import Path

import pytest
from optuna.trial import TrialState, create_trial

from nas.common.errors import StudyError
from nas.common.paths import checkpoint_file, file_name, study_folder
from nas.search.run import remove_left_checkpoints
from nas.search.trial_attributes import RUNG

NAMES = ["/some/folder/thesis", "../thesis", "a/../../../thesis", "..", "~", "a\0b", "a\\b", ""]


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_a_study_named_like_a_path_stays_inside(name: str, tmp_path: Path) -> None:
    folder = study_folder(tmp_path, name)
    assert folder.parent == tmp_path
    checkpoint = checkpoint_file(folder, name, 0)
    assert checkpoint.parent == folder / "checkpoints"
    assert "/" not in file_name(name)


def test_usual_names_are_kept(tmp_path: Path) -> None:
    """Checkpoints of studies begun with an earlier version are found."""
    assert checkpoint_file(tmp_path, "my_study-2", 7) == tmp_path / "checkpoints/my_study-2-7.pt"


def test_files_of_others_are_not_removed(tmp_path: Path) -> None:
    """A study named as the folder of a thesis, with a trial that ended while it was paused."""
    thesis, out = tmp_path / "thesis", tmp_path / "out"
    (out / "checkpoints").mkdir(parents=True)
    (out / "checkpoints" / "another-0.pt").touch()
    kept = tmp_path / "thesis-0.pt"
    kept.touch()
    ended = create_trial(state=TrialState.FAIL, user_attrs={RUNG: 1})
    remove_left_checkpoints(out, str(thesis), [ended])
    assert kept.exists()


def test_a_link_that_leads_out_is_refused(tmp_path: Path) -> None:
    outside, out = tmp_path / "outside", tmp_path / "out"
    outside.mkdir()
    out.mkdir()
    (out / "stranger").symlink_to(outside)
    with pytest.raises(StudyError, match="is a link that leads out of .*--out DIR"):
        study_folder(out, "stranger")
    (out / "own").mkdir()
    (out / "own" / "checkpoints").symlink_to(outside)
    with pytest.raises(StudyError, match="is a link that leads out of"):
        checkpoint_file(study_folder(out, "own"), "own", 0)
    (out / "inner").symlink_to(out / "own")
    assert study_folder(out, "inner") == out / "inner"


def test_the_output_folder_itself_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "runs").symlink_to(tmp_path / "disk")
    assert study_folder(tmp_path / "runs", "cifar") == tmp_path / "runs" / "cifar"
