"""Every option of the server: environment variables, with flags that win over them.

docs/configuration.md has one row for each; a test holds the two together.
"""

import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any, Final

import msgspec

from providers.mpesa.urls import FORBIDDEN_WORDS, is_callable
from storage.driver import is_dsn
from storage.errors import Unavailable

SECRETS_FILE: Final = "secrets.json"
_SHORTEST_SECRET: Final = 32  # characters (X-C04)
_PRIVATE: Final = (
    "127.0.0.0/8",
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "::1/128",
    "fc00::/7",
)
_LOG_LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR")


class OptionError(Exception):
    """An option is missing or wrong; the text is one line that names the variable."""


@dataclass(frozen=True, kw_only=True, repr=False)  # half of them are secrets
class Options:
    """Field names in capitals are the environment variables. Empty means not given."""

    app_host: str = "127.0.0.1"
    app_port: int = 3000
    app_mode: str = "sandbox"
    data_dir: str = "./data"
    database_url: str = ""
    jwt_secret: str = ""
    data_key: str = ""
    tls_cert: str = ""
    tls_key: str = ""
    trust_proxy: str = ""
    admin_emails: str = ""
    cors_origins: str = ""
    log_level: str = "INFO"
    sandbox_random_codes: bool = False
    public_url: str = ""
    cashier_hosts: str = "api.safarigari.com"
    cashier_messages_per_second: int = 60
    cashier_transfer_requires_verification: bool = False
    cashier_burn_tokens: bool = False
    cashier_notify_agents: bool = False
    cashier_demo_balance: int = 10_000
    cashier_partner_minutes: int = 5
    cashier_crypto_minutes: int = 10
    cashier_qr_code_url: str = "https://api.qrserver.com/v1/create-qr-code/?data="
    nexuspay_hosts: str = "api.nexuspay.app"
    nexuspay_require_otp: str = ""
    nexuspay_show_float: bool = True
    nexuspay_own_admins: bool = False
    nexuspay_queries_per_minute: int = 60
    wallet_hosts: str = ""
    wallet_daily_limit: int = 5_000_000
    wallet_log: str = ""
    funding_source: str = ""
    amarktai_hosts: str = ""
    amarktai_bot_limit: int = 5
    amarktai_requests_per_minute: int = 120
    amarktai_invite_codes: str = ""
    amarktai_allow_withdrawal_keys: str = ""
    exchange_mirror_balances: str = ""
    assistant_url: str = ""
    assistant_model: str = "default"
    assistant_api_key: str = ""
    smtp_host: str = ""
    smtp_port: int = 587
    smtp_username: str = ""
    smtp_password: str = ""
    smtp_sender: str = ""
    at_username: str = ""
    at_api_key: str = ""
    at_sender: str = ""
    twilio_account_sid: str = ""
    twilio_auth_token: str = ""
    twilio_sender: str = ""
    whatsapp_phone_number_id: str = ""
    whatsapp_access_token: str = ""
    mpesa_base_url: str = "https://api.safaricom.co.ke"
    mpesa_consumer_key: str = ""
    mpesa_consumer_secret: str = ""
    mpesa_passkey: str = ""
    mpesa_initiator: str = ""
    mpesa_initiator_password: str = ""
    mpesa_certificate: str = ""
    mpesa_shortcode: str = ""
    mpesa_payout_shortcode: str = ""
    mpesa_callback_sources: str = ""
    mpesa_hosts: str = ""
    mpesa_allow_anonymous: str = ""
    mpesa_max_amount: int = 250_000
    mpesa_confirm_before_credit: bool = False
    mpesa_reconcile_seconds: int = 900
    mpesa_incoming: bool = False
    mpesa_nominated_phone: str = ""
    wallet_mnemonic: str = ""
    wallet_passphrase: str = ""
    chain_sweeps: str = ""
    evm_rpc_urls: str = ""
    trongrid_url: str = "https://api.trongrid.io"
    trongrid_api_key: str = ""
    esplora_url: str = ""
    chain_tokens: str = ""
    chain_confirmations: str = ""
    chain_poll_seconds: int = 2
    chain_bump_seconds: int = 60
    luno_base_url: str = "https://api.luno.com"
    luno_stream_url: str = "wss://ws.luno.com"
    luno_stream_key: str = ""
    luno_stream_secret: str = ""
    binance_base_url: str = "https://api.binance.com"
    binance_stream_url: str = "wss://stream.binance.com:9443"
    kucoin_base_url: str = "https://api.kucoin.com"
    valr_base_url: str = "https://api.valr.com"
    valr_stream_url: str = "wss://api.valr.com"
    ovex_base_url: str = "https://www.ovex.io"
    exchange_answer_seconds: int = 8
    exchange_poll_seconds: int = 2
    sandbox_tick_milliseconds: int = 500
    openexchangerates_app_id: str = ""
    coingecko_api_key: str = ""

    @property
    def is_sandbox(self) -> bool:
        """Read while the parts are put together, and by nothing else."""
        return self.app_mode == "sandbox"

    @property
    def data_path(self) -> Path:
        return Path(self.data_dir).expanduser().resolve()

    @property
    def funding_needs_operator(self) -> bool:
        """In live mode no money appears by itself, unless it is configured that it does."""
        return self.funding_source == "operator" or not (self.funding_source or self.is_sandbox)

    @property
    def anonymous_hashes(self) -> bool:
        """MPWS-C03: whether a hash without an owner pays out; in live mode only if configured."""
        if not self.mpesa_allow_anonymous:
            return self.is_sandbox
        return _is_true(self.mpesa_allow_anonymous)

    @property
    def nexuspay_needs_otp(self) -> bool:
        """X-C05: in live mode money moves by tokens of a login with a code, unless configured."""
        if self.nexuspay_require_otp:
            return _is_true(self.nexuspay_require_otp)
        return not self.is_sandbox

    @property
    def keeps_withdrawal_keys(self) -> bool:
        """Exchange keys that may withdraw are refused in live mode, unless configured."""
        if not self.amarktai_allow_withdrawal_keys:
            return self.is_sandbox
        return _is_true(self.amarktai_allow_withdrawal_keys)

    @property
    def mirrors_balances(self) -> bool:
        """Sandbox users share each exchange's one account: there the ledger alone knows whose
        money is whose."""
        if not self.exchange_mirror_balances:
            return not self.is_sandbox
        return _is_true(self.exchange_mirror_balances)

    @property
    def collects_deposits(self) -> bool:
        """Whether this server may spend from deposit addresses; in live mode only if configured,
        since elsewhere it cannot even derive their keys."""
        return _is_true(self.chain_sweeps) if self.chain_sweeps else self.is_sandbox

    @property
    def admins(self) -> tuple[str, ...]:
        return listed(self.admin_emails.lower())

    @property
    def origins(self) -> tuple[str, ...]:
        """X-C25: everybody in the sandbox, nobody in live mode, unless configured."""
        return listed(self.cors_origins) or (("*",) if self.is_sandbox else ())


# What an enabled feature needs in live mode; cashier deposits, codes and tokens are always on.
_LIVE_NEEDS: Final = (
    "jwt_secret",
    "data_key",
    "smtp_host",
    "smtp_sender",
    "public_url",
    "mpesa_consumer_key",
    "mpesa_consumer_secret",
    "mpesa_passkey",
    "mpesa_initiator",
    "mpesa_initiator_password",
    "mpesa_certificate",
    "mpesa_shortcode",
    "mpesa_payout_shortcode",
)


# A key alone reaches nobody.
_TOGETHER: Final = (
    ("at_api_key", "at_username"),
    ("twilio_auth_token", "twilio_account_sid"),
    ("twilio_auth_token", "twilio_sender"),
    ("whatsapp_access_token", "whatsapp_phone_number_id"),
)


def read_options(environ: Mapping[str, str], **flags: Any) -> Options:
    """Options from the environment; flags that are not None win. Raises OptionError."""
    values: dict[str, Any] = {}
    for field in fields(Options):
        name = field.name.upper()
        raw: Any = flags.get(field.name)
        if raw is None:
            raw = environ.get(name, "")
        if raw != "":
            values[field.name] = _value(name, raw, type(field.default))
    options = Options(**values)
    _check(options)
    return options


def _value(name: str, raw: Any, kind: type) -> Any:
    text = str(raw)
    if kind is bool:
        return _is_true(text)
    if kind is int:
        if not text.isascii() or not text.isdigit() or len(text) > 9:
            raise OptionError(f"{name} must be a whole number, not {text!r}")
        return int(text)
    return text


def _is_true(text: str) -> bool:
    return text.lower() in {"1", "true", "yes", "on"}


def _check(options: Options) -> None:
    if options.app_mode not in {"sandbox", "live"}:
        raise OptionError(f"APP_MODE must be sandbox or live, not {options.app_mode!r}")
    if options.funding_source not in {"", "account", "operator"}:
        raise OptionError(
            f"FUNDING_SOURCE must be account or operator, not {options.funding_source!r}"
        )
    if options.log_level.upper() not in _LOG_LEVELS:
        raise OptionError(f"LOG_LEVEL must be one of {', '.join(_LOG_LEVELS)}")
    if options.sandbox_tick_milliseconds < 10:
        raise OptionError("SANDBOX_TICK_MILLISECONDS must be at least 10")
    if options.database_url and not is_dsn(options.database_url):
        # Not repeated: it may hold a password.
        raise OptionError("DATABASE_URL is no PostgreSQL URL or connection string")
    if options.app_port > 65535:
        raise OptionError(f"APP_PORT must be at most 65535, not {options.app_port}")
    if bool(options.tls_cert) != bool(options.tls_key):
        raise OptionError("TLS_CERT and TLS_KEY must be given together")
    for name in ("jwt_secret", "data_key"):
        if 0 < len(getattr(options, name)) < _SHORTEST_SECRET:
            raise OptionError(f"{name.upper()} must have at least {_SHORTEST_SECRET} characters")
    for name in ("trust_proxy", "mpesa_callback_sources"):
        networks(name, getattr(options, name))
    if not options.is_sandbox:
        _check_live(options)


def _check_live(options: Options) -> None:
    for name in _LIVE_NEEDS:
        if not getattr(options, name):
            raise OptionError(f"{name.upper()} must be set in live mode")
    for given, needed in _TOGETHER:
        if getattr(options, given) and not getattr(options, needed):
            raise OptionError(f"{needed.upper()} must be set where {given.upper()} is")
    for name in ("mpesa_shortcode", "mpesa_payout_shortcode"):
        if not (code := getattr(options, name)).isdecimal():
            raise OptionError(f"{name.upper()} must be a number, not {code!r}")
    if not is_callable(options.public_url):
        raise OptionError(
            "PUBLIC_URL must begin with https:// and hold none of the words M-Pesa refuses to call "
            f"({', '.join(FORBIDDEN_WORDS)}), not {options.public_url!r}"
        )
    if not (options.at_api_key or options.twilio_auth_token):
        raise OptionError("AT_API_KEY or TWILIO_AUTH_TOKEN must be set in live mode")
    if not options.tls_cert and not options.trust_proxy:
        raise OptionError("TLS_CERT, or TRUST_PROXY behind a TLS proxy, must be set in live mode")


def networks(name: str, text: str) -> tuple[IPv4Network | IPv6Network, ...]:
    """The networks that the option `name` lists; TRUST_PROXY=1 stands for private ones (X-C22).

    Raises OptionError.
    """
    items = _PRIVATE if name == "trust_proxy" and text.strip() == "1" else listed(text)
    try:
        return tuple(ip_network(item) for item in items)
    except ValueError as error:
        raise OptionError(f"{name.upper()}: {error}") from error


@contextmanager
def reaching_database(options: Options) -> Iterator[None]:
    """Say which option names the database that cannot be reached. Raises OptionError."""
    try:
        yield
    except Unavailable as error:
        if options.database_url:
            raise OptionError(f"DATABASE_URL: {error}") from error
        raise


def listed(text: str) -> tuple[str, ...]:
    """The items of a comma-separated option."""
    return tuple(item.strip() for item in text.split(",") if item.strip())


class Secrets(msgspec.Struct, frozen=True):
    """Keys of one installation. `jwt` signs tokens, `data` seals secrets at rest and derives
    the keys of codes and callbacks."""

    jwt: str
    data: str

    def __repr__(self) -> str:
        return "Secrets()"


def load_secrets(options: Options) -> Secrets:
    """Configured keys; what the sandbox is not given it makes once and keeps under DATA_DIR."""
    if options.jwt_secret and options.data_key:
        return Secrets(options.jwt_secret, options.data_key)
    path = options.data_path / SECRETS_FILE
    try:
        return _kept(options, path)
    except OSError as error:
        raise OptionError(f"DATA_DIR {options.data_path}: {error.strerror or error}") from error


def _kept(options: Options, path: Path) -> Secrets:
    try:
        kept = msgspec.json.decode(path.read_bytes(), type=Secrets)
    except FileNotFoundError:
        kept = Secrets(secrets.token_hex(32), secrets.token_hex(32))
        _keep(path, msgspec.json.encode(kept))
    except msgspec.MsgspecError as error:
        raise OptionError(f"{path} is damaged; what was sealed with its keys needs them") from error
    return Secrets(options.jwt_secret or kept.jwt, options.data_key or kept.data)


def _keep(path: Path, content: bytes) -> None:
    """Write it whole or not at all, whatever ends this machine: nothing sealed opens without."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".new")
    partial.touch(mode=0o600)
    with partial.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
