"""`app.py …` beside a running server, as an operator types it."""

import subprocess
import sys
from functools import partial
from pathlib import Path

import trio

from tests.conftest import ROOT

_WITHIN_S = 120.0


async def command(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    """What became of it; it is told nothing but where the data of the server in `folder` is."""
    return await trio.to_thread.run_sync(partial(_run, folder, *words))


def _run(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "app.py", *words, "--data-dir", str(folder / "data")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=_WITHIN_S,
        check=False,
    )
