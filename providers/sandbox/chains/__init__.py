"""Simulated chains: sixteen EVMs behind JSON-RPC, TRON behind TronGrid's HTTP, Bitcoin behind
Esplora's. Each makes a block every second of real time and remembers itself across restarts.

- `pace`: how high a chain is; nothing runs while nobody looks.
- `log`: what a chain remembers, appended to one file.
- `engine`: the EVM; imported when a chain first executes something.
- `evm_chain`, `evm_rpc`; `tron_chain`, `tron_http`; `bitcoin_chain`, `esplora`: one pair each.
- `simulator`: all of them behind one port, and the control hooks.
"""
