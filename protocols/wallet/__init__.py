"""The wallet surface: funding an NGN wallet with a one-time code (document 003)."""
