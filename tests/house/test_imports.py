"""Imports point downwards only (docs/architecture.md, "The house")."""

import ast
from collections.abc import Mapping
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAY_IMPORT = {
    "domain": set(),
    "actors": {"domain"},
    "storage": {"domain", "actors"},
    "providers": {"domain", "actors"},
    "protocols": {"domain", "actors"},
    "assembly": {"domain", "actors", "storage", "providers", "protocols"},
}
# Pure: no event loop, no server, no driver.
NOT_IN_DOMAIN = {"trio", "quart", "hypercorn", "psycopg", "httpx", "websockets"}
DRIVERS = {"psycopg"}


def _files(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def _modules(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: imports are absolute"
            found.add(node.module or "")
        elif isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
    return found


@pytest.mark.parametrize("folder", MAY_IMPORT)
def test_a_folder_imports_only_what_lies_below_it(folder: str) -> None:
    ours = set(MAY_IMPORT) | {"app"}
    for path in _files(folder):
        for module in _modules(path):
            top = module.split(".")[0]
            allowed = top == folder or top not in ours or top in MAY_IMPORT[folder]
            assert allowed, f"{path.relative_to(ROOT)} imports {module}"


def test_the_domain_is_pure() -> None:
    for path in _files("domain"):
        tops = {module.split(".")[0] for module in _modules(path)}
        assert not tops & NOT_IN_DOMAIN, path


def test_only_storage_knows_the_database_driver() -> None:
    for folder in MAY_IMPORT.keys() - {"storage"}:
        for path in _files(folder):
            tops = {module.split(".")[0] for module in _modules(path)}
            assert not tops & DRIVERS, path


def test_a_surface_never_imports_another_surface() -> None:
    surfaces = [p.name for p in (ROOT / "protocols").iterdir() if (p / "__init__.py").exists()]
    assert "cashier" in surfaces
    for surface in surfaces:
        others = {f"protocols.{other}" for other in surfaces if other != surface}
        for path in _files(f"protocols/{surface}"):
            for module in _modules(path):
                assert not any(module == o or module.startswith(o + ".") for o in others), path


def _name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def _needed(path: Path, files: Mapping[str, Path]) -> set[str]:
    """The files it imports from; of a package whose module it names, that module."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                inside = f"{node.module}.{alias.name}"
                found.add(inside if inside in files else node.module or "")
    return found & files.keys()


def test_no_two_files_need_each_other() -> None:
    """Not even for their types: what goes round in a circle is one thing in two places."""
    files = {_name(path): path for folder in MAY_IMPORT for path in _files(folder)}
    needs = {name: _needed(path, files) for name, path in files.items()}
    order = tuple(TopologicalSorter(needs).static_order())  # raises CycleError
    assert order.index("domain.money") < order.index("actors.ledger")


def test_nothing_imports_the_entry_point() -> None:
    for folder in MAY_IMPORT:
        for path in _files(folder):
            assert "app" not in _modules(path), path


def test_files_stay_small() -> None:
    """style.md: split by 400 lines; a function never exceeds 70."""
    for folder in MAY_IMPORT:
        for path in _files(folder):
            text = path.read_text()
            assert text.count("\n") <= 400, path
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    length = (node.end_lineno or node.lineno) - node.lineno + 1
                    assert length <= 70, f"{path}:{node.lineno} {node.name}"
