-- Payouts that the provider paid after their money had been given back: operators decide who bears
-- it. Those that lie in suspense already are decided like the next ones.
ALTER TABLE payments ADD COLUMN contested boolean NOT NULL DEFAULT false;
UPDATE payments
SET contested = true,
    details = convert_to(
        (convert_from(details, 'UTF8')::jsonb || '{"contested": true}')::text, 'UTF8')
WHERE state = 'failed'
  AND kind IN ('partner_withdrawal', 'payout', 'token_sale', 'token_bill', 'token_escrow',
               'reversal')
  AND (convert_from(details, 'UTF8')::jsonb ->> 'cash')::numeric > 0;
CREATE INDEX payments_contested ON payments (id) WHERE contested;
