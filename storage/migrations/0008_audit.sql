-- What operators did, written with what it changed and never changed again.
CREATE TABLE audit_log (
    id          bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    at_us       bigint NOT NULL,
    operator_id bigint NOT NULL,
    how         text NOT NULL,                  -- how the operator had logged in
    action      text NOT NULL,
    subject     text NOT NULL,
    note        text NOT NULL
);
CREATE INDEX audit_log_subject ON audit_log (subject, id);
CREATE TRIGGER audit_log_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION is_append_only();
