-- Companies through which deposits and withdrawals in a local currency go. Read at start, in
-- this order; rows are configuration, changed by whoever runs the server.
CREATE TABLE partners (
    position                 integer NOT NULL UNIQUE,
    id                       text PRIMARY KEY,
    name                     text NOT NULL,
    service                  text NOT NULL CHECK (service IN ('mpesa', 'bank_transfer')),
    currency                 text NOT NULL,
    is_active                boolean NOT NULL,
    deposit_parts            integer NOT NULL CHECK (deposit_parts >= 0),     -- in ten thousand
    withdrawal_parts         integer NOT NULL CHECK (withdrawal_parts >= 0),
    minimum_fee              numeric(38, 0) NOT NULL CHECK (minimum_fee >= 0) -- units of USD
);
INSERT INTO partners VALUES
    (1, 'safaricom_mpesa', 'Safaricom M-Pesa', 'mpesa', 'KES', true, 50, 100, 50000000);
