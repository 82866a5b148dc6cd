"""A simulated Safaricom: Daraja's API over loopback HTTP, with rules for what goes wrong."""
