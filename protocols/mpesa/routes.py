"""The HTTP endpoints a client calls (document 001, "HTTP Endpoints"; MPWS-C05, MPWS-C06)."""

from collections.abc import Awaitable, Callable
from typing import Final

import msgspec
import structlog
from msgspec import UNSET

from protocols.http import JSON, Request, Response
from protocols.mpesa import codec, pushes, withdrawals
from protocols.mpesa.admission import admitted, identify, without_hash
from protocols.mpesa.callbacks import CallbackHandler
from protocols.mpesa.errors import Refused, unavailable
from protocols.mpesa.events import PENDING
from protocols.mpesa.service import Mpesa
from protocols.mpesa.wire import (
    Done,
    ErrorBody,
    Failed,
    Order,
    PushData,
    PushDone,
    QueueData,
    QueueDone,
    QueueQuery,
    TokenQuery,
)
from protocols.web import Route

log = structlog.get_logger(__name__)

_MAX_BODY: Final = 64 * 1024
_REPLAYED: Final = (("Idempotent-Replayed", "true"),)

Endpoint = Callable[[Request], Awaitable[Response]]


def client_routes(mpesa: Mpesa, timeouts: CallbackHandler) -> tuple[Route, ...]:
    """`timeouts` takes the provider's notices, which share a path with orders."""
    endpoints = Endpoints(mpesa, timeouts)
    return (
        Route(
            "POST",
            "/api/v1/mpesa/stk/push",
            endpoints.push,
            body=Order,
            response=PushDone,
            query=TokenQuery,
            keyed=True,
            summary="Initiate an STK push",
            max_body=_MAX_BODY,
        ),
        Route(
            "POST",
            "/api/v1/mpesa/b2c/queue/:hash",
            endpoints.queue,
            body=Order,
            response=QueueDone,
            query=QueueQuery,
            keyed=True,
            summary="Queue a withdrawal; also the provider's queue timeout",
            max_body=_MAX_BODY,
        ),
    )


class Endpoints:
    """Handlers; every one answers Refused in the surface's shape."""

    def __init__(self, mpesa: Mpesa, timeouts: CallbackHandler) -> None:
        self._mpesa = mpesa
        self._timeouts = timeouts

    async def push(self, request: Request) -> Response:
        """`POST …/stk/push`; the result comes to the sockets of `hash`."""
        return await self._answered(request, self._push)

    async def queue(self, request: Request) -> Response:
        """`POST …/b2c/queue/:hash`: an order, or by its body a notice of the provider's."""
        if "key" in request.query or codec.is_result(request.body):
            return await self._timeouts(request)
        return await self._answered(request, self._queue)

    async def _answered(self, request: Request, endpoint: Endpoint) -> Response:
        try:
            return await endpoint(request)
        except Refused as refused:
            return failure(refused)
        except self._mpesa.unavailable:
            return failure(unavailable())

    async def _push(self, request: Request) -> Response:
        mpesa = self._mpesa
        who = await identify(mpesa, request)
        order = self._order(request)
        if order.hash is None:
            caller = without_hash(mpesa, who, request.client)
        else:
            caller = await admitted(mpesa, order.hash, who, pays_out=False)
        payment, is_repeat = await pushes.start(mpesa, caller, order)
        data = PushData(
            checkout=payment.checkout,
            merchant=payment.merchant,
            status=PENDING,
            hash=UNSET if order.hash is not None else payment.callback_hash,
        )
        return _done(Done(data=data), is_repeat=is_repeat)

    async def _queue(self, request: Request) -> Response:
        mpesa = self._mpesa
        who = await identify(mpesa, request)
        caller = await admitted(mpesa, request.params["hash"], who, pays_out=True)
        reply, is_repeat = await withdrawals.start(mpesa, caller, self._order(request))
        data = QueueData(conversation=reply.conversation, status=reply.status)
        return _done(Done(data=data), is_repeat=is_repeat)

    def _order(self, request: Request) -> codec.Payable:
        order = codec.read_body(request.body, self._mpesa.settings.largest)
        key = codec.idempotency_key(request.header("idempotency-key")) or order.key
        return order._replace(key=key)


def failure(refused: Refused) -> Response:
    """A refusal over HTTP."""
    error = ErrorBody(
        code=refused.code,
        message=refused.message,
        field=UNSET if refused.field is None else refused.field,
    )
    return Response(int(refused.status), msgspec.json.encode(Failed(error=error)), JSON)


def _done(body: Done, *, is_repeat: bool) -> Response:
    return Response(200, codec.encode(body), JSON, _REPLAYED if is_repeat else ())
