"""The floors of the house: each can be read, and imported, without the ones above it."""

from __future__ import annotations

import ast
from pathlib import Path

LIBRARY = Path(__file__).resolve().parents[2] / "GTVAutoSegLib"
# From the ground up; `errors` and the package itself lie below all of them.
FLOORS = (
    ("system",),
    ("images",),
    ("networks",),
    ("model",),
    ("cascade",),
    ("cascade/completion",),
    ("report",),
    ("batch",),
    ("training",),
    ("evaluation",),
    ("study",),
    ("commands", "__main__"),
)
# Of the Slicer module; what lies in no room is at the ground.
SLICER = LIBRARY.parent / "GTVAutoSeg" / "GTVAutoSegSlicer"
SLICER_ROOMS = {"scene": 1, "run": 2, "training": 3, "setup": 3, "panel": 4, "logic": 5, "headless": 5, "scripts": 6}
HEIGHTS = {room: height for height, floor in enumerate(FLOORS) for room in floor} | {"errors": -1, "__init__": 99}


def imported(path: Path, top: Path = LIBRARY) -> list[tuple[int, str]]:
    """Lines and rooms of a package that its module imports, within functions and for type checking as well."""
    package = path.relative_to(top).parts[:-1]
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = package[: len(package) - node.level + 1]
            names = [node.module] if node.module else [alias.name for alias in node.names]
            found += [(node.lineno, room_of((*base, *name.split(".")))) for name in names]
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.startswith(f"{top.name}."):
            found.append((node.lineno, room_of(tuple(node.module.split(".")[1:]))))
    return [(line, room) for line, room in found if room != "__version__"]


def room_of(module: tuple[str, ...]) -> str:
    """The floor's name for a module: its room in the library, or a room within that one which is a floor by itself."""
    return "/".join(module[:2]) if "/".join(module[:2]) in HEIGHTS else module[0]


def modules() -> list[Path]:
    return sorted(LIBRARY.rglob("*.py"))


def name_of(path: Path) -> tuple[str, ...]:
    return path.relative_to(LIBRARY).with_suffix("").parts


def test_every_room_is_on_a_floor():
    assert {room_of(name_of(path)) for path in modules()} - HEIGHTS.keys() == set()


def test_no_floor_imports_a_higher_one():
    climbing = [
        f"{path.relative_to(LIBRARY)}, line {line}, imports {room}"
        for path in modules()
        for line, room in imported(path)
        if HEIGHTS[room] > HEIGHTS[room_of(name_of(path))]
    ]
    assert climbing == []


def test_no_room_of_the_slicer_module_imports_a_higher_one():
    climbing = [
        f"{path.relative_to(SLICER)}, line {line}, imports {room}"
        for path in sorted(SLICER.rglob("*.py"))
        for line, room in imported(path, SLICER)
        if SLICER_ROOMS.get(room, 0) > SLICER_ROOMS.get(path.relative_to(SLICER).with_suffix("").parts[0], 0)
    ]
    assert climbing == []


def test_no_folder_holds_more_than_14_entries():
    full = {}
    for top in (LIBRARY, *(LIBRARY.parent / name for name in ("GTVAutoSeg", "Resources", "docs"))):
        for folder in (top, *(path for path in top.rglob("*") if path.is_dir())):
            entries = [one.name for one in folder.iterdir() if one.name not in ("__init__.py", "__pycache__")]
            if len(entries) > 14:
                full[str(folder.relative_to(LIBRARY.parent))] = sorted(entries)
    assert full == {}


def test_a_call_with_five_arguments_or_more_names_them():
    """Those of our own functions and classes: nobody knows what a fifth number without a name is."""
    module = LIBRARY.parent / "GTVAutoSeg"
    trees = {
        path.relative_to(LIBRARY.parent): ast.parse(path.read_text(encoding="utf-8"))
        for path in (*modules(), *sorted(module.rglob("*.py")))
    }
    own = {
        node.name
        for tree in trees.values()
        for node in ast.walk(tree)
        if isinstance(node, (ast.FunctionDef, ast.ClassDef))
    }
    nameless = [
        f"{path}, line {node.lineno}: {name}"
        for path, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and len(node.args) > 4 and (name := called(node)) in own
    ]
    assert nameless == []


def called(call: ast.Call) -> str:
    """The name of what is called: a function, a class, or a method of our own object or of a module of ours."""
    if isinstance(call.func, ast.Name):
        return call.func.id
    owner = call.func.value if isinstance(call.func, ast.Attribute) else None
    return call.func.attr if isinstance(owner, ast.Name) and owner.id in ("self", "cls") else ""
