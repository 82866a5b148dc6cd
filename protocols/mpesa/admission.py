"""Who may use a hash (MPWS-C03): nobody in particular, until it is bound to somebody."""

from typing import NamedTuple

from actors.people import Authenticated
from domain.hashes import is_hash
from protocols.http import Request
from protocols.mpesa.errors import forbidden, invalid, unauthorized
from protocols.mpesa.service import Mpesa


class Caller(NamedTuple):
    """On whose behalf. `user_id` is None for an anonymous hash; `scope` is whose idempotency
    keys these are."""

    hash: str
    user_id: int | None
    scope: str


async def identify(mpesa: Mpesa, request: Request) -> Authenticated | None:
    """Whose token the request carries, in its header or as `?token=`; None when it carries none.

    Raises Refused for one that is no good: who tries to be somebody is never taken for nobody.
    """
    if not request.header("authorization") and "token" not in request.query:
        return None
    token = request.bearer or request.query.get("token") or ""
    who = await mpesa.people.authenticate(token)
    if not isinstance(who, Authenticated):
        raise unauthorized()
    return who


async def admitted(
    mpesa: Mpesa, hash_: str, who: Authenticated | None, *, pays_out: bool
) -> Caller:
    """The caller for this hash, bound to `who` from now on if it was nobody's. Raises Refused."""
    if not is_hash(hash_):
        raise invalid("hash", "hash must be 1 to 128 characters of A-Z a-z 0-9 . _ ~ -")
    if who is not None:
        if await mpesa.hashes.claim(hash_, who.user_id) != who.user_id:
            raise forbidden()
        return Caller(hash_, who.user_id, f"user:{who.user_id}")
    if await mpesa.hashes.owner(hash_) is not None:
        raise unauthorized()
    if pays_out and not mpesa.settings.allow_anonymous:
        raise unauthorized()
    return Caller(hash_, None, f"hash:{hash_}")


def without_hash(mpesa: Mpesa, who: Authenticated | None, client: str) -> Caller:
    """The caller of an HTTP push that names no hash: one of its own, which nobody can guess."""
    hash_ = mpesa.random_bytes(20).hex()
    if who is not None:
        return Caller(hash_, who.user_id, f"user:{who.user_id}")
    return Caller(hash_, None, f"client:{client}")
