"""Pure rules of document 002: chains and tokens, transactions, pages, addresses, codes."""
