"""The C programs of the benchmarks, compiled when they are needed.

Sources lie in `benchmarks/c/`; nothing compiled is kept. Without a C compiler the load generator
falls back to Python, and the delayed disk and the null server are left out, which the report says.
"""

import os
import shutil
import subprocess
from pathlib import Path

SOURCES = Path(__file__).parent / "c"


def compiler() -> str | None:
    """The C compiler to use ($CC, cc or gcc), or None when the machine has none."""
    for name in (os.environ.get("CC"), "cc", "gcc"):
        if name and (found := shutil.which(name)):
            return found
    return None


def build(name: str, into: Path) -> Path | None:
    """Compile `c/{name}.c` into the directory `into`; a shared library when it is a shim.

    Returns the path of the result, or None without a compiler. Raises CalledProcessError when the
    compiler refuses the source.
    """
    cc = compiler()
    if cc is None:
        return None
    shared = name == "fsync_delay"
    out = into / (f"{name}.so" if shared else name)
    flags = ["-shared", "-fPIC"] if shared else []
    libraries = ["-ldl"] if shared else []
    source = SOURCES / f"{name}.c"
    subprocess.run([cc, "-O2", *flags, "-o", str(out), str(source), *libraries], check=True)
    return out
