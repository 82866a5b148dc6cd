"""Bitcoin over Esplora: blocks read, P2WPKH payments signed, replaced (BIP-125), followed."""
