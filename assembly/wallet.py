"""Fundings and the wallet's own log file, put together."""

import logging
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any, Final

import structlog

from actors.clock import Clock
from actors.funding import Fundings
from actors.funding_notices import Notices
from actors.funding_parts import DeskParts, EventLog, Transactions
from actors.identity_store import StoreUnavailable
from actors.ledger import Ledger
from actors.messenger import Messenger
from actors.people import People
from assembly.options import OptionError, Options
from domain.money import UNITS_PER_WHOLE
from providers.funding.source import OnAccount
from storage.errors import Unavailable
from storage.funding import PostgresFundings
from storage.pool import Pool

log = structlog.get_logger(__name__)

_LOG_BYTES: Final = 10 * 1024 * 1024  # a file; about 50,000 fundings
_LOG_FILES: Final = 5  # kept beside the current one


def fundings(
    options: Options,
    pool: Pool,
    people: People,
    ledger: Ledger,
    messenger: Messenger,
    clock: Clock,
    events: EventLog,
) -> Fundings:
    """The part of the core that funds NGN wallets."""
    return Fundings(
        DeskParts(
            store=PostgresFundings(pool),
            source=OnAccount(needs_operator=options.funding_needs_operator),
            people=people,
            ledger=ledger,
            notices=Notices(messenger),
            clock=clock,
            events=events,
            random_bytes=secrets.token_bytes,
            daily_limit=options.wallet_daily_limit * UNITS_PER_WHOLE,
            unavailable=(Unavailable, StoreUnavailable),
            transactions=Transactions(),
        )
    )


class WalletLog:
    """Writes each event to the server's log and, as one line of JSON, to the wallet's file."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def info(self, event: str, **fields: Any) -> None:
        log.info(event, **fields)
        self._file.info(event, **fields)


@contextmanager
def wallet_log(options: Options) -> Iterator[WalletLog]:
    """The log of WOTP-115, rotated by size. Raises OptionError when it cannot be written."""
    path = Path(options.wallet_log or options.data_path / "logs" / "wallet.log")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handler = RotatingFileHandler(path, maxBytes=_LOG_BYTES, backupCount=_LOG_FILES)
    except OSError as error:
        raise OptionError(f"WALLET_LOG: cannot write {path}: {error.strerror}") from error
    # A logger of its own, not one of the process: two servers in one process do not share it.
    sink = logging.Logger("wallet file", logging.INFO)
    sink.addHandler(handler)
    lines = structlog.wrap_logger(
        sink,
        wrapper_class=structlog.stdlib.BoundLogger,
        processors=[
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
    )
    try:
        yield WalletLog(lines)
    finally:
        handler.close()
