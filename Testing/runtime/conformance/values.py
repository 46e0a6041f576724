"""Enums, value classes, settings, files and what the module ``qt`` has."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import qt

_FOLDER = Path(tempfile.mkdtemp(prefix="qt-probes-"))
_SETTINGS = str(_FOLDER / "s.ini")


def _settings() -> Any:
    return qt.QSettings(_SETTINGS, qt.QSettings.IniFormat)


def _settings_number() -> Any:
    settings = _settings()
    settings.setValue("a/b", 5)
    return settings.value("a/b")


def _settings_bool_read_again() -> Any:
    settings = _settings()
    settings.setValue("a/c", True)
    settings.sync()
    return _settings().value("a/c")


def _color_from_floats() -> Any:
    color = qt.QColor()
    color.setRgbF(1, 0, 0)
    return color.getRgbF() if hasattr(color, "getRgbF") else None


def _pixmap() -> Any:
    pixmap = qt.QPixmap(5, 6)
    return (pixmap.width(), pixmap.isNull())


def _clipboard() -> Any:
    qt.QApplication.clipboard().setText("z")
    return qt.QApplication.clipboard().text()


def _override_cursor(cursor: Any) -> None:
    qt.QApplication.setOverrideCursor(cursor)
    qt.QApplication.restoreOverrideCursor()


def _open_file() -> Any:
    path = _FOLDER / "file"
    path.touch()
    return qt.QFile(str(path)).open(qt.QFile.ReadOnly)


PROBES: dict[str, Callable[[], Any]] = {
    "Qt.Horizontal int": lambda: int(qt.Qt.Horizontal),
    "Qt.Horizontal==1": lambda: qt.Qt.Horizontal == 1,
    "AlignCenter|AlignTop": lambda: int(qt.Qt.AlignCenter | qt.Qt.AlignTop),
    "QMessageBox.Ok|Cancel": lambda: int(qt.QMessageBox.Ok | qt.QMessageBox.Cancel),
    "QMessageBox.Ok|Cancel no int()": lambda: (qt.QMessageBox.Ok | qt.QMessageBox.Cancel) == 0x00400400,
    "QSizePolicy(Expanding,Fixed)": lambda: qt.QSizePolicy(qt.QSizePolicy.Expanding, qt.QSizePolicy.Fixed),
    "setSizePolicy(e,e)": lambda: qt.QWidget().setSizePolicy(qt.QSizePolicy.Expanding, qt.QSizePolicy.Fixed),
    "setSizePolicy(QSizePolicy)": lambda: qt.QWidget().setSizePolicy(
        qt.QSizePolicy(qt.QSizePolicy.Expanding, qt.QSizePolicy.Fixed)
    ),
    "QFile.ReadOnly": lambda: int(qt.QFile.ReadOnly),
    "QFile.open(QFile.ReadOnly)": _open_file,
    "scoped enum qt.Qt.Orientation.Horizontal": lambda: int(qt.Qt.Orientation.Horizontal),
    "enum in dict key": lambda: {qt.QMessageBox.Ok: 1}[qt.QMessageBox.Ok],
    "QDialog.Accepted": lambda: int(qt.QDialog.Accepted),
    "QColor": lambda: (qt.QColor(255, 0, 10).red(), qt.QColor(255, 0, 10).name()),
    "QColor.fromRgbF": lambda: round(qt.QColor.fromRgbF(0.5, 0.2, 0.1).redF(), 2),
    "QColor.setRgbF": _color_from_floats,
    "QSize repr": lambda: (qt.QSize(1, 2).width(), qt.QSize(1, 2).height()),
    "QPoint": lambda: qt.QPoint(1, 2).x(),
    "QIcon null": lambda: qt.QIcon("/nonexistent.png").isNull(),
    "QPixmap": _pixmap,
    "grab save": lambda: qt.QLabel("grab me").grab().save(str(_FOLDER / "grab.png")),
    "QSettings int": _settings_number,
    "QSettings bool roundtrip reread": _settings_bool_read_again,
    "QSettings missing": lambda: _settings().value("zz"),
    "QSettings default": lambda: _settings().value("zz", False),
    "QFileInfo": lambda: qt.QFileInfo("/etc/hostname").fileName(),
    "QDir exists": lambda: qt.QDir(str(_FOLDER)).exists(),
    "QUrl": lambda: qt.QUrl.fromLocalFile("/etc/x").toString(),
    "QByteArray.data()": lambda: qt.QByteArray(b"abc").data(),
    "QApplication.instance()": lambda: qt.QApplication.instance() is not None,
    "QApplication.setOverrideCursor": lambda: _override_cursor(qt.Qt.WaitCursor),
    "setOverrideCursor(QCursor())": lambda: _override_cursor(qt.QCursor(qt.Qt.BusyCursor)),
    "QApplication.clipboard text": _clipboard,
    "QDateTime": lambda: qt.QDateTime.currentDateTime().isValid(),
    "QShortcut": lambda: qt.QShortcut(qt.QKeySequence("Ctrl+a"), qt.QWidget()),
    "QUiLoader": lambda: qt.QUiLoader(),
    "qt.QDoubleValidator": lambda: qt.QDoubleValidator(0.0, 1.0, 3, None),
    "Signal class exists": lambda: [name for name in ("Signal", "Slot", "Property") if hasattr(qt, name)],
    "QStandardPaths": lambda: hasattr(qt, "QStandardPaths"),
    "QThread exists": lambda: hasattr(qt, "QThread"),
    "QVector3D": lambda: hasattr(qt, "QVector3D"),
    "QLocale": lambda: hasattr(qt, "QLocale"),
    "qt.QRegExp": lambda: hasattr(qt, "QRegExp"),
    "qt.QRegularExpression": lambda: hasattr(qt, "QRegularExpression"),
    "QFileDialog.getOpenFileName static exists": lambda: callable(qt.QFileDialog.getOpenFileName),
}
