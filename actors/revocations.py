"""Who is to be told when a token dies before its time (X-C26, XS-09)."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from domain.identity import Profile

Revoked = Callable[[], None]
"""Called once, synchronously, after the commit that revoked; must not wait or raise."""

# People whose last committed version is remembered, so that a watch that begins just after a
# revocation learns of it. The time between authenticating and watching is milliseconds.
_REMEMBERED: Final = 10_000
_DEAD: Final = -1  # no token has this version


class Revocations:
    """Watches by person. A person nobody watches costs nothing but the memory of a version."""

    def __init__(self) -> None:
        self._watches: dict[int, dict[object, tuple[int, Revoked]]] = {}
        self._versions: OrderedDict[int, int] = OrderedDict()

    def watch(self, user_id: int, token_version: int, callback: Revoked) -> Callable[[], None]:
        """Call back when `token_version` is no longer good; at once when that is so already."""
        if self._versions.get(user_id, token_version) != token_version:
            callback()
            return lambda: None
        key = object()
        self._watches.setdefault(user_id, {})[key] = (token_version, callback)

        def leave() -> None:
            watches = self._watches.get(user_id)
            if watches is not None:
                watches.pop(key, None)
                if not watches:
                    del self._watches[user_id]

        return leave

    def publish(self, profile: Profile) -> None:
        """A commit: tell whoever holds another version than the one that is good now."""
        good = _DEAD if profile.deleted else profile.token_version
        self._versions[profile.user_id] = good
        self._versions.move_to_end(profile.user_id)
        if len(self._versions) > _REMEMBERED:
            self._versions.popitem(last=False)
        watches = self._watches.get(profile.user_id, {})
        for key, (version, callback) in list(watches.items()):
            if version != good:
                watches.pop(key, None)
                callback()
        if not watches:
            self._watches.pop(profile.user_id, None)
