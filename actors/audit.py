"""What operators did: written in the transaction of what they changed, never changed again."""

from typing import Protocol

import msgspec


class AuditEntry(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One deed. A row change: put it among the changes of the transaction it belongs to.

    `operator_id` is the administrator, `how` the ways they proved it (`amr` of their token).
    `action` is a verb with its kind ("approve funding"), `subject` what it was done to.
    """

    at_us: int
    operator_id: int
    how: str
    action: str
    subject: str
    note: str = ""


class AuditLog(Protocol):
    """The log; implemented by storage.audit."""

    async def write(self, entry: AuditEntry) -> None:
        """Write a deed that changed nothing in the same database."""
        ...

    async def about(self, subject: str) -> list[AuditEntry]:
        """What was done to `subject`, oldest first."""
        ...
