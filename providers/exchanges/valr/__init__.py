"""VALR: HMAC-SHA512 over time, verb, path and body; orders decided after they are accepted."""
