"""The M-Pesa surface: its documented endpoints, where every mobile-money callback comes in."""
