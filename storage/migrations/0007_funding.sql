-- Wallet fundings (document 003): one row each, from the request to its end. Amounts are integers
-- of 10^-8 NGN, times microseconds of the application clock.
CREATE TABLE fundings (
    reference      text PRIMARY KEY CHECK (reference ~ '^FUND-[0-9]{13}-[a-z0-9]{8}$'),
    user_id        bigint NOT NULL,
    amount         numeric(38, 0) NOT NULL CHECK (amount > 0),
    email          text NOT NULL,               -- where its code went
    state          text NOT NULL CHECK (state IN ('pending', 'cleared', 'under_review',
                                                  'completed', 'failed', 'rejected', 'void')),
    version        integer NOT NULL,            -- counts moves: a stale writer touches no row
    signals        text NOT NULL,               -- fraud signals, comma-separated
    review         boolean NOT NULL,            -- whether an operator decides after the code
    created_us     bigint NOT NULL,
    proved_us      bigint NOT NULL,             -- when its code was right; 0: not yet
    transaction_ms bigint NOT NULL,             -- the number in TXN-…; 0: not yet
    collected      boolean NOT NULL,
    source_ref     text NOT NULL,
    CHECK ((proved_us = 0) = (state IN ('pending', 'void'))),
    CHECK ((transaction_ms = 0) = (proved_us = 0)),
    CHECK (state <> 'completed' OR collected)
);
-- A person has one funding that waits for a code (WOTP-C11).
CREATE UNIQUE INDEX fundings_pending ON fundings (user_id) WHERE state = 'pending';
CREATE UNIQUE INDEX fundings_transaction ON fundings (transaction_ms) WHERE transaction_ms <> 0;
CREATE INDEX fundings_unsettled ON fundings (user_id) WHERE state = 'cleared';
CREATE INDEX fundings_review ON fundings (proved_us) WHERE state = 'under_review';
CREATE INDEX fundings_day ON fundings (user_id, proved_us)
    WHERE state IN ('cleared', 'under_review', 'completed');
