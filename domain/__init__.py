"""Pure rules of money, identity and payments: no I/O, no clock, no framework."""
