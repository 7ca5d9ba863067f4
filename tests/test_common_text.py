"""Texts for people."""

from nas.common.text import folded


def test_no_word_is_cut_at_the_edge_of_a_terminal_and_no_command_is_broken() -> None:
    sentence = "  Networks with identity shortcuts have 60.2 points less training error."
    command = "  nas search digits --storage sqlite:///a/folder/nas.db --set training.epochs=4"
    lines = folded(f"{sentence}\n{command}", 40).split("\n")
    assert lines[0] == "  Networks with identity shortcuts have"
    assert lines[1:] == ["    60.2 points less training error.", command]
    assert " ".join(" ".join(lines[:2]).split()) == sentence.strip()
    assert folded(sentence, 80) == sentence
    assert folded("a  table   of  columns", 80) == "a  table   of  columns"
