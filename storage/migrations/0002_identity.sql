-- Who exists, what they have proved, and what they are in the middle of proving. Times are
-- microseconds of the application clock.

-- Ids below this are the seeded people of contract.md; 0 is the platform.
CREATE SEQUENCE user_ids START 100000;

CREATE TABLE users (
    id                 bigint PRIMARY KEY CHECK (id > 0),
    object_id          text NOT NULL CONSTRAINT users_object_id UNIQUE
                       CHECK (object_id ~ '^[0-9a-f]{24}$'),
    email              text CONSTRAINT users_email UNIQUE CHECK (email = lower(email)),
    email_verified     boolean NOT NULL CHECK (NOT email_verified OR email IS NOT NULL),
    email_proved_us    bigint NOT NULL,         -- 0: never
    phone              text CHECK (phone ~ '^\+[0-9]{5,20}$'),
    phone_verified     boolean NOT NULL CHECK (NOT phone_verified OR phone IS NOT NULL),
    first_name         text NOT NULL,
    role               text NOT NULL CHECK (role IN ('user', 'admin')),
    token_version      bigint NOT NULL,
    wallet_active      boolean NOT NULL,
    wallet_address     text CHECK (wallet_address ~ '^0x[0-9A-Fa-f]{40}$'),
    deleted            boolean NOT NULL,
    created_us         bigint NOT NULL,
    last_login_us      bigint NOT NULL,         -- 0: never
    password_hash      text,
    totp_enabled       boolean NOT NULL CHECK (NOT totp_enabled OR totp_secret IS NOT NULL),
    totp_secret        bytea,                   -- encrypted (storage.crypto)
    totp_pending       bytea,                   -- encrypted; enrolled but not proved yet
    totp_pending_wrong integer NOT NULL,
    totp_last_step     bigint NOT NULL,         -- the newest time step a code was accepted for
    revision           bigint NOT NULL          -- counts writes: a stale writer touches no row
);
-- A phone is one person's once it is proved; a claim alone keeps nobody else away (X-C02, X-C03).
CREATE UNIQUE INDEX users_phone ON users (phone) WHERE phone_verified;
CREATE UNIQUE INDEX users_wallet_address ON users (lower(wallet_address));

CREATE TABLE agents (
    agent_id      text CONSTRAINT agents_id PRIMARY KEY,
    user_id       bigint NOT NULL CONSTRAINT agents_user UNIQUE REFERENCES users (id),
    name          text NOT NULL,
    phone         text NOT NULL,
    commission_bp integer NOT NULL CHECK (commission_bp BETWEEN 0 AND 10000),
    active        boolean NOT NULL
);

-- A registration waiting for its codes (NXPY-C05, NXPY-C06). Its id is that of the user it will
-- become unless it takes an unproved identity over; codes and attempts refer to it.
CREATE TABLE registrations (
    user_id       bigint PRIMARY KEY,
    email         text NOT NULL CONSTRAINT registrations_email UNIQUE,
    phone         text NOT NULL,
    password_hash text NOT NULL,
    verify_with   text NOT NULL CHECK (verify_with IN ('email', 'phone', 'both')),
    email_proved  boolean NOT NULL DEFAULT false,
    phone_proved  boolean NOT NULL DEFAULT false,
    created_us    bigint NOT NULL
);
CREATE INDEX registrations_phone ON registrations (phone, created_us);
CREATE INDEX registrations_age ON registrations (created_us);

-- A code that was sent; a new one for the same surface and purpose replaces it (X-C19).
CREATE TABLE codes (
    user_id    bigint NOT NULL,
    surface    text NOT NULL,
    purpose    text NOT NULL,
    channel    text NOT NULL,
    salt       bytea NOT NULL,
    code_hash  bytea NOT NULL,
    expires_us bigint NOT NULL,
    wrong      integer NOT NULL,
    PRIMARY KEY (user_id, surface, purpose)
);
CREATE INDEX codes_age ON codes (expires_us);

-- Failures and requests that count over time, by what they count.
CREATE TABLE attempts (
    user_id         bigint NOT NULL,
    name            text NOT NULL,
    marks           bigint[] NOT NULL,
    locked_until_us bigint NOT NULL,
    PRIMARY KEY (user_id, name)
);

CREATE TABLE verification_tokens (
    token_hash bytea PRIMARY KEY,
    user_id    bigint NOT NULL,
    purpose    text NOT NULL,
    method     text NOT NULL,
    expires_us bigint NOT NULL,
    used_us    bigint                           -- null: not spent yet
);
CREATE INDEX verification_tokens_age ON verification_tokens (expires_us);
