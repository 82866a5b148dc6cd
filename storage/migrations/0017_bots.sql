-- Trading bots. Their money is in the ledger; what stands here is written with its journals.
-- Amounts are integers of 10^-8, times microseconds of the application clock.

CREATE TABLE bots (
    id              text PRIMARY KEY,
    user_id         bigint NOT NULL,
    name            text NOT NULL,
    platform        text NOT NULL,
    symbol          text NOT NULL,
    base            text NOT NULL,
    currency        text NOT NULL,
    trading_mode    text NOT NULL CHECK (trading_mode IN ('paper', 'live')),
    risk_mode       text NOT NULL,
    strategy        text NOT NULL,
    initial_capital numeric(38, 0) NOT NULL CHECK (initial_capital > 0),
    status          text NOT NULL CHECK (status IN ('created', 'active', 'paused', 'stopped')),
    note            text NOT NULL,           -- why it does not trade, or ''
    saved           text NOT NULL,           -- JSON: book, watch and strategy state
    created_us      bigint NOT NULL,
    deleted_us      bigint NOT NULL DEFAULT 0,
    revision        bigint NOT NULL DEFAULT 1
) WITH (fillfactor = 60);
CREATE INDEX bots_living ON bots (created_us, id) WHERE deleted_us = 0;

CREATE TABLE bot_trades (
    number   bigint PRIMARY KEY,             -- of the journal
    bot_id   text NOT NULL,
    user_id  bigint NOT NULL,
    platform text NOT NULL,
    symbol   text NOT NULL,
    currency text NOT NULL,
    side     text NOT NULL CHECK (side IN ('buy', 'sell')),
    amount   numeric(38, 0) NOT NULL CHECK (amount > 0),
    price    numeric(38, 0) NOT NULL CHECK (price > 0),
    cost     numeric(38, 0) NOT NULL,
    fee      numeric(38, 0) NOT NULL,
    profit   numeric(38, 0) NOT NULL,
    reason   text NOT NULL,
    at_us    bigint NOT NULL
);
CREATE INDEX bot_trades_user ON bot_trades (user_id, number);
CREATE INDEX bot_trades_bot ON bot_trades (bot_id, number);

-- Orders of live bots, from before they are sent until they are booked: at most one a bot.
CREATE TABLE bot_orders (
    client_order_id text PRIMARY KEY,
    bot_id          text NOT NULL,
    side            text NOT NULL CHECK (side IN ('buy', 'sell')),
    amount          numeric(38, 0) NOT NULL CHECK (amount > 0),
    reason          text NOT NULL,
    hold_id         bigint NOT NULL,
    hold_amount     numeric(38, 0) NOT NULL,
    sent_us         bigint NOT NULL,
    result          text NOT NULL DEFAULT '' -- '' while it is open
);
CREATE UNIQUE INDEX bot_orders_open ON bot_orders (bot_id) WHERE result = '';

-- A user's mode, and the kill switch; user 0 is everybody.
CREATE TABLE bot_users (
    user_id bigint PRIMARY KEY,
    mode    text NOT NULL DEFAULT 'testing'
            CHECK (mode IN ('testing', 'live_trading', 'autopilot')),
    killed  boolean NOT NULL DEFAULT false
);
