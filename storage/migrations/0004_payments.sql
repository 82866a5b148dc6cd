-- One row a payment in flight or ended. Columns are what is searched by; `details` is the rest
-- of domain.payments.Payment as JSON.
CREATE SEQUENCE payment_ids;

CREATE TABLE payments (
    id               bigint PRIMARY KEY,
    ref              text NOT NULL CONSTRAINT payment_ref UNIQUE,
    kind             text NOT NULL,
    state            text NOT NULL,
    version          integer NOT NULL,
    user_id          bigint NOT NULL,
    receipt          bigint NOT NULL,
    callback_key     bytea,
    checkout         text CONSTRAINT payment_checkout UNIQUE,
    conversation     text CONSTRAINT payment_conversation UNIQUE,
    provider_receipt text CONSTRAINT payment_provider_receipt UNIQUE,
    created_us       bigint NOT NULL,
    details          bytea NOT NULL
);
CREATE INDEX payments_history ON payments (user_id, kind, id);
CREATE INDEX payments_open ON payments (id)
    WHERE state IN ('sending', 'pending', 'waiting', 'unknown');
CREATE UNIQUE INDEX payments_callback ON payments (callback_key) WHERE callback_key IS NOT NULL;
CREATE INDEX payments_receipt ON payments (receipt) WHERE receipt <> 0;

-- DEP-KES-20240127-001: one counter a prefix and UTC day over all currencies (CASH-C45).
CREATE TABLE reference_counters (
    prefix text NOT NULL,
    day    text NOT NULL,
    number bigint NOT NULL,
    PRIMARY KEY (prefix, day)
);

-- Raw callback bodies, stored before they are acknowledged.
CREATE TABLE callbacks (
    id          bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    source      text NOT NULL,               -- what kind of body: push, result, timeout, status …
    hash        text NOT NULL,
    key_hash    bytea NOT NULL,
    client      text NOT NULL,
    body        bytea NOT NULL,
    received_us bigint NOT NULL,
    handled     boolean NOT NULL DEFAULT false,
    verdict     text NOT NULL DEFAULT ''
);
CREATE INDEX callbacks_unhandled ON callbacks (id) WHERE NOT handled;

-- What an operator has to look at, and what became of it.
CREATE TABLE alerts (
    id         bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    kind       text NOT NULL,
    ref        text NOT NULL,
    message    text NOT NULL,
    raised_us  bigint NOT NULL,
    decision   text,
    decided_by bigint,
    note       text,
    decided_us bigint
);
CREATE INDEX alerts_open ON alerts (id) WHERE decision IS NULL;
