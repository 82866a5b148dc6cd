-- Cash paid to us unasked, beside its row in provider_receipts (whose payment_id is then 0).
-- Amounts are integers of 10^-8 KES, times microseconds of the application clock.
CREATE TABLE mpesa_incoming (
    receipt   text PRIMARY KEY,
    amount    numeric(38, 0) NOT NULL CHECK (amount > 0),
    shortcode text NOT NULL,
    reference text NOT NULL,                   -- what the payer typed
    phone     text NOT NULL,                   -- may be masked
    payer     text NOT NULL,
    paid_at   text NOT NULL,                   -- as the provider wrote it
    state     text NOT NULL CHECK (state IN ('credited', 'suspense')),
    booked_us bigint NOT NULL
);

-- A push's prompt shows these 12 characters; unasked cash and pulled rows name them again.
CREATE INDEX payments_reference ON payments (right(ref, 12))
    WHERE kind IN ('partner_deposit', 'push');
-- What reconciliation looks at.
CREATE INDEX payments_recent ON payments (created_us)
    WHERE kind IN ('partner_deposit', 'push', 'partner_withdrawal', 'payout');
