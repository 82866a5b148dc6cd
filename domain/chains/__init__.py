"""Chains: which there are, what they carry, what their addresses and amounts look like. No I/O.

- `table`: the chains; `tokens`: where each token lives on each chain.
- `addresses`: what a valid address is and its one canonical spelling; `base58`, `bech32`,
  `hashes` beneath it.
- `amounts`: raw token units and ledger units, exactly.
- `transfers`: deposits and withdrawals as they are stored and told.
"""
