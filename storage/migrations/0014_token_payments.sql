-- Token payments of document 002: their rows in the history follow them here, in whichever
-- transaction they move, so that the two can never disagree. Types, states and short names as in
-- domain/nexuspay/token_payments.
CREATE FUNCTION nexus_payment_moved() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    d         jsonb := convert_from(NEW.details, 'UTF8')::jsonb;
    is_till   boolean := d ->> 'partner' = 'till';
    completed boolean := NEW.state = 'completed';
BEGIN
    INSERT INTO nexus_transactions AS t (
        transaction_id, user_id, owner, object_id, type, status, operation, chain, token, amount,
        kes, usd, rate, usd_rate, created_us, completed_us, tx_hash, block, mpesa_id,
        from_address, to_address, address, code, target, account, description, reason, balance,
        retries, last_retry_us, payment_id)
    VALUES (
        NEW.ref, NEW.user_id, true,
        left(encode(sha256(convert_to(NEW.ref, 'UTF8')), 'hex'), 24),
        CASE WHEN NEW.kind IN ('token_deposit', 'token_purchase') THEN 'fiat_to_crypto'
             WHEN NEW.kind = 'token_sale' THEN 'crypto_to_fiat'
             WHEN is_till THEN 'crypto_to_till'
             ELSE 'crypto_to_paybill' END,
        CASE WHEN completed THEN 'completed'
             WHEN NEW.state IN ('failed', 'cancelled', 'expired') THEN 'failed'
             WHEN NEW.state = 'under_review' THEN 'error'
             WHEN NEW.kind = 'token_purchase' THEN 'reserved'
             ELSE 'pending' END,
        CASE NEW.kind WHEN 'token_deposit' THEN 'deposit'
                      WHEN 'token_purchase' THEN 'buy_crypto'
                      WHEN 'token_sale' THEN 'withdraw'
                      WHEN 'token_escrow' THEN 'pay_with_crypto'
                      ELSE CASE WHEN is_till THEN 'till' ELSE 'paybill' END END,
        d ->> 'chain', d ->> 'asset', (d ->> 'amount')::numeric, (d ->> 'local_amount')::numeric,
        (d ->> 'usd_amount')::numeric, (d ->> 'rate')::numeric, (d ->> 'usd_rate')::numeric,
        NEW.created_us,
        CASE WHEN completed THEN (d ->> 'completed_us')::bigint ELSE 0 END,
        CASE WHEN completed
             THEN '0x' || encode(sha256(convert_to('transfer:' || NEW.ref, 'UTF8')), 'hex')
             ELSE '' END,
        0,
        COALESCE(NEW.provider_receipt, NEW.checkout, NEW.conversation, ''),
        '', '', '',
        d ->> 'success_code',
        d ->> 'bill', d ->> 'bill_account', d ->> 'description', d ->> 'reason',
        NULL, (d ->> 'retries')::integer, (d ->> 'last_retry_us')::bigint, NEW.id)
    ON CONFLICT ON CONSTRAINT nexus_transaction DO UPDATE
    SET status = excluded.status, amount = excluded.amount, kes = excluded.kes,
        usd = excluded.usd, rate = excluded.rate, usd_rate = excluded.usd_rate,
        completed_us = excluded.completed_us, tx_hash = excluded.tx_hash,
        mpesa_id = excluded.mpesa_id, reason = excluded.reason, retries = excluded.retries,
        last_retry_us = excluded.last_retry_us;
    RETURN NULL;
END $$;
CREATE TRIGGER payments_nexus_transaction AFTER INSERT OR UPDATE ON payments
    FOR EACH ROW WHEN (NEW.kind LIKE 'token\_%') EXECUTE FUNCTION nexus_payment_moved();

-- Reconciliation looks at them too.
DROP INDEX payments_reference, payments_recent;
CREATE INDEX payments_reference ON payments (right(ref, 12))
    WHERE kind IN ('partner_deposit', 'push', 'token_deposit', 'token_purchase');
CREATE INDEX payments_recent ON payments (created_us)
    WHERE kind IN ('partner_deposit', 'push', 'partner_withdrawal', 'payout', 'token_deposit',
                   'token_purchase', 'token_sale', 'token_bill', 'token_escrow');
