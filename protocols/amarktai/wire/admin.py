"""What administrators see (document 004, "Admin Endpoints")."""

from typing import Annotated

from protocols.amarktai.wire.base import Success, Wire
from protocols.described import meta


class User(Wire, frozen=True, kw_only=True):
    """Somebody."""

    id: str
    email: str
    first_name: str
    is_admin: bool
    created_at: str


class Users(Success, frozen=True, kw_only=True):
    """200 of `GET /api/admin/users`."""

    users: list[User]
    total: Annotated[int, meta(additive=True)]
