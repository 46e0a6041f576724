"""The runtime's Qt answers as the real PythonQt does, save for the differences listed here."""

from __future__ import annotations

import pytest

# Question -> why the runtime answers differently.
KNOWN_DIFFERENCES = {
    "metaObject().className()": "PythonQt wraps the meta object and names its own class",
    "mro QPushButton": "PythonQt's classes do not inherit from each other; here only isinstance() says so",
    "combo connect('currentIndexChanged(QString)') [Qt5 only]": "gone in Qt 6, and a module has to run on both",
    "qt.QRegExp": "gone in Qt 6, and a module has to run on both",
    "layout.contentsMargins attr": "a property since Qt 6",
    "QIcon null": "Qt 6 knows that a file is missing",
    "QDialogButtonBox flags": "PythonQt finds no button; a module that works there works here",
    "QColor.setRgbF": "PySide6 has getRgbF(), PythonQt's returns nothing",
    "QTimer().singleShot attr": "the class of the method, which no module looks at",
    "child of garbage-collected parent": "RuntimeError in place of ValueError: an item is no QObject",
    "copy item setText int": "an item takes text only: stricter than PythonQt",
    "del attr": "deleting an attribute raises: stricter than PythonQt",
}


@pytest.fixture(scope="module")
def answers(_booted):
    from Testing.runtime.conformance import PROBES, answer

    given = {label: answer(question) for label, question in PROBES.items()}
    _booted.errors.clear()  # many questions are about mistakes
    return given


def test_every_question_with_a_known_answer_is_asked(answers):
    from Testing.runtime.conformance import PYTHONQT_ANSWERS

    assert answers.keys() == PYTHONQT_ANSWERS.keys()
    assert len(answers) == 304


def test_only_the_listed_answers_differ_from_pythonqt(answers):
    from Testing.runtime.conformance import PYTHONQT_ANSWERS, agree

    differing = {label for label, ours in answers.items() if not agree(ours, PYTHONQT_ANSWERS[label])}
    shown = {label: (answers[label], PYTHONQT_ANSWERS[label]) for label in differing - KNOWN_DIFFERENCES.keys()}
    assert shown == {}
    assert KNOWN_DIFFERENCES.keys() - differing == set(), "listed as different, but the answers agree"
    assert len(answers) - len(differing) >= 290
