"""Sandbox control (contract.md): mounted in sandbox mode only, without authentication."""
