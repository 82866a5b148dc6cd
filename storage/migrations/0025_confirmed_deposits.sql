-- When a deposit was deep enough: a sweep that was begun before may have left it where it lies.
-- 0: confirmed before this was kept.
ALTER TABLE chain_deposits ADD COLUMN confirmed_us bigint NOT NULL DEFAULT 0;
