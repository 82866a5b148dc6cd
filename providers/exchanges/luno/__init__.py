"""Luno: HTTP Basic, form-encoded orders, an order-book stream that needs keys."""
