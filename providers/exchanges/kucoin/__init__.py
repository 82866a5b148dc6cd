"""KuCoin spot: HMAC-SHA256 over time, method, path and body; a passphrase; a ticker stream."""
