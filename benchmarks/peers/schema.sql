-- The conventional ledger that ours is compared with: the columns, types, keys, indexes and
-- fillfactor of storage/migrations/0001_ledger.sql, without what only ours has to pay for (hash
-- chain, batch and fencing numbers, the zero-sum trigger), which is in the peers' favour.
-- Identifiers come from sequences, as is usual.
CREATE TABLE accounts (
    id         bigint PRIMARY KEY,
    owner_id   bigint NOT NULL,
    asset      text NOT NULL,
    purpose    text NOT NULL,
    chain      text NOT NULL,
    provider   text NOT NULL,
    mode       text NOT NULL,
    number     text NOT NULL UNIQUE,
    is_active  boolean NOT NULL DEFAULT true,
    is_locked  boolean NOT NULL DEFAULT false,
    created_us bigint NOT NULL,
    UNIQUE (owner_id, asset, purpose, chain, provider, mode)
);

CREATE TABLE balances (
    account_id      bigint PRIMARY KEY,
    debits_posted   numeric(38, 0) NOT NULL DEFAULT 0,
    credits_posted  numeric(38, 0) NOT NULL DEFAULT 0,
    debits_pending  numeric(38, 0) NOT NULL DEFAULT 0 CHECK (debits_pending >= 0),
    credits_pending numeric(38, 0) NOT NULL DEFAULT 0 CHECK (credits_pending >= 0),
    sequence        bigint NOT NULL DEFAULT 0,
    last_us         bigint NOT NULL DEFAULT 0,
    may_overdraw    boolean NOT NULL,
    CONSTRAINT never_overdrawn
        CHECK (may_overdraw OR credits_posted - debits_posted - debits_pending >= 0)
) WITH (fillfactor = 60);

CREATE SEQUENCE receipts START 345678;
CREATE TABLE journals (
    id          bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    kind        text NOT NULL,
    receipt     bigint NOT NULL DEFAULT nextval('receipts'),
    initiator   bigint NOT NULL,
    ref         text NOT NULL,
    description text NOT NULL,
    fees        text NOT NULL,
    quote_id    bigint NOT NULL,
    occurred_us bigint NOT NULL,
    recorded_us bigint NOT NULL
);
CREATE INDEX journals_receipt ON journals (receipt);
CREATE INDEX journals_ref ON journals (ref) WHERE ref <> '';

CREATE TABLE entries (
    id            bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    journal_id    bigint NOT NULL,
    account_id    bigint NOT NULL,
    asset         text NOT NULL,
    sequence      bigint NOT NULL,
    amount        numeric(38, 0) NOT NULL CHECK (amount <> 0),
    balance_after numeric(38, 0) NOT NULL,
    description   text NOT NULL,
    recorded_us   bigint NOT NULL
);
CREATE UNIQUE INDEX entries_account ON entries (account_id, recorded_us, sequence);

CREATE TABLE idempotency (
    scope       text NOT NULL,
    key         text NOT NULL,
    fingerprint bytea NOT NULL,
    outcome     bytea NOT NULL,
    recorded_us bigint NOT NULL,
    CONSTRAINT idempotency_key PRIMARY KEY (scope, key)
);
CREATE INDEX idempotency_age ON idempotency (recorded_us);

CREATE TABLE events (
    id          bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    feed        text NOT NULL,
    body        bytea NOT NULL,
    recorded_us bigint NOT NULL
);
CREATE INDEX events_feed ON events (feed, id);
