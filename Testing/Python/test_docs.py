"""What the documentation names is there: files, headings, modules, commands, options, targets of the Makefile."""

from __future__ import annotations

import argparse
import ast
import re
from functools import lru_cache
from importlib import import_module
from inspect import signature
from pathlib import Path

import pytest

from GTVAutoSegLib.commands.cli import COMMANDS

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("GTVAutoSeg", "GTVAutoSegLib", "Resources", "Testing", "docs", ".github")
FOLDED = [path for one in FOLDERS for path in (ROOT / one).rglob("*")]
FILES = sorted(path.relative_to(ROOT).as_posix() for path in (*ROOT.iterdir(), *FOLDED) if path.is_file())
# The changelog tells of what was.
PAGES = [name for name in FILES if name.endswith(".md") and name != "CHANGELOG.md"]
SOURCES = [name for name in FILES if name.endswith(".py")]
# Of other programs, and of Slicer's own code.
STRANGE_FILES = {"/opt/gtv/night.sh", "ScriptedLoadableModule.py"}
STRANGE_OPTIONS = {
    *("--disk-usage", "--objects", "--filter", "--sparse", "--nthreads", "--gres", "--referenced-ct", "--logdir"),
    *("--no-splash", "--no-main-window", "--ignore-slicerrc", "--python-script", "--input", "--editable", "--upgrade"),
}


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def commands_in(page: str) -> str:
    """The text, a command that goes on in the next line in one."""
    return text_of(page).replace("\\\n", " ")


def is_there(path: str) -> bool:
    """Whether a file is in the repository under this path or the end of it."""
    wanted = path.removeprefix(".../").removeprefix("./")
    return any(f"/{name}".endswith(f"/{wanted}") for name in FILES)


@lru_cache(maxsize=1)
def options() -> dict[str, set[str]]:
    """By command, or command and action: its options."""
    found = {}
    for name, (module, _) in COMMANDS.items():
        parser = argparse.ArgumentParser()
        import_module(f"GTVAutoSegLib.commands.{module}").add_arguments(parser)
        found[name] = {"--help", "--debug", *parser._option_string_actions}
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction):
                for word, own in action.choices.items():
                    found[f"{name} {word}"] = {*own._option_string_actions, *found[name]}
    return found


def headings(page: str) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    lines = re.findall(r"^#+ (.+)$", text_of(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", line.replace("`", "").lower()).replace(" ", "-") for line in lines}


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_to_a_file_and_a_heading(page):
    for path, anchor in re.findall(r"\]\(([^)\s#]*)#?([^)\s]*)\)", text_of(page)):
        if "://" in path:
            continue
        target = (ROOT / page).parent / path if path else ROOT / page
        assert target.exists(), path
        if anchor:
            assert anchor in headings(target.resolve().relative_to(ROOT).as_posix()), f"{path}#{anchor}"


@pytest.mark.parametrize("page", PAGES)
def test_every_source_file_that_a_page_names_is_in_the_repository(page):
    named = set(re.findall(r"(?<![\w/*<>.-])((?:[\w.-]+/|/)*\w[\w-]*\.(?:py|ui|sh|toml|yml))\b", text_of(page)))
    assert not [path for path in named - STRANGE_FILES if not is_there(path)]


def test_every_page_picture_and_table_of_docs_that_anything_names_is_there():
    suffixes = (".py", ".md", ".txt", ".json", ".yml", ".ui", "Makefile")
    for name in (name for name in FILES if name.endswith(suffixes) and name != "CHANGELOG.md"):
        named = re.findall(r"(?<![\w/.])docs/[\w./-]*\w\.(?:md|png|svg|json)\b", text_of(name))
        assert not [path for path in named if path not in FILES], name


@pytest.mark.parametrize("page", PAGES)
def test_every_command_exists_and_has_the_options_it_is_given(page):
    for name, rest in re.findall(r"(?:gtvautoseg|-m GTVAutoSegLib) ([a-z][\w-]*)([^\n`|#]*)", commands_in(page)):
        assert name in options(), name
        words = rest.split()
        action = f"{name} {words[0]}" if words else name
        allowed = options().get(action, options()[name])
        assert set(re.findall(r"(?<![\w-])--[a-z][\w-]*", rest)) <= allowed, f"{name}{rest}"
    for module, rest in re.findall(r"-m ((?:GTVAutoSegLib|Testing)\.[\w.]*\w)([^\n`|#]*)", commands_in(page)):
        path = module.replace(".", "/")
        (source,) = [name for name in (f"{path}.py", f"{path}/__main__.py") if name in FILES]
        missing = [one for one in re.findall(r"--[a-z][\w-]*", rest) if f'"{one}"' not in text_of(source)]
        assert not missing, f"{module}{rest}"


@pytest.mark.parametrize("page", PAGES)
def test_every_option_that_a_page_names_is_one_of_ours_or_of_a_known_program(page):
    named = set(re.findall(r"(?<![\w-])--[a-z][\w-]*", text_of(page)))
    assert named <= STRANGE_OPTIONS | ours()


@lru_cache(maxsize=1)
def ours() -> set[str]:
    return {one for name in SOURCES for one in re.findall(r'"(--[a-z][\w-]*)"', text_of(name))}


@pytest.mark.parametrize("page", PAGES)
def test_every_target_of_the_makefile_that_a_page_names_is_there(page):
    for target in re.findall(r"`make ([a-z][\w-]*)", text_of(page)):
        assert re.search(rf"^{target}:", text_of("Makefile"), re.MULTILINE), target


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_takes_from_the_library_is_there(page):
    for block in re.findall(r"^```python\n(.*?)^```", text_of(page), re.MULTILINE | re.DOTALL):
        tree, taken = list(ast.walk(ast.parse(block))), {}
        for node in tree:
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("GTVAutoSegLib"):
                taken |= {one.name: getattr(import_module(node.module), one.name) for one in node.names}
        for node in tree:
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in taken:
                assert hasattr(taken[node.value.id], node.attr), f"{node.value.id}.{node.attr}"
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in taken:
                values = [ast.Constant(None)] * len(node.args)
                signature(taken[node.func.id]).bind(*values, **{one.arg: None for one in node.keywords})


def test_every_command_has_a_place_in_the_documentation():
    text = "\n".join(map(text_of, PAGES))
    assert not [name for name in COMMANDS if f"gtvautoseg {name}" not in text]


@pytest.mark.parametrize("name", [name for name in SOURCES if name.startswith("GTVAutoSeg")])
def test_every_name_in_a_module_that_a_docstring_refers_to_is_there(name):
    """References such as `module.Name`: dotted from any folder above."""
    for reference in set(re.findall(r"(?<!`)`([a-z_]+(?:\.[A-Za-z_]\w*)+)`(?!`)", text_of(name))):
        if reference.split(".")[0] in ("numpy", "torch", "nn", "slicer", "files"):
            continue
        assert refers(reference), reference


def refers(reference: str) -> bool:
    """Whether it is a module, or a name (of a name) in one."""
    parts = reference.split(".")
    if parts[-1] == "py":
        return is_there("/".join(parts[:-1]) + ".py")
    if modules(parts):
        return True
    return any(
        all(re.search(rf"\b{part}\b", text_of(module)) for part in parts[end:])
        for end in range(len(parts) - 1, 0, -1)
        for module in modules(parts[:end])
    )


def modules(parts: list[str]) -> list[str]:
    """Files of modules and packages whose dotted name ends so."""
    ends = ("/".join(parts) + ".py", "/".join(parts) + "/__init__.py")
    return [name for name in SOURCES if f"/{name}".endswith(tuple(f"/{end}" for end in ends))]
