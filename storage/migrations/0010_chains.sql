-- Chains: one seed, addresses given out, deposits found, withdrawals and what was signed for them.
-- Raw amounts are token units of the chain (up to 2^256), units are 10⁻⁸. Times are microseconds
-- of the application clock.

CREATE TABLE wallet_seeds (
    id         integer PRIMARY KEY CHECK (id = 1),
    sealed     bytea NOT NULL,               -- BIP-39 words, encrypted (storage.crypto)
    created_us bigint NOT NULL
);

-- Whose an address is. Shared by all chains of a family.
CREATE TABLE chain_addresses (
    family     text NOT NULL,
    address    text NOT NULL,                -- canonical spelling
    owner      bigint NOT NULL,
    purpose    text NOT NULL,
    created_us bigint NOT NULL,
    PRIMARY KEY (family, address)
);

-- How far each chain has been read; the newest hashes find where a reorganisation began.
CREATE TABLE chain_cursors (
    chain  text PRIMARY KEY,
    block  bigint NOT NULL,
    hashes text[] NOT NULL                   -- of the blocks up to `block`, oldest first
);

CREATE TABLE chain_deposits (
    id         bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    chain      text NOT NULL,
    tx_hash    text NOT NULL,
    token      text NOT NULL,
    ordinal    integer NOT NULL,
    address    text NOT NULL,
    owner      bigint NOT NULL,
    purpose    text NOT NULL,
    amount_raw numeric(78, 0) NOT NULL CHECK (amount_raw > 0),
    block      bigint NOT NULL,
    block_hash text NOT NULL,
    state      text NOT NULL CHECK (state IN ('seen', 'confirmed', 'retracted', 'reversed')),
    counted    boolean NOT NULL DEFAULT false,  -- units are set and the dust is in chain_dust
    units      numeric(40, 0) NOT NULL DEFAULT 0,
    told       text NOT NULL DEFAULT '',        -- the newest state that was told
    seen_us    bigint NOT NULL,
    CONSTRAINT chain_deposit UNIQUE (chain, tx_hash, token, ordinal)
);
CREATE INDEX chain_deposits_unsettled ON chain_deposits (chain, block) WHERE state = 'seen';
CREATE INDEX chain_deposits_recent ON chain_deposits (chain, block);
CREATE INDEX chain_deposits_untold ON chain_deposits (chain, id) WHERE told <> state;
CREATE INDEX chain_deposits_address ON chain_deposits (address, id);

-- What confirmed deposits were worth beyond the ledger's decimals, until it adds up.
CREATE TABLE chain_dust (
    owner   bigint NOT NULL,
    purpose text NOT NULL,
    chain   text NOT NULL,
    token   text NOT NULL,
    raw     numeric(78, 0) NOT NULL CHECK (raw >= 0),
    PRIMARY KEY (owner, purpose, chain, token)
);

CREATE TABLE chain_withdrawals (
    id         text PRIMARY KEY,             -- the caller's
    number     bigint NOT NULL GENERATED ALWAYS AS IDENTITY,  -- the order they are paid in
    chain      text NOT NULL,
    token      text NOT NULL,
    address    text NOT NULL,
    amount_raw numeric(78, 0) NOT NULL CHECK (amount_raw > 0),
    state      text NOT NULL CHECK (state IN
        ('queued', 'signed', 'sent', 'confirmed', 'failed', 'refused', 'stuck')),
    tx_hash    text NOT NULL DEFAULT '',
    reason     text NOT NULL DEFAULT '',
    block      bigint NOT NULL DEFAULT 0,
    fee_raw    numeric(78, 0) NOT NULL DEFAULT 0,
    told       text NOT NULL DEFAULT '',
    created_us bigint NOT NULL
);
CREATE INDEX chain_withdrawals_open ON chain_withdrawals (chain, number)
    WHERE state IN ('queued', 'signed', 'sent');
CREATE INDEX chain_withdrawals_untold ON chain_withdrawals (chain, number) WHERE told <> state;

-- Everything ever signed, stored before it was sent. Versions after 0 are fee bumps.
CREATE TABLE chain_transactions (
    withdrawal_id text NOT NULL REFERENCES chain_withdrawals (id),
    version       integer NOT NULL,
    chain         text NOT NULL,
    tx_hash       text NOT NULL,
    raw           bytea NOT NULL,
    terms         bytea NOT NULL,
    signed_us     bigint NOT NULL,
    sent_us       bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (withdrawal_id, version),
    CONSTRAINT chain_transaction_hash UNIQUE (chain, tx_hash)
);

-- What signed transactions use up: a nonce, or coins. Two withdrawals never share one, and the
-- database, not only the actor, says so.
CREATE TABLE chain_slots (
    chain         text NOT NULL,
    slot          text NOT NULL,
    withdrawal_id text NOT NULL REFERENCES chain_withdrawals (id),
    CONSTRAINT chain_slot PRIMARY KEY (chain, slot)
);
CREATE INDEX chain_slots_withdrawal ON chain_slots (withdrawal_id);
