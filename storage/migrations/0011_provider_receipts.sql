-- Cash in the books by the provider's receipt: each once, whatever payment it was for and whether
-- it was credited or went to suspense. Amounts are integers of 10^-8, times microseconds.
CREATE TABLE provider_receipts (
    receipt    text CONSTRAINT provider_receipt PRIMARY KEY,
    payment_id bigint NOT NULL,
    amount     numeric(38, 0) NOT NULL CHECK (amount > 0),
    booked_us  bigint NOT NULL
);
CREATE INDEX provider_receipts_payment ON provider_receipts (payment_id);
INSERT INTO provider_receipts (receipt, payment_id, amount, booked_us)
SELECT provider_receipt, id, (convert_from(details, 'UTF8')::jsonb ->> 'local_amount')::numeric,
       created_us
FROM payments WHERE provider_receipt IS NOT NULL;

-- Payments whose provider may not have been asked yet are looked for every few seconds.
CREATE INDEX payments_sending ON payments (id) WHERE state = 'sending';
-- What operators decide about.
CREATE INDEX payments_review ON payments (id) WHERE state = 'under_review';
