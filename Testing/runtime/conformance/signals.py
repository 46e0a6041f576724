"""Signals and slots."""

from __future__ import annotations

import functools
import gc
from collections.abc import Callable
from typing import Any

import qt

from .asking import button, checkable_button, combo, process_events, table

Record = list


class Receiver:
    """An object whose methods are used as slots."""

    def __init__(self) -> None:
        self.got: Record = []

    def m0(self) -> None:
        self.got.append("m0")

    def m1(self, a: Any) -> None:
        self.got.append(("m1", a))

    def md(self, a: Any = None) -> None:
        self.got.append(("md", a))

    def md2(self, caller: Any = None, event: Any = None) -> None:
        self.got.append(("md2", caller, event))


def _click(signature: str, make_slot: Callable[[Record], Any]) -> Callable[[], Any]:
    """What connect() returns and what the slot got when the button was clicked."""

    def question() -> Any:
        pressed, got = checkable_button(), []
        connected = pressed.connect(signature, make_slot(got))
        pressed.click()
        return [connected, got]

    return question


def _click_method(signature: str, method: str) -> Callable[[], Any]:
    def question() -> Any:
        receiver, pressed = Receiver(), checkable_button()
        connected = pressed.connect(signature, getattr(receiver, method))
        pressed.click()
        return [connected, receiver.got]

    return question


def _attribute(
    make: Callable[[], Any], signal: str, act: Callable[[Any], Any], make_slot: Callable[[Record], Any] | None = None
) -> Callable[[], Any]:
    """What the slot got that was connected as ``widget.signal.connect(slot)``."""

    def question() -> Any:
        widget, got = make(), []
        getattr(widget, signal).connect(make_slot(got) if make_slot else lambda *a: got.append(a))
        act(widget)
        process_events()
        return got

    return question


def _text(make: Callable[[], Any], signature: str, act: Callable[[Any], Any]) -> Callable[[], Any]:
    """What connect() returns and the slot got that was connected by a C++ signature."""

    def question() -> Any:
        widget, got = make(), []
        connected = widget.connect(signature, lambda *a: got.append(a))
        act(widget)
        process_events()
        return [connected, got]

    return question


def _list() -> Any:
    made = qt.QListWidget()
    made.addItems(["a", "b"])
    return made


def _nothing(_widget: Any) -> None:
    pass


def _item_changed() -> Any:
    made, got = table(), []
    made.connect("itemChanged(QTableWidgetItem*)", lambda changed: got.append(changed.text()))
    made.item(0, 0).setText("new")
    return got


def _disconnect(connect: Callable[[Any, Any], Any], disconnect: Callable[[Any, Any], Any]) -> Callable[[], Any]:
    """What disconnecting returns, and whether the slot still runs."""

    def question() -> Any:
        pressed, got = button(), []

        def slot() -> None:
            got.append(1)

        connect(pressed, slot)
        result = disconnect(pressed, slot)
        pressed.click()
        return [result, got]

    return question


def _disconnect_method() -> Any:
    receiver, pressed = Receiver(), button()
    pressed.connect("clicked()", receiver.m0)
    result = pressed.disconnect("clicked()", receiver.m0)
    pressed.click()
    return [result, receiver.got]


def _connect_twice() -> Any:
    receiver, pressed = Receiver(), button()
    pressed.connect("clicked()", receiver.m0)
    pressed.connect("clicked()", receiver.m0)
    pressed.click()
    return receiver.got


def _method_keeps_object() -> Any:
    receiver, pressed = Receiver(), button()
    got = receiver.got
    pressed.connect("clicked()", receiver.m0)
    del receiver
    gc.collect()
    pressed.click()
    return got


def _emit(how: Callable[[Any], Any]) -> Callable[[], Any]:
    def question() -> Any:
        pressed, got = button(), []
        pressed.connect("clicked(bool)", lambda a: got.append(a))
        how(pressed)
        return got

    return question


def _block() -> Any:
    pressed, got = button(), []
    pressed.connect("clicked()", lambda: got.append(1))
    before = pressed.blockSignals(True)
    pressed.click()
    return (before, pressed.blockSignals(False))


def _exception() -> Any:
    pressed, got = button(), []

    def fails() -> None:
        got.append("a")
        raise ValueError("in slot")

    pressed.connect("clicked()", fails)
    pressed.connect("clicked()", lambda: got.append("b"))
    pressed.click()
    return got


def _by_text(pressed: Any, slot: Any) -> Any:
    return pressed.connect("clicked()", slot)


def _by_attribute(pressed: Any, slot: Any) -> Any:
    return pressed.clicked.connect(slot)


def _not(_pressed: Any, _slot: Any) -> None:
    pass


PROBES: dict[str, Callable[[], Any]] = {
    "connect('clicked()') 0-arg fn": _click("clicked()", lambda got: lambda: got.append("x")),
    "connect('clicked()') 1-arg fn": _click("clicked()", lambda got: lambda a: got.append(a)),
    "connect('clicked(bool)') 0-arg fn": _click("clicked(bool)", lambda got: lambda: got.append("x")),
    "connect('clicked(bool)') 1-arg fn": _click("clicked(bool)", lambda got: lambda a: got.append(a)),
    "connect('clicked(bool)') default arg": _click("clicked(bool)", lambda got: lambda a="d": got.append(a)),
    "connect('clicked(bool)') *args": _click("clicked(bool)", lambda got: lambda *a: got.append(list(a))),
    "connect('clicked(bool)') 2 required": _click("clicked(bool)", lambda got: lambda a, b: got.append((a, b))),
    "connect('clicked(bool)') partial": _click(
        "clicked(bool)", lambda got: functools.partial(lambda k, a: got.append((k, a)), "K")
    ),
    "connect('clicked(bool)') partial 0 left": _click(
        "clicked(bool)", lambda got: functools.partial(lambda k: got.append(k), "K")
    ),
    "connect('clicked(bool)') builtin list.append": _click("clicked(bool)", lambda got: got.append),
    "connect('clicked') no parens": _click("clicked", lambda got: lambda *a: got.append("x")),
    "connect('nosuch()')": _click("nosuch()", lambda got: lambda *a: got.append("x")),
    "connect('clicked(int)') wrong sig": _click("clicked(int)", lambda got: lambda *a: got.append("x")),
    "connect not callable": lambda: button().connect("clicked()", 3),
    "bound m0 / clicked(bool)": _click_method("clicked(bool)", "m0"),
    "bound m1 / clicked(bool)": _click_method("clicked(bool)", "m1"),
    "bound md / clicked(bool)": _click_method("clicked(bool)", "md"),
    "bound md2(caller,event) / clicked(bool)": _click_method("clicked(bool)", "md2"),
    "bound m1 / clicked()": _click_method("clicked()", "m1"),
    "bound method keeps object alive": _method_keeps_object,
    "b.clicked.connect *args": _attribute(checkable_button, "clicked", lambda b: b.click()),
    "b.clicked.connect 0-arg": _attribute(
        checkable_button, "clicked", lambda b: b.click(), lambda got: lambda: got.append("x")
    ),
    "b.clicked.connect 1-arg": _attribute(
        checkable_button, "clicked", lambda b: b.click(), lambda got: lambda a: got.append(a)
    ),
    "b.toggled.connect": _attribute(checkable_button, "toggled", lambda b: b.click()),
    "combo.currentIndexChanged.connect": _attribute(combo, "currentIndexChanged", lambda c: c.setCurrentIndex(1)),
    "combo.currentTextChanged.connect": _attribute(combo, "currentTextChanged", lambda c: c.setCurrentIndex(1)),
    "spin.valueChanged.connect": _attribute(qt.QSpinBox, "valueChanged", lambda s: s.setValue(5)),
    "lineEdit.textChanged": _attribute(qt.QLineEdit, "textChanged", lambda e: e.setText("5")),
    "lineEdit.editingFinished exists": _attribute(qt.QLineEdit, "editingFinished", _nothing),
    "checkbox.stateChanged": _attribute(qt.QCheckBox, "stateChanged", lambda c: c.setChecked(True)),
    "combo connect('currentIndexChanged(int)')": _text(
        combo, "currentIndexChanged(int)", lambda c: c.setCurrentIndex(1)
    ),
    "combo connect('currentIndexChanged(QString)') [Qt5 only]": _text(
        combo, "currentIndexChanged(QString)", lambda c: c.setCurrentIndex(1)
    ),
    "combo connect('currentTextChanged(QString)')": _text(
        combo, "currentTextChanged(QString)", lambda c: c.setCurrentIndex(1)
    ),
    "line connect('textChanged(QString)')": _text(qt.QLineEdit, "textChanged(QString)", lambda e: e.setText("5")),
    "line connect('textChanged(const QString &)')": _text(
        qt.QLineEdit, "textChanged(const QString &)", lambda e: e.setText("5")
    ),
    "dspin connect('valueChanged(double)')": _text(qt.QDoubleSpinBox, "valueChanged(double)", lambda s: s.setValue(5)),
    "spin connect('valueChanged(int)')": _text(qt.QSpinBox, "valueChanged(int)", lambda s: s.setValue(5)),
    "property set emits (checked=)": _text(qt.QCheckBox, "toggled(bool)", lambda c: setattr(c, "checked", True)),
    "list connect currentRowChanged(int)": _text(_list, "currentRowChanged(int)", lambda w: w.setCurrentRow(1)),
    "table connect cellClicked(int,int)": _text(table, "cellClicked(int,int)", _nothing),
    "table connect cellClicked(int, int) spaces": _text(table, "cellClicked(int, int)", _nothing),
    "table connect itemChanged": _item_changed,
    "disconnect spec": _disconnect(_by_text, lambda b, slot: b.disconnect("clicked()", slot)),
    "disconnect sig": _disconnect(_by_attribute, lambda b, slot: b.clicked.disconnect(slot)),
    "disconnect specall": _disconnect(_by_text, lambda b, _slot: b.disconnect("clicked()")),
    "disconnect none": _disconnect(_not, lambda b, slot: b.disconnect("clicked()", slot)),
    "disconnect signone": _disconnect(_not, lambda b, slot: b.clicked.disconnect(slot)),
    "disconnect signothing": _disconnect(_by_attribute, lambda b, _slot: b.clicked.disconnect()),
    "disconnect bound method": _disconnect_method,
    "double connect fires": _connect_twice,
    "emit: b.clicked.emit(True)": _emit(lambda b: b.clicked.emit(True)),
    "emit: b.emit('clicked(bool)', True)": _emit(lambda b: b.emit("clicked(bool)", True)),
    "emit: b.clicked(True)": _emit(lambda b: b.clicked(True)),
    "blockSignals": _block,
    "exception in slot swallowed": _exception,
    "signal attr type": lambda: type(button().clicked).__name__,
    "signal == ": lambda: button().clicked == button().clicked,
    "sender()": lambda: hasattr(qt.QObject(), "sender"),
}
