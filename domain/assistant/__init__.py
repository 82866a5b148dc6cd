"""The assistant without any model: what a message asks for, and what is answered. Pure.

Whatever a person writes, and whatever their bots are called, ends in one of the typed intents.
An intent that changes something is only ever proposed; its token carries it out (AMKT-C26).
"""
