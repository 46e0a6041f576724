"""What the system refuses becomes a sentence wherever it happens."""

from __future__ import annotations

import errno

import pytest

from GTVAutoSegLib.commands import cli
from GTVAutoSegLib.commands.cli import main
from GTVAutoSegLib.errors import foreseen

REFUSALS = [
    (OSError(errno.ENOSPC, "No space left on device", "/x/mask.nrrd"), 4, "/x/mask.nrrd could not be written because"),
    (OSError(errno.ENOSPC, "No space left on device"), 4, "a temporary file could not be written because the disk is"),
    (PermissionError(errno.EACCES, "Permission denied", "/x/ct"), 2, "/x/ct may not be read or changed (Permission"),
    (OSError(errno.EROFS, "Read-only file system", "/x"), 2, "/x may not be read or changed (Read-only file system)"),
    (OSError(errno.ENAMETOOLONG, "File name too long", "/" + "n" * 300), 2, "has a longer name than the disk allows"),
    (MemoryError(), 4, "memory ran out; close other programs"),
]


@pytest.mark.parametrize(("error", "code", "text"), REFUSALS, ids=[text for *_, text in REFUSALS])
def test_a_refusal_that_nobody_caught_is_one_sentence_with_its_exit_code(capsys, monkeypatch, error, code, text):
    class Command:
        @staticmethod
        def add_arguments(parser):
            pass

        @staticmethod
        def run(arguments):
            raise error

    monkeypatch.setattr(cli, "_import_command", lambda name, module: Command)
    assert main(["model"]) == code
    line = capsys.readouterr().err
    assert text in line and line.count("\n") == 1 and "unexpectedly" not in line


def test_an_error_of_our_own_making_is_not_called_foreseen():
    assert foreseen(ValueError("x")) is None and foreseen(OSError(errno.EIO, "x")) is None


def test_control_characters_of_a_name_are_shown_escaped(capsys, tmp_path):
    assert main(["segment", str(tmp_path / "a\x1b[31m\nb.nrrd"), "--model", "sts-gtv", "--output", "m.nrrd"]) == 2
    line = capsys.readouterr().err
    assert "a\\x1b[31m b.nrrd" in line and "\x1b" not in line
