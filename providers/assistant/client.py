"""A language model over HTTP; the one place where the library's errors become ours."""

from collections.abc import Sequence
from typing import Final

import httpx
import trio

from actors.assistant_model import ModelFailed
from domain.assistant.intents import Intent, NamedBot
from providers.assistant import codec

TIMEOUT_S: Final = 5.0  # a person waits for the answer, and the grammar is there
_LARGEST_ANSWER_BYTES: Final = 256 * 1024


class ChatModel:
    """Implements actors.assistant_model.Model; `http` belongs to the caller and must stay open."""

    def __init__(
        self, http: httpx.AsyncClient, settings: codec.Settings, timeout_s: float = TIMEOUT_S
    ) -> None:
        self._http = http
        self._settings = settings
        self._timeout_s = timeout_s

    async def understand(self, text: str, bots: Sequence[NamedBot]) -> Intent:
        """Ask once; nothing depends on the answer, so nothing is tried again."""
        body = codec.encode(self._settings, text, bots)
        headers = {"Content-Type": "application/json"}
        if self._settings.api_key:
            headers["Authorization"] = f"Bearer {self._settings.api_key}"
        try:
            with trio.fail_after(self._timeout_s):
                answer = await self._http.post(self._settings.url, content=body, headers=headers)
        except trio.TooSlowError as error:
            raise ModelFailed("timeout") from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ModelFailed(type(error).__name__) from error
        if answer.status_code != httpx.codes.OK:
            raise ModelFailed(f"http {answer.status_code}")
        if len(answer.content) > _LARGEST_ANSWER_BYTES:
            raise ModelFailed("answer too long")
        return codec.decode(answer.content, text, bots)
