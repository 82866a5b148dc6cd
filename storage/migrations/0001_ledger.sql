-- The double-entry journal and what proves it. Amounts are integers of 10^-8 of a whole; times
-- are microseconds since the epoch. No foreign keys here: they halve the throughput, and
-- `app.py verify` proves what they would.

-- One row: who may write, the last batch that landed, and the last numbers given out.
CREATE TABLE writer (
    one          boolean PRIMARY KEY DEFAULT true CHECK (one),
    epoch        bigint NOT NULL DEFAULT 0,
    batch        bigint NOT NULL DEFAULT 0,
    last_journal bigint NOT NULL DEFAULT 0,
    last_entry   bigint NOT NULL DEFAULT 0,
    last_event   bigint NOT NULL DEFAULT 0,
    last_receipt bigint NOT NULL DEFAULT 100000,
    last_us      bigint NOT NULL DEFAULT 0,
    last_hash    bytea NOT NULL DEFAULT decode(repeat('00', 32), 'hex')
) WITH (fillfactor = 10);
INSERT INTO writer (one) VALUES (true);

CREATE SEQUENCE account_ids START 100001;

CREATE TABLE accounts (
    id         bigint PRIMARY KEY,
    owner_id   bigint NOT NULL,             -- 0: the platform itself
    asset      text NOT NULL,
    purpose    text NOT NULL,
    chain      text NOT NULL,
    provider   text NOT NULL,
    mode       text NOT NULL CHECK (mode IN ('REAL', 'DEMO')),
    number     text NOT NULL UNIQUE,
    is_active  boolean NOT NULL DEFAULT true,
    is_locked  boolean NOT NULL DEFAULT false,
    created_us bigint NOT NULL,
    UNIQUE (owner_id, asset, purpose, chain, provider, mode)
);

-- Apart from accounts, so that the row written at every posting is small and its updates stay
-- on their page.
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

CREATE TABLE journals (
    id          bigint PRIMARY KEY,
    batch       bigint NOT NULL,
    kind        text NOT NULL,
    receipt     bigint NOT NULL,
    initiator   bigint NOT NULL,
    ref         text NOT NULL,               -- the payment or request this belongs to, or ''
    description text NOT NULL,
    fees        text NOT NULL,               -- JSON of the fees borne, or ''
    quote_id    bigint NOT NULL,             -- the stored rate applied, or 0
    occurred_us bigint NOT NULL,
    recorded_us bigint NOT NULL,
    first_entry bigint NOT NULL,
    entry_count integer NOT NULL,
    hash        bytea NOT NULL               -- of this journal and the hash before it
);
CREATE INDEX journals_receipt ON journals (receipt);
CREATE INDEX journals_ref ON journals (ref) WHERE ref <> '';

CREATE TABLE entries (
    id            bigint PRIMARY KEY,
    journal_id    bigint NOT NULL,
    account_id    bigint NOT NULL,
    asset         text NOT NULL,
    sequence      bigint NOT NULL,           -- 1, 2, 3 … within the account
    amount        numeric(38, 0) NOT NULL CHECK (amount <> 0),  -- positive: balance up
    balance_after numeric(38, 0) NOT NULL,
    description   text NOT NULL,
    recorded_us   bigint NOT NULL
);
CREATE UNIQUE INDEX entries_account ON entries (account_id, recorded_us, sequence);

CREATE TABLE holds (
    id         bigint PRIMARY KEY,           -- the journal that placed it
    account_id bigint NOT NULL,
    amount     numeric(38, 0) NOT NULL CHECK (amount > 0),
    state      text NOT NULL CHECK (state IN ('placed', 'posted', 'voided')),
    closed_by  bigint NOT NULL DEFAULT 0     -- the journal that posted or voided it
);
CREATE INDEX holds_open ON holds (account_id) WHERE state = 'placed';

CREATE TABLE idempotency (
    scope       text NOT NULL,
    key         text NOT NULL,
    fingerprint bytea NOT NULL,
    outcome     bytea NOT NULL,
    recorded_us bigint NOT NULL,
    CONSTRAINT idempotency_key PRIMARY KEY (scope, key)
);
CREATE INDEX idempotency_age ON idempotency (recorded_us);

-- What a person, or a topic, is owed: read again by whoever resumes from an offset.
CREATE TABLE events (
    feed        text NOT NULL,
    id          bigint NOT NULL,             -- the offset
    body        bytea NOT NULL,
    recorded_us bigint NOT NULL,
    PRIMARY KEY (feed, id)
);
CREATE INDEX events_age ON events USING brin (recorded_us);

-- The database proves for itself that no journal is unbalanced. All entries of a journal are
-- inserted by one statement, so the check can look at what that statement inserted.
CREATE FUNCTION journals_sum_to_zero() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM fresh GROUP BY journal_id, asset HAVING sum(amount) <> 0) THEN
        RAISE EXCEPTION 'journal does not sum to zero' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER entries_sum_to_zero AFTER INSERT ON entries
    REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION journals_sum_to_zero();

CREATE FUNCTION is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME;
END $$;
CREATE TRIGGER journals_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON journals
    FOR EACH STATEMENT EXECUTE FUNCTION is_append_only();
CREATE TRIGGER entries_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON entries
    FOR EACH STATEMENT EXECUTE FUNCTION is_append_only();

-- Called in the batch statement with what must hold of it; a false one aborts the transaction.
CREATE FUNCTION must(holds boolean, what text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF NOT holds THEN
        RAISE EXCEPTION '% violated', what
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = what;
    END IF;
END $$;

-- Offset up to which events may have been purged: who resumes from before it must reload.
CREATE TABLE event_horizon (
    one       boolean PRIMARY KEY DEFAULT true CHECK (one),
    forgotten bigint NOT NULL
);
INSERT INTO event_horizon (forgotten) VALUES (0);
