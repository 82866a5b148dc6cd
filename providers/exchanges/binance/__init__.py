"""Binance spot: HMAC-SHA256 over the query, bookTicker stream."""
