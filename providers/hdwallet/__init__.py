"""Keys of the chains out of one seed: BIP-39 words, BIP-32 derivation, secp256k1 signatures.

- `curve`: the few operations on secp256k1 we need, on OpenSSL (`cryptography`).
- `keys`: extended keys, private and watch-only.
- `wallet`: which path is whose: deposit addresses without private keys, the hot wallet.
"""
