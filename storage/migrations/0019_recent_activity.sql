-- How many transactions a person made in each hour: what was made since some moment is counted by
-- whole hours, and row by row only in the hour that moment cuts. Rows are never deleted, and the
-- time of one never changes.
CREATE TABLE nexus_hours (
    user_id bigint NOT NULL,
    hour    bigint NOT NULL,                    -- created_us / 3,600,000,000
    number  bigint NOT NULL,
    PRIMARY KEY (user_id, hour)
) WITH (fillfactor = 50);

INSERT INTO nexus_hours
SELECT user_id, created_us / 3600000000, count(*) FROM nexus_transactions GROUP BY 1, 2;

CREATE OR REPLACE FUNCTION nexus_transactions_counted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        PERFORM nexus_count(OLD, -1);
    ELSE
        INSERT INTO nexus_hours AS h VALUES (NEW.user_id, NEW.created_us / 3600000000, 1)
        ON CONFLICT (user_id, hour) DO UPDATE SET number = h.number + 1;
    END IF;
    PERFORM nexus_count(NEW, 1);
    RETURN NULL;
END $$;
