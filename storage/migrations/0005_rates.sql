-- Every rate that was ever given out to be applied: journals.quote_id and fx_rate_id refer here.
CREATE TABLE fx_quotes (
    id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    base  text NOT NULL,
    quote text NOT NULL,
    rate  bigint NOT NULL CHECK (rate > 0),  -- units of 10^-8 of quote for one whole base
    at_us bigint NOT NULL                    -- when the source said so
);
CREATE TRIGGER fx_quotes_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON fx_quotes
    FOR EACH STATEMENT EXECUTE FUNCTION is_append_only();
