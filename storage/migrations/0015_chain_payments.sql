-- Tokens sent over a chain are payments too, and stand in the history as transfers of their sender.
CREATE OR REPLACE FUNCTION nexus_payment_moved() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    d         jsonb := convert_from(NEW.details, 'UTF8')::jsonb;
    is_till   boolean := d ->> 'partner' = 'till';
    is_send   boolean := NEW.kind = 'token_send';
    completed boolean := NEW.state = 'completed';
    sender    text := '';
BEGIN
    IF is_send THEN
        SELECT COALESCE(wallet_address, '') INTO sender FROM users WHERE id = NEW.user_id;
    END IF;
    INSERT INTO nexus_transactions AS t (
        transaction_id, user_id, owner, object_id, type, status, operation, chain, token, amount,
        kes, usd, rate, usd_rate, created_us, completed_us, tx_hash, block, mpesa_id,
        from_address, to_address, address, code, target, account, description, reason, balance,
        retries, last_retry_us, payment_id)
    VALUES (
        NEW.ref, NEW.user_id, true,
        left(encode(sha256(convert_to(NEW.ref, 'UTF8')), 'hex'), 24),
        CASE WHEN is_send THEN 'token_transfer'
             WHEN NEW.kind IN ('token_deposit', 'token_purchase') THEN 'fiat_to_crypto'
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
                      WHEN 'token_send' THEN 'send'
                      ELSE CASE WHEN is_till THEN 'till' ELSE 'paybill' END END,
        d ->> 'chain', d ->> 'asset', (d ->> 'amount')::numeric, (d ->> 'local_amount')::numeric,
        (d ->> 'usd_amount')::numeric, (d ->> 'rate')::numeric, (d ->> 'usd_rate')::numeric,
        NEW.created_us,
        CASE WHEN completed THEN (d ->> 'completed_us')::bigint ELSE 0 END,
        CASE WHEN is_send AND NEW.conversation IS NOT NULL THEN NEW.conversation
             WHEN completed
             THEN '0x' || encode(sha256(convert_to('transfer:' || NEW.ref, 'UTF8')), 'hex')
             ELSE '' END,
        0,
        CASE WHEN is_send THEN ''
             ELSE COALESCE(NEW.provider_receipt, NEW.checkout, NEW.conversation, '') END,
        sender,
        CASE WHEN is_send THEN d ->> 'address' ELSE '' END,
        lower(sender),
        d ->> 'success_code',
        CASE WHEN is_send THEN d ->> 'address' ELSE d ->> 'bill' END,
        d ->> 'bill_account', d ->> 'description', d ->> 'reason',
        NULL, (d ->> 'retries')::integer, (d ->> 'last_retry_us')::bigint, NEW.id)
    ON CONFLICT ON CONSTRAINT nexus_transaction DO UPDATE
    SET status = excluded.status, amount = excluded.amount, kes = excluded.kes,
        usd = excluded.usd, rate = excluded.rate, usd_rate = excluded.usd_rate,
        completed_us = excluded.completed_us, tx_hash = excluded.tx_hash,
        mpesa_id = excluded.mpesa_id, reason = excluded.reason, retries = excluded.retries,
        last_retry_us = excluded.last_retry_us;
    RETURN NULL;
END $$;

-- Requests that a deposit from a chain may be for.
CREATE INDEX payments_waiting ON payments (user_id, kind, id) WHERE state = 'waiting';
