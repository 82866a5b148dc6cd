"""What the assistant needs of a language model; implemented by providers.assistant."""

from collections.abc import Sequence
from typing import Protocol

from domain.assistant.intents import Intent, NamedBot


class ModelFailed(Exception):
    """The model gave no intent that can be used; the text names no secret."""


class Model(Protocol):
    """Something that understands more than the grammar."""

    async def understand(self, text: str, bots: Sequence[NamedBot]) -> Intent:
        """An intent about these bots only, never a Confirm. Raises ModelFailed."""
        ...
