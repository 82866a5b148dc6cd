-- One transfer of 0.01 USD, statement for statement what conventional.py does.
-- Variables: accounts (users 1 to :accounts pay), hot (1: all pay user :accounts + 1).
\set payer random(1, :accounts)
\if :hot
\set payee :accounts + 1
\else
\set payee 1 + (:payer + random(0, :accounts - 2)) % :accounts
\endif
BEGIN;
WITH locked AS MATERIALIZED (
    SELECT a.owner_id, b.account_id, b.credits_posted - b.debits_posted AS balance, b.sequence
    FROM accounts a JOIN balances b ON b.account_id = a.id
    WHERE a.owner_id IN (:payer, :payee) AND a.asset = 'USD' AND a.purpose = 'WALLET'
      AND a.chain = '' AND a.provider = '' AND a.mode = 'REAL'
    ORDER BY b.account_id FOR UPDATE OF b
)
SELECT p.account_id AS payer_account, p.balance AS payer_balance, p.sequence AS payer_sequence,
       r.account_id AS payee_account, r.balance AS payee_balance, r.sequence AS payee_sequence,
       (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now_us
FROM locked p, locked r WHERE p.owner_id = :payer AND r.owner_id = :payee
\gset
INSERT INTO journals (kind, initiator, ref, description, fees, quote_id, occurred_us, recorded_us)
VALUES ('transfer', :payer, '', 'Payment for services', '', 0, :now_us, :now_us)
RETURNING id AS journal
\gset
INSERT INTO entries (journal_id, account_id, asset, sequence, amount, balance_after, description,
                     recorded_us)
VALUES (:journal::bigint, :payer_account::bigint, 'USD', :payer_sequence::bigint + 1, -1000000,
        :payer_balance::numeric - 1000000, 'Payment for services', :now_us::bigint),
       (:journal::bigint, :payee_account::bigint, 'USD', :payee_sequence::bigint + 1, 1000000,
        :payee_balance::numeric + 1000000, 'Payment for services', :now_us::bigint);
INSERT INTO events (feed, body, recorded_us)
VALUES ('user ' || :payee::bigint, '{"type": "transfer_received", "data": {"from_user_id": "12345",
        "amount": 0.01, "currency": "USD", "description": "Payment for services",
        "receipt_code": "RCP-345678", "transfer_type": "p2p"}, "timestamp": 1706400000}', :now_us);
UPDATE balances SET debits_posted = debits_posted + 1000000, sequence = sequence + 1,
                    last_us = :now_us
WHERE account_id = :payer_account;
UPDATE balances SET credits_posted = credits_posted + 1000000, sequence = sequence + 1,
                    last_us = :now_us
WHERE account_id = :payee_account;
COMMIT;
