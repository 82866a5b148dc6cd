"""Safaricom M-Pesa through its Daraja API."""
