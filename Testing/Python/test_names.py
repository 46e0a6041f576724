"""Names of files that fit on every disk, and words of sentences."""

from __future__ import annotations

import pytest

from GTVAutoSegLib.system.names import (
    LONGEST,
    counted,
    safe_name,
    some_of,
    span,
    tell_apart,
    without_paths,
)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ('a/b:c*?"<>|d\\e\n', "a_b_c_d_e"),
        ("..", ""),
        ("con", "_con"),
        ("LPT1.nrrd", "_LPT1.nrrd"),
        ("-rf +x. ", "rf_+x"),
        ("空 间", "空_间"),
        ("Mu\u0308ller", "Müller"),
        ("bad\udcff", "bad"),
    ],
)
def test_names_are_safe_on_every_file_system(text, name):
    assert safe_name(text) == name


def test_a_long_name_is_cut_and_stays_unique():
    one, other = safe_name("空" * 200 + "a"), safe_name("空" * 200 + "b")
    assert one != other and len(one.encode()) <= LONGEST and one.startswith("空空")


def test_names_that_differ_by_case_only_are_told_apart_whatever_else_is_there():
    names = tell_apart(["P1", "p1", "q"], ["x", "y", "z"])
    assert len({name.casefold() for name in names}) == 3 and names[2] == "q"
    assert tell_apart(["p1", "P1"], ["y", "x"]) == [names[1], names[0]]


def test_a_list_in_a_sentence_that_is_cut_short_says_so():
    assert (some_of([]), some_of([3, 5]), some_of("abcde")) == ("", "3, 5", "a, b, c, d, e")
    assert some_of(iter(range(6))) == "0, 1, 2, 3, 4, ..."


def test_sentences_are_freed_of_files_and_folders():
    files = ("/in/Müller^Hans/ct/IM_0001.dcm", "/in/Müller^Hans/ct/IM_0002.dcm", "/in/Müller^Hans/ct/3")
    text = "/in/Müller^Hans/ct/IM_0002.dcm has another size than IM_0001.dcm; /in/Müller^Hans/ct lacks 3 slices"
    assert without_paths(text, files, "case_1") == (
        "file 2 of case_1 has another size than file 1 of case_1; case_1 lacks 3 slices"
    )


@pytest.mark.parametrize("folder", ["CT", "one", "data", "slices"])
def test_a_folder_whose_name_is_a_word_changes_no_sentence(folder):
    files, said = (f"{folder}/Doe_1.nrrd",), "one CT, its slices and data"
    assert without_paths(f"{folder} lacks {said}; {folder}/Doe_1.nrrd too", files, "a") == f"a lacks {said}; a too"
    assert without_paths("see MEYER, and Meyer_A", ("MEYER/1", "Meyer_A/2"), "a") == "see a, and a"


def test_one_thing_is_said_in_the_singular():
    assert [counted(number, "case") for number in (0, 1, 2)] == ["0 cases", "1 case", "2 cases"]
    assert [counted(number, "copy", "copies") for number in (0, 1, 2)] == ["0 copies", "1 copy", "2 copies"]
    assert (span([4]), span((4, 7, 9))) == ("slice 4", "3 slices (4 to 9)")
