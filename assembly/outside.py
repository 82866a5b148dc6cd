"""Clients of everything outside, made from settings; the sandbox only brings other settings."""

import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from actors.assistant_model import Model
from actors.clock import Clock
from actors.exchanges import Exchange, QuoteBook
from actors.floats import FLOAT
from actors.messenger import Channel
from actors.rails import MobileMoney
from actors.rates import RateSource
from assembly.chains import ChainNodes, chain_clients, live_chains
from assembly.exchanges import live_exchanges
from assembly.options import OptionError, Options
from domain.payments import Payment
from providers.africastalking import codec as africastalking
from providers.africastalking.client import AfricasTalking
from providers.assistant import codec as assistant
from providers.assistant.client import ChatModel
from providers.exchanges import exchanges
from providers.exchanges.http import open_http as open_exchange_http
from providers.exchanges.settings import Settings as ExchangeSettings
from providers.mpesa.client import Mpesa
from providers.mpesa.credential import Sealer
from providers.mpesa.settings import Settings as MpesaSettings
from providers.mpesa.transport import open_http
from providers.mpesa.urls import CallbackKind, callback_url
from providers.rates import codec as rates
from providers.rates.client import HttpRateSource
from providers.smtp import codec as smtp
from providers.smtp.client import Mail
from providers.trust import authorities
from providers.twilio import codec as twilio
from providers.twilio.client import Twilio
from providers.whatsapp import codec as whatsapp
from providers.whatsapp.client import WhatsApp


class PaymentUrls:
    """Implements actors.payment_parts.CallbackUrls. `base` is set once the port is known."""

    def __init__(self, base: str) -> None:
        self.base = base
        self.secret_of: Callable[[int], str] = lambda _payment_id: ""

    def push(self, payment: Payment) -> str:
        return self._url(CallbackKind.PUSH, payment)

    def result(self, payment: Payment) -> str:
        return self._url(CallbackKind.RESULT, payment)

    def timeout(self, payment: Payment) -> str:
        return self._url(CallbackKind.TIMEOUT, payment)

    def status(self, payment: Payment) -> str:
        return self._url(CallbackKind.STATUS, payment)

    def incoming(self, secret: str) -> tuple[str, str]:
        """Where cash nobody asked for is confirmed, and validated before."""
        return (
            callback_url(self.base, CallbackKind.CONFIRMATION, "incoming", secret),
            callback_url(self.base, CallbackKind.VALIDATION, "incoming", secret),
        )

    def float_(self, secret: str) -> tuple[str, str]:
        """Where our balances are told, and that they will not be."""
        return (
            callback_url(self.base, CallbackKind.RESULT, FLOAT, secret),
            callback_url(self.base, CallbackKind.TIMEOUT, FLOAT, secret),
        )

    def _url(self, kind: CallbackKind, payment: Payment) -> str:
        return callback_url(self.base, kind, payment.callback_hash, self.secret_of(payment.id))


@dataclass(frozen=True, slots=True, kw_only=True)
class OutsideSettings:
    """Where outside systems are, and who we are there. None: not used."""

    mail: smtp.Settings
    africastalking: africastalking.Settings | None
    twilio: twilio.Settings | None
    whatsapp: whatsapp.Settings | None
    mpesa: MpesaSettings
    money_rates: tuple[rates.Source, ...]
    coin_rates: tuple[rates.Source, ...]
    chains: ChainNodes
    assistant: assistant.Settings | None
    exchanges: Mapping[str, ExchangeSettings]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """The clients."""

    channels: dict[str, Channel] = field(repr=False)
    rates: RateSource
    mpesa: MobileMoney
    callback_urls: PaymentUrls
    exchanges: Mapping[str, Exchange]
    paybill: str  # where pushes pay into
    chains: ChainNodes
    chain_http: Mapping[str, httpx.AsyncClient]
    model: Model | None  # what the assistant asks before its own grammar


def live_settings(options: Options) -> OutsideSettings:
    """From configuration; options.py has checked that what is needed is there."""
    money: tuple[rates.Source, ...] = (rates.open_er_api(),)
    if options.openexchangerates_app_id:
        money = (rates.open_exchange_rates(options.openexchangerates_app_id), *money)
    return OutsideSettings(
        mail=smtp.Settings(
            host=options.smtp_host,
            port=options.smtp_port,
            sender=options.smtp_sender,
            username=options.smtp_username or None,
            password=options.smtp_password or None,
        ),
        africastalking=_africastalking(options),
        twilio=_twilio(options),
        whatsapp=_whatsapp(options),
        mpesa=_mpesa(options),
        money_rates=money,
        coin_rates=(rates.coingecko(options.coingecko_api_key or None), rates.binance()),
        chains=live_chains(options),
        exchanges=live_exchanges(options),
        assistant=configured_assistant(options),
    )


def configured_assistant(options: Options) -> assistant.Settings | None:
    """The language model somebody has configured, in either mode."""
    if not options.assistant_url:
        return None
    return assistant.Settings(
        base_url=options.assistant_url,
        model=options.assistant_model,
        api_key=options.assistant_api_key,
    )


def _africastalking(options: Options) -> africastalking.Settings | None:
    if not options.at_api_key:
        return None
    return africastalking.Settings(
        username=options.at_username,
        api_key=options.at_api_key,
        sender=options.at_sender or None,
    )


def _twilio(options: Options) -> twilio.Settings | None:
    if not options.twilio_auth_token:
        return None
    return twilio.Settings(
        account_sid=options.twilio_account_sid,
        auth_token=options.twilio_auth_token,
        sender=options.twilio_sender,
    )


def _whatsapp(options: Options) -> whatsapp.Settings | None:
    if not options.whatsapp_access_token:
        return None
    return whatsapp.Settings(
        phone_number_id=options.whatsapp_phone_number_id,
        access_token=options.whatsapp_access_token,
    )


def _certificate(path: str, password: str) -> bytes:
    """Daraja's certificate, for which the initiator's password can be sealed."""
    try:
        pem = Path(path).read_bytes()
        Sealer(pem, password)
    except OSError as error:
        raise OptionError(f"MPESA_CERTIFICATE {path}: {error.strerror or error}") from error
    except ValueError as error:
        raise OptionError(f"MPESA_CERTIFICATE {path}: no RSA certificate in PEM") from error
    return pem


def _mpesa(options: Options) -> MpesaSettings:
    return MpesaSettings(
        base_url=options.mpesa_base_url,
        consumer_key=options.mpesa_consumer_key,
        consumer_secret=options.mpesa_consumer_secret,
        passkey=options.mpesa_passkey,
        initiator=options.mpesa_initiator,
        initiator_password=options.mpesa_initiator_password,
        certificate_pem=_certificate(options.mpesa_certificate, options.mpesa_initiator_password),
        collect_shortcode=options.mpesa_shortcode,
        payout_shortcode=options.mpesa_payout_shortcode,
        nominated_phone=options.mpesa_nominated_phone,
    )


@asynccontextmanager
async def outside(
    settings: OutsideSettings, clock: Clock, base: str, quotes: QuoteBook
) -> AsyncIterator[Outside]:
    """The clients, with their connection pools; `base` is the address callbacks reach us at."""
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(
            httpx.AsyncClient(verify=authorities(), trust_env=False)
        )
        chain_http = await stack.enter_async_context(chain_clients(settings.chains))
        exchange_http = await stack.enter_async_context(open_exchange_http())
        mpesa_http = await stack.enter_async_context(open_http(settings.mpesa))
        yield Outside(
            channels=_channels(settings, http, clock),
            rates=HttpRateSource(http, settings.money_rates, settings.coin_rates, clock.now_s),
            mpesa=Mpesa(settings.mpesa, mpesa_http, clock),
            callback_urls=PaymentUrls(base),
            exchanges=exchanges(settings.exchanges, exchange_http, clock, quotes),
            paybill=settings.mpesa.collect_shortcode,
            chains=settings.chains,
            chain_http=chain_http,
            model=None if settings.assistant is None else ChatModel(http, settings.assistant),
        )


def _channels(
    settings: OutsideSettings, http: httpx.AsyncClient, clock: Clock
) -> dict[str, Channel]:
    channels: dict[str, Channel] = {
        "email": Mail(settings.mail, now_us=clock.now_us, nonce=lambda: secrets.token_hex(16))
    }
    if settings.africastalking is not None:
        channels["sms"] = AfricasTalking(http, settings.africastalking)
    elif settings.twilio is not None:
        channels["sms"] = Twilio(http, settings.twilio)
    if settings.whatsapp is not None:
        channels["whatsapp"] = WhatsApp(http, settings.whatsapp)
    return channels
