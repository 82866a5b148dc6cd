"""JSON-RPC over HTTP: moves bytes, times out, and maps the library's errors in one place."""

from collections.abc import Sequence
from typing import Any, Final, TypeVar

import httpx
import msgspec

from actors.chain_rail import ChainUnavailable
from providers.evm.wire import Request, Response

T = TypeVar("T")

TIMEOUT: Final = httpx.Timeout(connect=5.0, pool=5.0, write=5.0, read=10.0)
_encode: Final = msgspec.json.Encoder().encode
_responses: Final = msgspec.json.Decoder(list[Response]).decode


class RpcError(Exception):
    """The node answered that it will not. `code` and `message` are the node's."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"{message} ({code})")
        self.code = code
        self.message = message


Call = tuple[str, list[Any], type[Any]]


class EvmRpc:
    """One node. `url` may hold a key and is never logged."""

    def __init__(self, http: httpx.AsyncClient, url: str, timeout: httpx.Timeout = TIMEOUT) -> None:
        self._http = http
        self._url = url
        self._timeout = timeout

    async def call(self, method: str, params: list[Any], kind: type[T]) -> T:
        """One call. Raises RpcError, or ChainUnavailable when there is no answer to use."""
        answer: T | RpcError = (await self.batch([(method, params, kind)]))[0]
        if isinstance(answer, RpcError):
            raise answer
        return answer

    async def batch(self, calls: Sequence[Call]) -> list[Any]:
        """Answers in order, each a value of its type or an RpcError. Raises ChainUnavailable."""
        requests = [Request(method, params, n) for n, (method, params, _) in enumerate(calls)]
        try:
            response = await self._http.post(
                self._url,
                content=_encode(requests),
                headers={"content-type": "application/json"},
                timeout=self._timeout,
            )
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ChainUnavailable(type(error).__name__) from error
        if response.status_code != 200:
            raise ChainUnavailable(f"http {response.status_code}")
        try:
            answers = {answer.id: answer for answer in _responses(response.content)}
            return [_value(answers[n], kind) for n, (_, _, kind) in enumerate(calls)]
        except (msgspec.MsgspecError, KeyError, UnicodeDecodeError) as error:
            raise ChainUnavailable("unreadable answer") from error


def _value(answer: Response, kind: type[Any]) -> Any:
    if answer.error is not None:
        return RpcError(answer.error.code, answer.error.message)
    if not bytes(answer.result):
        raise ChainUnavailable("neither a result nor an error")
    return msgspec.json.decode(answer.result, type=kind)
