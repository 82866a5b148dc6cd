-- Transactions as document 002 lists them: a row for each person that took part in one. Amounts
-- and rates are integers of 10^-8, times microseconds of the application clock, 0 for never.
CREATE TABLE nexus_transactions (
    transaction_id text NOT NULL,
    user_id        bigint NOT NULL,
    owner          boolean NOT NULL,            -- false: the recipient's row of a transfer
    object_id      text NOT NULL,               -- 24 hex digits of transaction_id's SHA-256
    type           text NOT NULL CHECK (type IN ('fiat_to_crypto', 'crypto_to_fiat',
                                  'crypto_to_paybill', 'crypto_to_till', 'token_transfer')),
    status         text NOT NULL CHECK (status IN ('pending', 'reserved', 'completed', 'failed',
                                                   'error')),
    operation      text NOT NULL,
    chain          text NOT NULL,
    token          text NOT NULL,
    amount         numeric(38, 0) NOT NULL,
    kes            numeric(38, 0) NOT NULL,     -- the value then
    usd            numeric(38, 0) NOT NULL,
    rate           numeric(38, 0) NOT NULL,     -- KES for one whole token then
    usd_rate       numeric(38, 0) NOT NULL,
    created_us     bigint NOT NULL,
    completed_us   bigint NOT NULL,
    tx_hash        text NOT NULL,
    block          bigint NOT NULL,             -- the journal
    mpesa_id       text NOT NULL,
    from_address   text NOT NULL,
    to_address     text NOT NULL,
    address        text NOT NULL,               -- this person's side of a transfer, lower case
    code           text NOT NULL,
    target         text NOT NULL,
    account        text NOT NULL,
    description    text NOT NULL,
    reason         text NOT NULL,
    balance        numeric(38, 0),
    retries        integer NOT NULL,
    last_retry_us  bigint NOT NULL,
    payment_id     bigint NOT NULL,
    CONSTRAINT nexus_transaction PRIMARY KEY (transaction_id, user_id)
);
-- Lists are counted and cut on the index alone, whatever they are filtered by.
CREATE INDEX nexus_transactions_history ON nexus_transactions (user_id, created_us, transaction_id)
    INCLUDE (status, type, chain, token);
CREATE INDEX nexus_transactions_all ON nexus_transactions (created_us, transaction_id)
    INCLUDE (status, type, user_id) WHERE owner;
CREATE INDEX nexus_transactions_object_id ON nexus_transactions (object_id);
CREATE INDEX nexus_transactions_address ON nexus_transactions (address, created_us, transaction_id)
    INCLUDE (chain, user_id) WHERE address <> '';

-- How many there are of each sort, kept by the trigger below: insights and totals read these.
CREATE TABLE nexus_totals (
    user_id bigint NOT NULL,
    owner   boolean NOT NULL,
    status  text NOT NULL,
    type    text NOT NULL,
    chain   text NOT NULL,
    token   text NOT NULL,
    number  bigint NOT NULL,
    usd     numeric(38, 0) NOT NULL,
    kes     numeric(38, 0) NOT NULL,
    PRIMARY KEY (user_id, owner, status, type, chain, token)
) WITH (fillfactor = 50);

CREATE FUNCTION nexus_count(t nexus_transactions, sign integer) RETURNS void LANGUAGE sql AS $$
    INSERT INTO nexus_totals AS n
    VALUES (t.user_id, t.owner, t.status, t.type, t.chain, t.token, sign, sign * t.usd,
            sign * t.kes)
    ON CONFLICT (user_id, owner, status, type, chain, token) DO UPDATE
    SET number = n.number + excluded.number, usd = n.usd + excluded.usd, kes = n.kes + excluded.kes
$$;
CREATE FUNCTION nexus_transactions_counted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        PERFORM nexus_count(OLD, -1);
    END IF;
    PERFORM nexus_count(NEW, 1);
    RETURN NULL;
END $$;
CREATE TRIGGER nexus_transactions_inserted AFTER INSERT ON nexus_transactions
    FOR EACH ROW EXECUTE FUNCTION nexus_transactions_counted();
-- Moves that change no sort and no value touch no total.
CREATE TRIGGER nexus_transactions_updated AFTER UPDATE ON nexus_transactions
    FOR EACH ROW WHEN ((OLD.status, OLD.chain, OLD.usd, OLD.kes)
                       IS DISTINCT FROM (NEW.status, NEW.chain, NEW.usd, NEW.kes))
    EXECUTE FUNCTION nexus_transactions_counted();

-- One business a person; `number` 0 while its upgrade waits for the code (NXPY-C34, NXPY-C35).
CREATE SEQUENCE merchant_numbers;

CREATE TABLE businesses (
    id           text PRIMARY KEY,
    user_id      bigint NOT NULL CONSTRAINT businesses_user UNIQUE,
    name         text NOT NULL,
    owner_name   text NOT NULL,
    location     text NOT NULL,
    type         text NOT NULL,
    phone        text NOT NULL,
    created_us   bigint NOT NULL,
    number       bigint NOT NULL DEFAULT 0,
    address      text NOT NULL DEFAULT '',
    completed_us bigint NOT NULL DEFAULT 0,
    CHECK ((number = 0) = (address = ''))
);
CREATE UNIQUE INDEX businesses_number ON businesses (number) WHERE number <> 0;
CREATE UNIQUE INDEX businesses_address ON businesses (lower(address)) WHERE address <> '';
