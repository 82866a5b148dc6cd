"""The core all surfaces stand on: storage, ledger, people, messages, rates, payments."""

import random
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol

import trio

from actors.account import Accounts
from actors.callbacks import CallbackIntake
from actors.chain_books import ChainBooks
from actors.chain_desk import ChainDesk
from actors.chain_orders import ChainOrders
from actors.chain_sweeps import Sweeps
from actors.chains import ChainRail, ChainRailParts
from actors.clock import Clock
from actors.feed import Feeds
from actors.floats import FLOAT, Floats
from actors.funding import Fundings
from actors.housekeeping import Housekeeping
from actors.idempotency import Idempotency
from actors.identity_store import StoreUnavailable
from actors.incoming import Incoming
from actors.journal import Journal
from actors.ledger import Ledger
from actors.messenger import Messenger
from actors.mpesa_hashes import Hashes
from actors.payment_parts import Parts
from actors.payments import Payments
from actors.people import People
from actors.rates import RateService
from actors.registration import Registrations
from actors.runtime.restarts import Restart
from actors.runtime.supervisor import Supervisor
from actors.token_pricing import Pricing
from actors.warm_up import WarmUp
from assembly.background import background
from assembly.chains import check_ends, open_ends, provided
from assembly.memory import resident_accounts
from assembly.options import OptionError, Options, Secrets
from assembly.outside import Outside
from assembly.wallet import fundings, wallet_log
from domain.chains.table import Family
from domain.identity import AccessTokens, FixedCodes, RandomCodes
from domain.partners import Partners
from protocols.nexuspay.register import Sockets
from providers.hdwallet.keys import DerivationError
from providers.hdwallet.wallet import HdWallet, new_mnemonic
from providers.mpesa.client import Callbacks
from storage.accounts import PostgresAccounts
from storage.alerts import PostgresAlerts
from storage.audit import PostgresAudit
from storage.callbacks import PostgresCallbacks
from storage.chain_sweeps import PostgresSweeps
from storage.chains import PostgresChains, load_words
from storage.codes import Codes
from storage.crypto import SecretBox, SecretUnreadable, derive_key
from storage.errors import Unavailable
from storage.events import PostgresEvents
from storage.idempotency import PostgresIdempotency
from storage.incoming import PostgresIncoming
from storage.journal import PostgresJournal
from storage.mpesa import PostgresHashes
from storage.partners import load_partners
from storage.payments import PostgresPayments
from storage.pool import Pool
from storage.rates import StoredQuotes
from storage.reads import PostgresLedgerReads
from storage.registrations import StoredRegistrations
from storage.users import Users

_UNAVAILABLE: Final = (Unavailable, StoreUnavailable)  # how storage says that it is away


@dataclass(frozen=True, slots=True, kw_only=True)
class Core:
    """Everything surfaces are made from."""

    clock: Clock
    pool: Pool
    feeds: Feeds
    events: PostgresEvents
    accounts: PostgresAccounts
    ledger: Ledger
    reads: PostgresLedgerReads
    idempotency: Idempotency
    messenger: Messenger
    people: People
    rates: RateService
    partners: Partners
    payments: Payments
    callbacks: CallbackIntake
    incoming: Incoming
    floats: Floats
    hashes: Hashes
    fundings: Fundings
    audit: PostgresAudit
    registrations: Registrations
    addresses: HdWallet
    nexus_sockets: Sockets
    paybill: str
    desk: ChainDesk
    aliases: Mapping[str, str]  # of addresses: what documents show for real ones
    sweeps: Sweeps


class _Part(Protocol):
    """What runs as a task of its own, and says when it can serve."""

    @property
    def run(self) -> Callable[..., Awaitable[None]]: ...


@asynccontextmanager
async def running_core(
    options: Options,
    keys: Secrets,
    dsn: str,
    pool: Pool,
    lookups: Pool,
    clock: Clock,
    outside: Outside,
) -> AsyncIterator[Core]:
    """Start the core in order; on leaving, stop it in reverse with everything queued answered."""
    feeds = Feeds()
    accounts = PostgresAccounts(pool, lookups)
    directory = Accounts(accounts, clock, resident_accounts())
    journal = Journal(PostgresJournal(dsn), feeds, clock)
    ledger = Ledger(directory, journal)
    messenger = Messenger(outside.channels)
    box = SecretBox(derive_key(keys.data.encode(), "secrets"), secrets.token_bytes)
    users = Users(pool, box, lookups)
    addresses = await _hd_wallet(options, pool, box, clock)
    people = _people(options, keys, users, pool, clock, messenger, addresses)
    accounts.seen = people.seen
    sockets = Sockets(clock)
    rates = RateService(outside.rates, StoredQuotes(pool), clock)
    chains = await _chains(options, outside, pool, addresses, ledger, rates, clock)
    payments = _payments(options, keys, outside, pool, chains.rail, ledger, rates, clock)
    chains.books.payments = payments
    incoming = Incoming(PostgresIncoming(pool), accounts, ledger, payments, clock)
    floats = Floats(outside.mpesa, partial(_float_urls, outside, payments))
    callbacks = _intake(pool, payments, incoming, floats, clock)
    events, outcomes = PostgresEvents(pool), PostgresIdempotency(pool)
    async with AsyncExitStack() as stack:
        steps = stack.enter_context(wallet_log(options))
        funding = fundings(options, pool, people, ledger, messenger, clock, steps)
        # What works with the ledger has ended before the ledger does.
        for tier in (
            (journal, directory, messenger, people, sockets, _chores(events, outcomes, clock)),
            (payments, callbacks, funding),
            (chains.rail, _warm_up(accounts, directory)),
        ):
            await _start(stack, tier)
        yield Core(
            clock=clock,
            pool=pool,
            feeds=feeds,
            events=events,
            accounts=accounts,
            ledger=ledger,
            reads=PostgresLedgerReads(pool),
            idempotency=Idempotency(outcomes, clock, journal.keys),
            messenger=messenger,
            people=people,
            rates=rates,
            partners=await load_partners(pool),
            payments=payments,
            callbacks=callbacks,
            incoming=incoming,
            floats=floats,
            hashes=Hashes(PostgresHashes(pool), clock),
            fundings=funding,
            audit=PostgresAudit(pool),
            registrations=Registrations(people, users, StoredRegistrations(pool), clock),
            addresses=addresses,
            nexus_sockets=sockets,
            paybill=outside.paybill,
            desk=ChainDesk(chains.rail, payments, clock),
            aliases=outside.chains.aliases,
            sweeps=chains.sweeps,
        )
        with trio.move_on_after(5):
            await journal.drain()


async def _start(stack: AsyncExitStack, tier: Sequence[_Part]) -> None:
    """Run these in one nursery until `stack` unwinds."""
    nursery = await stack.enter_async_context(trio.open_nursery())
    stack.callback(nursery.cancel_scope.cancel)
    for part in tier:
        await nursery.start(part.run)


def _chores(events: PostgresEvents, outcomes: PostgresIdempotency, clock: Clock) -> Supervisor:
    housekeeping = Housekeeping((events.purge, outcomes.purge), clock, _UNAVAILABLE)
    return background("housekeeping", housekeeping.run)


def _warm_up(accounts: PostgresAccounts, directory: Accounts) -> Supervisor:
    return background("warm-up", WarmUp(accounts, directory).run, Restart.TEMPORARY)


def _payments(
    options: Options,
    keys: Secrets,
    outside: Outside,
    pool: Pool,
    rail: ChainRail,
    ledger: Ledger,
    rates: RateService,
    clock: Clock,
) -> Payments:
    parts = Parts(
        store=PostgresPayments(pool),
        alerts=PostgresAlerts(pool),
        ledger=ledger,
        rail=outside.mpesa,
        urls=outside.callback_urls,
        clock=clock,
        terms=Pricing(rates, ledger, clock).terms,
        unavailable=_UNAVAILABLE,
        confirms=options.mpesa_confirm_before_credit,
        chains=ChainOrders(rail, outside.chains.aliases),
    )
    payments = Payments(parts, derive_key(keys.data.encode(), "callbacks"))
    outside.callback_urls.secret_of = payments.callback_secret
    return payments


async def _hd_wallet(options: Options, pool: Pool, box: SecretBox, clock: Clock) -> HdWallet:
    """Of the operator's words; without any, of words made once and kept sealed."""
    try:
        words = options.wallet_mnemonic or await load_words(
            pool, box, lambda: new_mnemonic(secrets.token_bytes), clock.now_us()
        )
        return HdWallet(words, options.wallet_passphrase, collects=options.collects_deposits)
    except SecretUnreadable as error:
        raise OptionError("DATA_KEY is not the one the wallet's seed was sealed with") from error
    except DerivationError as error:
        raise OptionError(f"WALLET_MNEMONIC: {error}") from error


@dataclass(frozen=True, slots=True)
class _Chains:
    """The rail, who keeps its books, and the collecting of deposits."""

    books: ChainBooks
    rail: ChainRail
    sweeps: Sweeps


async def _chains(
    options: Options,
    outside: Outside,
    pool: Pool,
    addresses: HdWallet,
    ledger: Ledger,
    rates: RateService,
    clock: Clock,
) -> _Chains:
    nodes = outside.chains
    ends = open_ends(nodes, outside.chain_http, addresses)
    if not options.is_sandbox:
        await check_ends(ends)
    await provided(nodes, ends)
    books = ChainBooks(ledger, rates, nodes.tokens, clock, _UNAVAILABLE)
    parts = ChainRailParts(
        store=PostgresChains(pool),
        addresses=addresses,
        tokens=nodes.tokens,
        facts=books,
        clock=clock,
        poll_s=nodes.poll_s,
        bump_after_s=nodes.bump_after_s,
    )
    rail = ChainRail(parts, ends)
    stored = PostgresSweeps(pool)
    return _Chains(books, rail, Sweeps(stored, ends, nodes.tokens, addresses, rates, rail, clock))


def _float_urls(outside: Outside, payments: Payments) -> tuple[str, str]:
    return outside.callback_urls.float_(payments.secret_of(FLOAT))


def _intake(
    pool: Pool, payments: Payments, incoming: Incoming, floats: Floats, clock: Clock
) -> CallbackIntake:
    store = PostgresCallbacks(pool)
    return CallbackIntake(store, payments, Callbacks(), clock, _UNAVAILABLE, incoming, floats)


def _people(
    options: Options,
    keys: Secrets,
    users: Users,
    pool: Pool,
    clock: Clock,
    messenger: Messenger,
    addresses: HdWallet,
) -> People:
    fixed = options.is_sandbox and not options.sandbox_random_codes
    return People(
        users,
        Codes(pool, users),
        clock=clock,
        messenger=messenger,
        tokens=AccessTokens(keys.jwt.encode(), secrets.token_bytes),
        codes=FixedCodes("123456") if fixed else RandomCodes(secrets.token_bytes),
        code_key=derive_key(keys.data.encode(), "codes"),
        random_bytes=secrets.token_bytes,
        jitter=random.random,
        wallet_address=lambda user_id: addresses.address(Family.EVM, user_id),
        presence_limit=resident_accounts(),
    )
