"""OVEX: request for quote with a bearer key; no order book, no stream, no client order ids."""
