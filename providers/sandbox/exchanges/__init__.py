"""Simulated exchanges: one engine, and per exchange its real wire format over loopback."""
