"""The only folder with SQL or a database driver.

    driver.py    psycopg 3 on Trio: TrioConnection
    pool.py      Pool: fetch, fetch_one, execute, connection, transaction
    errors.py    Unavailable, OutcomeUnknown, UniqueViolation, ConstraintViolation
    migrate.py   applies migrations/NNNN_name.sql in order
    embedded/    a PostgreSQL of our own under DATA_DIR

Beside these stands one module per table family: SQL constants above the one function that runs
each, structs in and out. PostgreSQL is the only dialect; amounts are integers of 10⁻⁸.
"""
