"""Who runs PostgreSQL: it refuses to run as root, so root lends it another account."""

import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from storage.embedded.errors import EmbeddedError

# Tried in this order when the data has no owner yet: one of our own, PostgreSQL's usual one, and
# the one every system has.
_ACCOUNTS: Final = ("daftari", "postgres", "nobody")


@dataclass(frozen=True, kw_only=True)
class Account:
    """A user PostgreSQL can run as."""

    name: str
    uid: int
    gid: int

    @classmethod
    def current(cls) -> Self:
        """The account this process runs as."""
        return cls(name=str(os.geteuid()), uid=os.geteuid(), gid=os.getegid())

    @classmethod
    def for_data(cls, *candidates: Path) -> Self:
        """The account to run on this data: ourselves, or, for root, the owner of the first of
        `candidates` that someone other than root owns, else a dedicated account."""
        if os.geteuid() != 0:
            return cls.current()
        owners = [path.stat().st_uid for path in candidates if path.exists()]
        entries = [_entry(uid) for uid in owners if uid != 0]
        entries += [_entry(name) for name in _ACCOUNTS]
        for entry in entries:
            if entry is not None and entry.pw_uid != 0:
                return cls(name=entry.pw_name, uid=entry.pw_uid, gid=entry.pw_gid)
        raise EmbeddedError("PostgreSQL cannot run as root and no other account was found")

    @property
    def is_ours(self) -> bool:
        """Whether this process runs as that account already."""
        return self.uid == os.geteuid()

    def popen_options(self) -> dict[str, Any]:
        """What makes subprocess.Popen become this account."""
        if self.is_ours:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def can_read(self, path: Path) -> bool:
        """Whether this account may pass every directory above `path` and read it (mode bits)."""
        resolved = path.resolve()
        passable = all(self._may(parent, stat.S_IXOTH) for parent in resolved.parents)
        return passable and self._may(resolved, stat.S_IROTH)

    def _may(self, path: Path, other_bit: int) -> bool:
        status = path.stat()
        if status.st_uid == self.uid:
            return bool(status.st_mode & (other_bit << 6))
        if status.st_gid == self.gid:
            return bool(status.st_mode & (other_bit << 3))
        return bool(status.st_mode & other_bit)


def _entry(key: int | str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwuid(key) if isinstance(key, int) else pwd.getpwnam(key)
    except KeyError:
        return None
