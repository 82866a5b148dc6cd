"""Bitcoin over Esplora's HTTP: blocks read, P2WPKH payments signed, replaced (BIP-125), followed."""
