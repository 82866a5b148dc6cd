-- Hashes of the M-Pesa surface that somebody used with a token: theirs for ever (MPWS-C03).
CREATE TABLE mpesa_hashes (
    hash     text PRIMARY KEY,
    user_id  bigint NOT NULL,
    bound_us bigint NOT NULL
);
