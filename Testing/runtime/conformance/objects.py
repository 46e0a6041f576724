"""Objects: identity, inheritance, children, lifetime, subclasses written in Python."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt

from .asking import button, process_events, table, window

_DEFERRED_DELETE = 52


class ResizedWidget(qt.QWidget):
    """A widget with virtual methods in Python."""

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self.mine = [1]
        self.events: list[str] = []

    def sizeHint(self) -> Any:
        return qt.QSize(33, 44)

    def resizeEvent(self, event: Any) -> None:
        self.events.append("resize")


class CountingFilter(qt.QObject):
    """An event filter in Python."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def eventFilter(self, _watched: Any, _event: Any) -> bool:
        self.count += 1
        return False


def _in_window(question: Callable[..., Any]) -> Callable[[], Any]:
    def ask() -> Any:
        parts = window()  # kept while the question is asked: the children live as long as the root
        return question(*parts)

    return ask


def _finding(root: Any, inside: Any, _frame: Any, _check: Any) -> Any:
    found = root.findChild(qt.QPushButton, "btn")
    widgets, everything = root.findChildren(qt.QWidget), root.children()
    return [root.findChild(qt.QCheckBox, "chk").text, len(widgets), len(everything), found == inside, found is inside]


def _virtual_method() -> Any:
    widget = ResizedWidget()
    widget.resize(50, 60)
    widget.show()
    process_events()
    return widget.events[:1]


def _event_filter() -> Any:
    counting, widget = CountingFilter(), qt.QWidget()
    widget.installEventFilter(counting)
    widget.resize(9, 9)
    widget.show()
    process_events()
    return counting.count > 0


def _deleted_later() -> Any:
    deleted = button()
    deleted.deleteLater()
    qt.QApplication.sendPostedEvents(None, _DEFERRED_DELETE)
    process_events()
    return deleted.text


def _deleted() -> Any:
    deleted = button()
    deleted.delete()
    return deleted.text


def _same() -> Any:
    one = button()
    return len({one, one})


def _has_attributes() -> Any:
    return (hasattr(button(), "text"), hasattr(button(), "zz"), hasattr(qt.QTableWidgetItem("a"), "name"))


PROBES: dict[str, Callable[[], Any]] = {
    "className()": lambda: button().className(),
    "inherits": lambda: button().inherits("QAbstractButton"),
    "metaObject().className()": lambda: button().metaObject().className(),
    "isinstance": lambda: isinstance(button(), qt.QAbstractButton),
    "isinstance QWidget of QPushButton": lambda: isinstance(button(), qt.QWidget),
    "isinstance exact": lambda: isinstance(button(), qt.QPushButton),
    "isinstance Sub": lambda: isinstance(ResizedWidget(), ResizedWidget),
    "type(b)==qt.QPushButton": lambda: type(button()) == qt.QPushButton,  # noqa: E721
    "mro QPushButton": lambda: [cls.__name__ for cls in type(button()).__mro__][:4],
    "bool(widget)": lambda: bool(qt.QWidget()),
    "repr startswith": lambda: repr(button()).split("(")[0].split(" ")[0].lstrip("<").split(".")[-1],
    "QObject == None": lambda: button() == None,  # noqa: E711
    "hash/set": _same,
    "hasattr": _has_attributes,
    "getattr default": lambda: getattr(button(), "zz", 5),
    "del attr": lambda: delattr(button(), "text"),
    "dir has text": lambda: "text" in dir(button()),
    "findChild(cls,name)": _in_window(lambda root, *_: root.findChild(qt.QPushButton, "btn")),
    "findChild(ren)": _in_window(_finding),
    "findChild by string class": _in_window(lambda root, *_: root.findChild("QPushButton", "btn").text),
    "findChild(name only)": _in_window(lambda root, *_: root.findChild("btn").text),
    "findChild missing": _in_window(lambda root, *_: root.findChild(qt.QPushButton, "zz")),
    "parent()==w": _in_window(lambda root, inside, *_: inside.parent() == root),
    "layout().count()": _in_window(lambda root, *_: root.layout().count()),
    "layout().count": _in_window(lambda root, *_: callable(root.layout().count)),
    "children() types": _in_window(lambda root, *_: sorted(type(child).__name__ for child in root.children())),
    "child by attribute": _in_window(lambda root, *_: root.btn.text),
    "child of garbage-collected parent": lambda: table().item(0, 0).text(),
    "deleteLater then access": _deleted_later,
    "delete()": _deleted,
    "kwargs ctor QPushButton(text=)": lambda: qt.QPushButton(text="x").text,
    "kwargs ctor QLabel(parent=)": lambda: qt.QLabel(parent=None),
    "too many args setText('a','b')": lambda: button().setText("a", "b"),
    "wrong type setLayout('a')": lambda: qt.QWidget().setLayout("a"),
    "subclass attr": lambda: ResizedWidget().mine,
    "subclass virtual": _virtual_method,
    "eventFilter": _event_filter,
}
