-- Quotes that stand for orders at an exchange without client order ids, kept before they are
-- accepted. Amounts are integers of 10^-8, times microseconds of the application clock.
CREATE TABLE exchange_quotes (
    platform        text NOT NULL,
    client_order_id text NOT NULL,
    token           text NOT NULL,
    symbol          text NOT NULL,
    side            text NOT NULL CHECK (side IN ('buy', 'sell')),
    base            numeric(38, 0) NOT NULL CHECK (base > 0),
    quote           numeric(38, 0) NOT NULL CHECK (quote > 0),
    requested_us    bigint NOT NULL,
    expires_us      bigint NOT NULL,
    PRIMARY KEY (platform, client_order_id)
);
