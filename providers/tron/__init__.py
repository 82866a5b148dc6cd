"""TRON over TronGrid's HTTP: blocks and transfers read, payments built, signed and followed.

Transactions are built here, never by the node, so there is nothing to compare before signing.
"""
