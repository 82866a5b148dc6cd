"""Daraja over HTTP: moves bytes, keeps a token, retries only what can never pay twice."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar

import httpx
import structlog
import trio

from actors.clock import Clock
from actors.rails import (
    Cause,
    IncomingPayment,
    Outcome,
    PushAccepted,
    Refused,
    Registered,
    TransferAccepted,
    Unknown,
)
from providers.mpesa import callbacks, codec, replies, wire
from providers.mpesa.credential import Sealer
from providers.mpesa.settings import Settings
from providers.mpesa.tokens import Tokens
from providers.mpesa.transport import Answer, Transport, open_http

log = structlog.get_logger(__name__)

_PAYOUT_ATTEMPTS: Final = 3


@asynccontextmanager
async def open_mpesa(settings: Settings, clock: Clock) -> AsyncIterator["Mpesa"]:
    """A client until the block is left. Raises ValueError for a bad certificate."""
    async with open_http(settings) as http:
        yield Mpesa(settings, http, clock)


class Mpesa:
    """Implements `actors.rails.MobileMoney`; safe to share between tasks."""

    def __init__(self, settings: Settings, http: httpx.AsyncClient, clock: Clock) -> None:
        self._settings = settings
        self._transport = Transport(http)
        self._clock = clock
        self._sealer = Sealer(settings.certificate_pem, settings.initiator_password)
        self._tokens = Tokens(self._fetch_token, settings.retry_seconds)

    async def push(
        self,
        *,
        payment_id: str,
        phone: str,
        amount_kes: int,
        reference: str,
        description: str,
        callback_url: str,
    ) -> PushAccepted | Refused | Unknown:
        """See `MobileMoney.push`. Never sent again after it may have arrived."""
        body = codec.stk_push(
            self._settings,
            self._clock.now_us(),
            phone=phone,
            amount_kes=amount_kes,
            reference=reference,
            description=description,
            callback_url=callback_url,
        )
        answer = await self._call(wire.STK_PUSH_PATH, body)
        result = replies.push(answer.status, answer.body) if isinstance(answer, Answer) else answer
        return _logged("push", payment_id, result)

    async def query_push(self, checkout: str) -> Outcome:
        """See `MobileMoney.query_push`. A query that fails proves nothing: Unknown."""
        body = codec.stk_query(self._settings, self._clock.now_us(), checkout)
        answer = await self._call(wire.STK_QUERY_PATH, body)
        if isinstance(answer, Answer):
            return replies.push_query(answer.status, answer.body, checkout)
        return Unknown(message=answer.message, code=answer.code)

    async def pay_out(
        self,
        *,
        payment_id: str,
        phone: str,
        amount_kes: int,
        remarks: str,
        result_url: str,
        timeout_url: str,
    ) -> TransferAccepted | Refused | Unknown:
        """See `MobileMoney.pay_out`. Sent up to three times under one originator id, which
        Daraja pays once. After an attempt that may have arrived only an acceptance is believed:
        a refusal of the next attempt says nothing about the first."""
        body = codec.b2c(
            self._settings,
            self._sealer.seal(),
            payment_id=payment_id,
            phone=phone,
            amount_kes=amount_kes,
            remarks=remarks,
            result_url=result_url,
            timeout_url=timeout_url,
        )
        result = await self._transfer(wire.B2C_PATH, body, payment_id)
        unknown = result if isinstance(result, Unknown) else None
        for attempt in range(1, _PAYOUT_ATTEMPTS):
            if not _worth_repeating(result):
                break
            await trio.sleep(self._settings.retry_seconds * attempt)
            result = await self._transfer(wire.B2C_PATH, body, payment_id)
            if isinstance(result, Unknown):
                unknown = result
        if unknown is not None and isinstance(result, Refused):
            result = unknown
        return _logged("pay_out", payment_id, result)

    async def pay_bill(
        self,
        *,
        payment_id: str,
        paybill: str,
        account: str,
        amount_kes: int,
        remarks: str,
        result_url: str,
        timeout_url: str,
        requester: str | None = None,
    ) -> TransferAccepted | Refused | Unknown:
        """See `MobileMoney.pay_bill`. Never sent again after it may have arrived."""
        return await self._pay_business(
            "pay_bill",
            payment_id,
            to_till=False,
            number=paybill,
            account=account,
            amount_kes=amount_kes,
            remarks=remarks,
            result_url=result_url,
            timeout_url=timeout_url,
            requester=requester,
        )

    async def pay_till(
        self,
        *,
        payment_id: str,
        till: str,
        amount_kes: int,
        remarks: str,
        result_url: str,
        timeout_url: str,
        requester: str | None = None,
    ) -> TransferAccepted | Refused | Unknown:
        """See `MobileMoney.pay_till`. Never sent again after it may have arrived."""
        return await self._pay_business(
            "pay_till",
            payment_id,
            to_till=True,
            number=till,
            account=till,
            amount_kes=amount_kes,
            remarks=remarks,
            result_url=result_url,
            timeout_url=timeout_url,
            requester=requester,
        )

    async def request_status(
        self,
        *,
        result_url: str,
        timeout_url: str,
        receipt: str = "",
        originator: str = "",
    ) -> TransferAccepted | Refused | Unknown:
        """See `MobileMoney.request_status`."""
        body = codec.status_query(
            self._settings,
            self._sealer.seal(),
            receipt=receipt,
            originator=originator,
            result_url=result_url,
            timeout_url=timeout_url,
        )
        return await self._transfer(wire.STATUS_PATH, body)

    async def request_reversal(
        self,
        *,
        receipt: str,
        amount_kes: int,
        remarks: str,
        result_url: str,
        timeout_url: str,
    ) -> TransferAccepted | Refused | Unknown:
        """See `MobileMoney.request_reversal`."""
        body = codec.reversal(
            self._settings,
            self._sealer.seal(),
            receipt=receipt,
            amount_kes=amount_kes,
            remarks=remarks,
            result_url=result_url,
            timeout_url=timeout_url,
        )
        return _logged("reversal", receipt, await self._transfer(wire.REVERSAL_PATH, body))

    async def request_balance(
        self, *, result_url: str, timeout_url: str
    ) -> TransferAccepted | Refused | Unknown:
        """See `MobileMoney.request_balance`."""
        body = codec.balance(
            self._settings, self._sealer.seal(), result_url=result_url, timeout_url=timeout_url
        )
        return await self._transfer(wire.BALANCE_PATH, body)

    async def register_incoming(
        self, *, confirmation_url: str, validation_url: str, accept_when_silent: bool
    ) -> Registered | Refused | Unknown:
        """See `MobileMoney.register_incoming`; for pulling too if the short
        code's owner is set."""
        c2b = codec.c2b_register(
            self._settings,
            confirmation_url=confirmation_url,
            validation_url=validation_url,
            accept_when_silent=accept_when_silent,
        )
        first = await self._register(wire.C2B_REGISTER_PATH, c2b)
        if not isinstance(first, Registered) or not self._settings.nominated_phone:
            return first
        pull = codec.pull_register(self._settings, confirmation_url)
        return await self._register(wire.PULL_REGISTER_PATH, pull)

    async def list_incoming(
        self, *, from_us: int, to_us: int, offset: int = 0
    ) -> tuple[IncomingPayment, ...] | Refused | Unknown:
        """See `MobileMoney.list_incoming`."""
        body = codec.pull_query(self._settings, from_us=from_us, to_us=to_us, offset=offset)
        answer = await self._call(wire.PULL_QUERY_PATH, body)
        if isinstance(answer, Answer):
            return replies.pulled(answer.status, answer.body, self._settings.collect_shortcode)
        return answer

    async def _pay_business(
        self, call: str, payment_id: str, **order: Any
    ) -> TransferAccepted | Refused | Unknown:
        body = codec.b2b(self._settings, self._sealer.seal(), **order)
        return _logged(call, payment_id, await self._transfer(wire.B2B_PATH, body))

    async def _transfer(
        self, path: str, body: bytes, payment_id: str = ""
    ) -> TransferAccepted | Refused | Unknown:
        answer = await self._call(path, body)
        if isinstance(answer, Answer):
            return replies.transfer(answer.status, answer.body, payment_id)
        return answer

    async def _register(self, path: str, body: bytes) -> Registered | Refused | Unknown:
        answer = await self._call(path, body)
        if isinstance(answer, Answer):
            return replies.registration(answer.status, answer.body)
        return answer

    async def _call(self, path: str, body: bytes) -> Answer | Refused | Unknown:
        """One authorised POST. A call turned away for its token did nothing, so it is sent
        once more with a new one, whatever it was."""
        token = await self._tokens.get()
        if isinstance(token, Refused):
            return token
        answer = await self._post(path, body, token)
        if not isinstance(answer, Answer) or not replies.is_token_error(answer.status, answer.body):
            return answer
        self._tokens.reject(token)
        token = await self._tokens.get()
        if isinstance(token, Refused):
            return token
        return await self._post(path, body, token)

    async def _post(self, path: str, body: bytes, token: str) -> Answer | Refused | Unknown:
        return await self._transport.exchange(
            "POST", path, authorization=f"Bearer {token}", body=body
        )

    async def _fetch_token(self) -> tuple[str, int] | Refused:
        answer = await self._transport.exchange(
            "GET",
            wire.OAUTH_PATH,
            authorization=codec.basic_auth(self._settings),
            query={"grant_type": "client_credentials"},
        )
        if isinstance(answer, Answer):
            return replies.token(answer.status, answer.body)
        return Refused(cause=Cause.NOT_SENT, code="", message=f"no access token: {answer.message}")


def _worth_repeating(result: TransferAccepted | Refused | Unknown) -> bool:
    """Whether a payout should be sent again under the same originator id."""
    if isinstance(result, Refused):
        return result.cause in (Cause.NOT_SENT, Cause.BUSY)
    return isinstance(result, Unknown)


_Logged = TypeVar("_Logged", PushAccepted | Refused | Unknown, TransferAccepted | Refused | Unknown)


def _logged(call: str, payment_id: str, result: _Logged) -> _Logged:
    """Log how a call that moves money was answered, loudly where an operator must act."""
    bound = log.bind(call=call, payment_id=payment_id)
    if isinstance(result, Refused):
        say = bound.error if result.needs_operator else bound.warning
        say("mpesa.refused", cause=result.cause.name, code=result.code, message=result.message)
    elif isinstance(result, Unknown):
        bound.warning("mpesa.unknown", code=result.code, message=result.message)
    else:
        bound.info("mpesa.accepted")
    return result


class Callbacks:
    """Implements `actors.rails.MobileMoneyCallbacks`."""

    read_push = staticmethod(callbacks.read_push)
    read_result = staticmethod(callbacks.read_result)
    read_timeout = staticmethod(callbacks.read_timeout)
    read_status = staticmethod(callbacks.read_status)
    read_incoming = staticmethod(callbacks.read_incoming)
    answer_validation = staticmethod(callbacks.answer_validation)
