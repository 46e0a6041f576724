"""Widgets with items, and layouts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt

from .asking import assign_and_read, call_and_read, combo, item, set_and_read, table


def _combo_with(label: str, data: Any) -> Any:
    made = qt.QComboBox()
    made.addItem(label, data)
    return made.itemData(0)


def _combo_cleared() -> Any:
    made = combo()
    made.clear()
    return (made.count, made.currentIndex, made.currentText)


def _combo_found() -> Any:
    made = combo()
    made.setCurrentIndex(made.findText("b"))
    return made.currentText


def _text_edit() -> Any:
    made = qt.QTextEdit()
    made.append("z")
    return made.toPlainText()


def _table_size() -> Any:
    made = qt.QTableWidget()
    made.setRowCount(4)
    made.columnCount = 5
    return (made.rowCount, made.columnCount)


def _ask_table(question: Callable[[Any], Any]) -> Callable[[], Any]:
    def ask() -> Any:
        made = table()
        return question(made)

    return ask


def _cell_widget(made: Any) -> Any:
    made.setCellWidget(0, 1, qt.QCheckBox("q"))
    return made.cellWidget(0, 1).text


def _selected_row(made: Any) -> Any:
    made.setSelectionBehavior(qt.QAbstractItemView.SelectRows)
    made.selectRow(0)
    return len(made.selectedItems())


def _sorting(made: Any) -> Any:
    made.setSortingEnabled(True)
    return made.sortingEnabled


def _hidden_header(made: Any) -> Any:
    made.verticalHeader().setVisible(False)
    return made.verticalHeader().visible


def _item_not_editable() -> Any:
    made = item()
    made.setFlags(made.flags() & ~qt.Qt.ItemIsEditable)
    return bool(made.flags() & qt.Qt.ItemIsEditable)


def _item_checked() -> Any:
    made = item()
    made.setCheckState(qt.Qt.Checked)
    return made.checkState() == qt.Qt.Checked


def _item_data(made: Any, value: Any) -> Any:
    made.setData(qt.Qt.UserRole, value)
    return made.data(qt.Qt.UserRole)


def _list_count() -> Any:
    made = qt.QListWidget()
    made.addItem("a")
    made.addItems(["b"])
    return made.count


def _list_row() -> Any:
    made = qt.QListWidget()
    made.addItem("a")
    made.currentRow = 0
    return (made.currentRow, made.currentItem().text())


def _tree() -> Any:
    made = qt.QTreeWidget()
    made.addTopLevelItem(qt.QTreeWidgetItem(["a", "b"]))
    return made


def _tab() -> Any:
    made = qt.QTabWidget()
    made.addTab(qt.QWidget(), "a")
    return (made.count, made.tabText(0), made.currentIndex)


def _form() -> Any:
    widget = qt.QWidget()
    form = qt.QFormLayout(widget)
    form.addRow("lbl", qt.QLineEdit())
    form.addRow(qt.QLabel("x"))
    return form.rowCount()


def _grid() -> Any:
    widget = qt.QWidget()
    return qt.QGridLayout(widget).addWidget(qt.QLabel("x"), 0, 1)


def _splitter() -> Any:
    made = qt.QSplitter()
    made.addWidget(qt.QWidget())
    return type(made.sizes()).__name__


def _scroll_area() -> Any:
    made = qt.QScrollArea()
    made.setWidget(qt.QWidget())
    return made.widget() is not None


def _stacked() -> Any:
    made = qt.QStackedWidget()
    made.addWidget(qt.QWidget())
    return made.count


def _label_in(parent: Any) -> Any:
    return qt.QLabel("t", parent).text


def _button_box() -> Any:
    box = qt.QDialogButtonBox(qt.QDialogButtonBox.Ok | qt.QDialogButtonBox.Cancel)
    return box.button(qt.QDialogButtonBox.Ok).text


def _progress_dialog() -> Any:
    dialog = qt.QProgressDialog("l", "c", 0, 9)
    dialog.value = 3
    return (dialog.maximum, dialog.wasCanceled)


def _message_box() -> Any:
    box = qt.QMessageBox()
    box.text = "t"
    box.detailedText = "d"
    return (box.text, box.detailedText, int(box.icon))


def _item_model() -> Any:
    model = qt.QStandardItemModel()
    model.appendRow(qt.QStandardItem("a"))
    return (model.rowCount(), model.item(0).text())


def _button_group() -> Any:
    group, radio = qt.QButtonGroup(), qt.QRadioButton("r")
    group.addButton(radio, 3)
    return (group.id(radio), group.checkedId())


PROBES: dict[str, Callable[[], Any]] = {
    "combo.count": lambda: combo().count,
    "combo.count()": lambda: combo().count(),
    "combo.currentText": lambda: combo().currentText,
    "combo.currentText='b'": assign_and_read(combo, "currentText", "b", then="currentIndex"),
    "combo.setCurrentText('b')": call_and_read(combo, "setCurrentText", "b", then="currentIndex"),
    "combo.currentIndex=1;text": assign_and_read(combo, "currentIndex", 1, then="currentText"),
    "combo.itemData(0)": lambda: combo().itemData(0),
    "combo.itemData(2) dict": lambda: combo().itemData(2),
    "combo.itemData(9)": lambda: combo().itemData(9),
    "combo.currentData": lambda: combo().currentData,
    "combo.currentData()": lambda: combo().currentData(),
    "combo.findData('B')": lambda: combo().findData("B"),
    "combo.findData(None)": lambda: combo().findData(None),
    "combo.findText('c')": lambda: combo().findText("c"),
    "combo.itemText(1)": lambda: combo().itemText(1),
    "combo.addItems(list)": call_and_read(qt.QComboBox, "addItems", ["x", "y"], then="count"),
    "tuple for QStringList": call_and_read(qt.QComboBox, "addItems", ("x", "y"), then="count"),
    "combo.addItem(text, pyobject)": lambda: type(_combo_with("o", object())).__name__,
    "combo.setCurrentIndex(combo.findText)": _combo_found,
    "combo.clear": _combo_cleared,
    "combo.removeItem": call_and_read(combo, "removeItem", 0, then="count"),
    "combo itemData str type": lambda: type(combo().itemData(1)).__name__,
    "combo itemData list": lambda: _combo_with("l", [1, "a"]),
    "combo itemData None": lambda: _combo_with("l", None),
    "lineEdit.text": set_and_read(qt.QLineEdit, "text", "abc"),
    "lineEdit.placeholderText": set_and_read(qt.QLineEdit, "placeholderText", "abc"),
    "lineEdit.readOnly": set_and_read(qt.QLineEdit, "readOnly", True),
    "plainTextEdit.plainText": set_and_read(qt.QPlainTextEdit, "plainText", "abc"),
    "textEdit.plainText": set_and_read(qt.QTextEdit, "plainText", "abc"),
    "textEdit.toPlainText()": _text_edit,
    "table.rowCount": lambda: qt.QTableWidget(2, 3).rowCount,
    "table.rowCount()": lambda: qt.QTableWidget(2, 3).rowCount(),
    "table.setRowCount/columnCount=": _table_size,
    "table item text()": _ask_table(lambda made: made.item(0, 0).text()),
    "table item .text (attr)": lambda: callable(table().item(0, 0).text),
    "table item missing": lambda: table().item(0, 1),
    "table horizontalHeaderItem": _ask_table(lambda made: made.horizontalHeaderItem(1).text()),
    "table setCellWidget": _ask_table(_cell_widget),
    "table header setSectionResizeMode": _ask_table(
        lambda made: made.horizontalHeader().setSectionResizeMode(0, qt.QHeaderView.Stretch)
    ),
    "table setSelectionBehavior": _ask_table(_selected_row),
    "table setItem None": lambda: table().setItem(0, 0, None),
    "table.item(0,0).background().color().name()": _ask_table(lambda made: made.item(0, 0).background().color().name()),
    "QTableWidget cell text edit": _ask_table(_sorting),
    "headerView visible": _ask_table(_hidden_header),
    "item flags & ~Editable": _item_not_editable,
    "item checkState ==": _item_checked,
    "item setData UserRole": lambda: _item_data(item(), "id1"),
    "item setBackground(QBrush(QColor))": lambda: item().setBackground(qt.QBrush(qt.QColor(255, 0, 0))),
    "item setBackground(QColor)": lambda: item().setBackground(qt.QColor(255, 0, 0)),
    "copy item setText int": lambda: item().setText(5),
    "list.count": _list_count,
    "list.currentRow": _list_row,
    "QListWidgetItem.data": lambda: _item_data(qt.QListWidgetItem("x"), {"a": 1}),
    "tree.topLevelItemCount": lambda: _tree().topLevelItemCount,
    "tree item text(0)": lambda: [tree := _tree(), tree.topLevelItem(0).text(1)][1],
    "QTreeWidget headerLabels": lambda: qt.QTreeWidget().setHeaderLabels(["a", "b"]),
    "treeWidgetItem.setText/columnCount": lambda: qt.QTreeWidgetItem(["a"]).columnCount(),
    "tab.count,addTab": _tab,
    "stacked.count": _stacked,
    "QFormLayout addRow('l',w)": _form,
    "QGridLayout addWidget(r,c)": _grid,
    "layout.addStretch(1)": lambda: qt.QVBoxLayout().addStretch(1),
    "layout.setContentsMargins": lambda: qt.QVBoxLayout().setContentsMargins(0, 0, 0, 0),
    "setSizes/splitter.sizes": _splitter,
    "scrollArea.widget()": _scroll_area,
    "QLabel('t', parent)": lambda: _label_in(qt.QWidget()),
    "QLabel(5)": lambda: qt.QLabel(5).text,
    "QWidget(None)": lambda: qt.QWidget(None).enabled,
    "QDialogButtonBox flags": _button_box,
    "QProgressDialog": _progress_dialog,
    "QProgressDialog.wasCanceled()": lambda: qt.QProgressDialog("l", "c", 0, 9).wasCanceled(),
    "QMessageBox props": _message_box,
    "QStandardItemModel": _item_model,
    "QButtonGroup": _button_group,
    "setTabOrder": lambda: qt.QWidget.setTabOrder(qt.QWidget(), qt.QWidget()),
}
