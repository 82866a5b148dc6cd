"""The one-file build: it ends with its parent, and removes what killed ones left."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
_CHILD = """
import sys, time
from pathlib import Path
sys._MEIPASS = sys.argv[1]
from assembly.frozen import adopt
adopt()
print("adopted", flush=True)
time.sleep(60)
"""
# Starts the child above as the unpacking executable does, and says which process it is.
_PARENT = f"""
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", {_CHILD!r}, sys.argv[1]], stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
time.sleep(60)
"""


@contextmanager
def adopting(folder: Path, program: str = _CHILD) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A process that has adopted `folder`, and the line it said."""
    folder.mkdir(exist_ok=True)
    (folder / "unpacked").touch()
    command = [sys.executable, "-c", program, str(folder)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


def test_what_a_killed_executable_left_is_removed_and_what_is_in_use_is_not(
    tmp_path: Path,
) -> None:
    killed, used, other, new = (tmp_path / f"_MEI{name}" for name in "abcd")
    other.mkdir()  # somebody else's: it holds no lock of ours
    with adopting(killed) as (process, said):
        assert said == "adopted"
        process.kill()
        process.wait()
    assert (killed / "unpacked").exists()
    with adopting(used), adopting(new):
        assert not killed.exists()
        assert (used / "unpacked").exists()
        assert (new / "unpacked").exists()
        assert other.exists()


def test_the_server_ends_when_the_executable_that_unpacked_it_is_killed(tmp_path: Path) -> None:
    with adopting(tmp_path / "_MEIa", _PARENT) as (parent, said):
        child = int(said)
        os.kill(child, 0)
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        deadline = time.monotonic() + 10
        while _is_running(child):
            assert time.monotonic() < deadline
            time.sleep(0.05)


def _is_running(process_id: int) -> bool:
    try:
        status = Path(f"/proc/{process_id}/stat").read_text()
    except FileNotFoundError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"
