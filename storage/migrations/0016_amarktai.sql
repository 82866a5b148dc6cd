-- The Amarktai surface (document 004) beside its bots: keys, transfers between exchanges, chat.
-- Amounts are integers of 10^-8, times microseconds of the application clock.

-- Keys at exchanges, sealed (storage/crypto.py); a later test replaces them (AMKT-C13).
CREATE TABLE exchange_keys (
    user_id      bigint NOT NULL,
    platform     text NOT NULL,
    sealed       bytea NOT NULL,
    valid        boolean NOT NULL,
    checked_us   bigint NOT NULL,
    latency_ms   integer NOT NULL,
    can_withdraw boolean,                       -- NULL: the exchange does not say
    stored_us    bigint NOT NULL,
    PRIMARY KEY (user_id, platform)
);

-- Transfers between exchanges: held from the request on, until an operator has made them (C29).
CREATE TABLE fund_transfers (
    id             text PRIMARY KEY,
    user_id        bigint NOT NULL,
    from_provider  text NOT NULL,
    to_provider    text NOT NULL CHECK (to_provider <> from_provider),
    amount         numeric(38, 0) NOT NULL CHECK (amount > 0),
    asset          text NOT NULL,
    status         text NOT NULL CHECK (status IN ('pending', 'completed', 'rejected')),
    reason         text NOT NULL,
    correlation_id text NOT NULL,
    hold_id        bigint NOT NULL,             -- the journal that set the money aside
    created_us     bigint NOT NULL,
    decided_us     bigint NOT NULL,             -- 0: not yet
    CHECK ((decided_us = 0) = (status = 'pending'))
);
CREATE INDEX fund_transfers_user ON fund_transfers (user_id, created_us DESC, id);
CREATE INDEX fund_transfers_waiting ON fund_transfers (created_us) WHERE status = 'pending';

-- What was said to the assistant and by it; clearing forgets it.
CREATE TABLE chat_messages (
    id      bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    user_id bigint NOT NULL,
    role    text NOT NULL CHECK (role IN ('user', 'assistant')),
    content text NOT NULL,
    at_us   bigint NOT NULL
);
CREATE INDEX chat_messages_user ON chat_messages (user_id, id);

-- Actions the assistant proposed, each waiting for its own token; taking it deletes the row, so
-- it is carried out once (AMKT-C26). Only the token's hash is kept.
CREATE TABLE chat_proposals (
    token_hash bytea PRIMARY KEY,
    user_id    bigint NOT NULL,
    intent     bytea NOT NULL,                  -- JSON: exactly what was proposed
    expires_us bigint NOT NULL
);
CREATE INDEX chat_proposals_expiry ON chat_proposals (expires_us);
