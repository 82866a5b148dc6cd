"""What the messaging providers over HTTP have in common: one exchange, and what it proves.

Nothing sent, refused, or unknown: the difference decides whether a message may be sent again,
so the library's errors are told apart here and nowhere else.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import httpx

from actors.messenger import Again, Outcome, Refused, Unknown

TIMEOUT: Final = httpx.Timeout(connect=5.0, pool=5.0, write=5.0, read=10.0)
# Every answer of a messaging provider is a few hundred bytes; more is not an answer.
_MAX_ANSWER_BYTES: Final = 64 * 1024
_PHONE_DIGITS: Final = range(8, 16)  # E.164: fifteen at most; nothing dialable is under eight


@dataclass(frozen=True, slots=True)
class Post:
    """An HTTP POST ready to go. Headers and body hold credentials and texts."""

    url: str
    headers: dict[str, str] = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer."""

    status: int
    body: bytes = field(repr=False)


async def exchange(
    http: httpx.AsyncClient, post: Post, timeout: httpx.Timeout = TIMEOUT
) -> Answer | Refused | Unknown:
    """Send `post` once; an answer with any status is an Answer."""
    try:
        async with http.stream(
            "POST", post.url, headers=post.headers, content=post.body, timeout=timeout
        ) as response:
            body = bytearray()
            # Read to the end though not kept: httpx's iterators cannot be left early on Trio,
            # and the messenger's deadline ends what does not end by itself.
            async for chunk in response.aiter_bytes():
                if len(body) <= _MAX_ANSWER_BYTES:
                    body += chunk
            if len(body) > _MAX_ANSWER_BYTES:
                return Unknown("answer too long")
            return Answer(response.status_code, bytes(body))
    except (httpx.ConnectTimeout, httpx.PoolTimeout) as error:
        return Refused(f"no connection: {type(error).__name__}", Again.LATER)
    except (httpx.ConnectError, httpx.ProxyError) as error:
        return Refused(f"no connection: {type(error).__name__}", Again.NOW)
    except (httpx.UnsupportedProtocol, httpx.LocalProtocolError, httpx.InvalidURL) as error:
        return Refused(f"not sendable: {type(error).__name__}")
    except httpx.HTTPError as error:
        return Unknown(type(error).__name__)


async def delivered(
    http: httpx.AsyncClient,
    request: Post | Refused,
    decode: Callable[[Answer], Outcome],
    timeout: httpx.Timeout = TIMEOUT,
) -> Outcome:
    """What became of a message: why there is no request for it, or what its answer proves."""
    if isinstance(request, Refused):
        return request
    answer = await exchange(http, request, timeout)
    return decode(answer) if isinstance(answer, Answer) else answer


def unreadable(provider: str, status: int) -> Outcome:
    """What a status proves when the body is not in the provider's own words.

    4xx and 503 say that nothing was done; behind 2xx, 500 or a gateway's 502 and 504 the
    message may well be on its way.
    """
    reason = f"{provider} http {status}"
    if status in {429, 503}:
        return Refused(reason, Again.LATER)
    if 300 <= status < 500:
        return Refused(reason)
    return Unknown(reason)


def refused(provider: str, code: object, status: int) -> Refused:
    """The provider's own refusal; what is its own trouble may be over later."""
    again = Again.LATER if status == 429 or status >= 500 else Again.NEVER
    return Refused(f"{provider} {code}", again)


def e164(phone: str) -> str | None:
    """ "+254712345678" of a number with or without "+", or None if it is not one."""
    digits = phone.removeprefix("+")
    if not (digits.isascii() and digits.isdigit() and len(digits) in _PHONE_DIGITS):
        return None
    return f"+{digits}"
