"""`make test` installs none of the servers that `make bench` measures ours against: not even where
both were run may a test need them."""

import sys

for _name in ("asyncpg", "fastapi", "uvicorn", "uvloop"):
    sys.modules[_name] = None  # type: ignore[assignment]
