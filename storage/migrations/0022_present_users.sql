-- Whether somebody is there is asked for nearly every payment to whoever is not connected: answered
-- by this small index alone, without the people's rows.
CREATE INDEX users_present ON users (id) WHERE NOT deleted;
