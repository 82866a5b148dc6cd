-- Surfaces may keep administrators of their own (X-C08).
ALTER TABLE users DROP CONSTRAINT users_role_check;
ALTER TABLE users ADD CONSTRAINT users_role_check
    CHECK (role IN ('user', 'admin', 'nexuspay_admin'));
