"""EVM chains over JSON-RPC: blocks and transfers read, EIP-1559 payments signed and followed."""
