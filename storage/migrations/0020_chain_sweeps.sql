-- What deposits and payments cost on their chains, who sent a deposit, and the collecting of
-- deposits into the hot wallet. `fee_raw` is in raw units of the chain's own coin.

ALTER TABLE chain_deposits
    ADD COLUMN sender   text NOT NULL DEFAULT '',   -- '' where the chain has no single one
    ADD COLUMN gas_used bigint NOT NULL DEFAULT 0,
    ADD COLUMN fee_raw  numeric(78, 0) NOT NULL DEFAULT 0;
CREATE INDEX chain_deposits_found ON chain_deposits (chain, address, token)
    WHERE state = 'confirmed' AND block > 0;

-- A payout leaves the hot wallet to the outside, a sweep a deposit address for the hot wallet,
-- gas the hot wallet for a deposit address. `source` is the address it leaves from, '' the hot
-- wallet's; `source_key` names the key of another ("cashier/12345").
ALTER TABLE chain_withdrawals
    ADD COLUMN kind       text NOT NULL DEFAULT 'payout' CHECK (kind IN ('payout', 'sweep', 'gas')),
    ADD COLUMN source     text NOT NULL DEFAULT '',
    ADD COLUMN source_key text NOT NULL DEFAULT '',
    ADD COLUMN gas_used   bigint NOT NULL DEFAULT 0;
-- Nobody collects twice from an address at the same time, whoever asks and however often.
CREATE UNIQUE INDEX chain_sweep_open ON chain_withdrawals (chain, source)
    WHERE kind = 'sweep' AND state IN ('queued', 'signed', 'sent', 'stuck');
CREATE INDEX chain_sweeps ON chain_withdrawals (chain, source, token) WHERE kind = 'sweep';
CREATE INDEX chain_sweeps_newest ON chain_withdrawals (number) WHERE kind <> 'payout';
-- What was paid in blocks that the chain has dropped since.
CREATE INDEX chain_withdrawals_block ON chain_withdrawals (chain, block) WHERE block > 0;
