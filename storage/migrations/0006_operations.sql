-- What the installation itself remembers: the sandbox's clock offset, what was seeded.
CREATE TABLE installation (
    name  text PRIMARY KEY,
    value text NOT NULL
);
