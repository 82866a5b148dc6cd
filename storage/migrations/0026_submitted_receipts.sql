-- Receipts by which customers completed purchases (NXPY-C27). Whose cash they are is in
-- provider_receipts once the provider has said so, which may be another purchase of theirs.
CREATE TABLE submitted_receipts (
    receipt    text PRIMARY KEY,
    payment_id bigint NOT NULL
);
