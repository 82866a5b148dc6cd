-- Reconciliation asks about reversals, too; without them in its index it read every payment.
DROP INDEX payments_recent;
CREATE INDEX payments_recent ON payments (created_us)
    WHERE kind IN ('partner_deposit', 'push', 'partner_withdrawal', 'payout', 'token_deposit',
                   'token_purchase', 'token_sale', 'token_bill', 'token_escrow', 'reversal');
