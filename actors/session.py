"""What a surface says about its sockets: their limits, and what it does with one."""

from dataclasses import dataclass
from enum import Enum
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketLimits:
    """What one surface allows a socket; sizes in bytes, times in seconds of real time.

    Defaults are the cashier's (CASH-C64, X-C27 and its document's 54/60/10 s). `read_timeout`
    counts from the last byte heard; `life_by_sending` lets our own messages count too
    (MPWS-C12). `deflate` accepts permessage-deflate when it is offered (MPWS-C13).
    """

    max_message: int = 64 * 1024
    ping_interval: float = 54.0
    read_timeout: float = 60.0
    write_timeout: float = 10.0
    close_timeout: float = 2.0
    handler_grace: float = 30.0
    deflate: bool = False
    life_by_sending: bool = False
    max_frames: int = 256
    max_bytes: int = 1024 * 1024


class Session(Protocol):
    """What a surface does with one socket."""

    async def opened(self) -> None:
        """The handshake is done; nothing has been read yet."""

    async def text(self, data: bytes) -> None:
        """One text message, valid UTF-8; the next is delivered when this returns."""

    async def binary(self, data: bytes) -> None:
        """One binary message."""

    def closed(self) -> None:
        """The socket is gone and no handler runs any more; called exactly once."""


class Prompt(Enum):
    """What became of a message that was offered for an answer without waiting."""

    DECLINED = 0  # nothing happened; it comes again by `Session.text`
    ANSWERED = 1
    BEGUN = 2  # the session calls `Connection.answered` once it has sent the answer
    PARKED = 3  # nothing happened yet; the session calls `Connection.offer_again` once it may
