"""Every dependency has its reason in docs/dependencies.md and its pin in the locks."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]
# Which extras a lock holds beside the dependencies themselves.
LOCKS = {
    "runtime": ("sandbox",),
    "dev": ("sandbox", "dev"),
    "bench": ("sandbox", "dev", "bench"),
    "binary": ("sandbox", "binary"),
}


def _name(requirement: str) -> str:
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert found is not None, requirement
    return re.sub(r"[-_.]+", "-", found[0]).lower()


def _explained() -> set[str]:
    rows = re.findall(r"^\| ([^|]+) \|", (ROOT / "docs" / "dependencies.md").read_text(), re.M)
    return {name for row in rows for name in re.findall(r"[a-z0-9][a-z0-9-]+", row.lower())}


@pytest.mark.parametrize(
    "requirement", [*PROJECT["dependencies"], *(one for extra in EXTRAS.values() for one in extra)]
)
def test_a_dependency_has_its_reason(requirement: str) -> None:
    assert _name(requirement) in _explained()


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_pins_what_the_project_asks_for(lock: str) -> None:
    text = (ROOT / "requirements" / f"{lock}.txt").read_text()
    pinned = {_name(line) for line in re.findall(r"^\S+==\S+", text, re.M)}
    wanted = [*PROJECT["dependencies"], *(one for extra in LOCKS[lock] for one in EXTRAS[extra])]
    assert {_name(one) for one in wanted} <= pinned


def test_every_extra_is_in_some_lock() -> None:
    assert {extra for extras in LOCKS.values() for extra in extras} == EXTRAS.keys()
