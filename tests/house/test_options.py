"""Options: every one is documented, flags win, and live mode names what is missing."""

from dataclasses import fields
from ipaddress import IPv4Network, IPv6Network, ip_address
from pathlib import Path

import pytest

from assembly.options import OptionError, Options, load_secrets, networks, read_options

DOC = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text()
LIVE = {
    "APP_MODE": "live",
    "JWT_SECRET": "x" * 32,
    "DATA_KEY": "y" * 32,
    "SMTP_HOST": "mail.example.com",
    "SMTP_SENDER": "no-reply@example.com",
    "PUBLIC_URL": "https://pay.example.com",
    "AT_API_KEY": "k",
    "AT_USERNAME": "u",
    "MPESA_CONSUMER_KEY": "a",
    "MPESA_CONSUMER_SECRET": "b",
    "MPESA_PASSKEY": "c",
    "MPESA_INITIATOR": "d",
    "MPESA_INITIATOR_PASSWORD": "e",
    "MPESA_CERTIFICATE": "f",
    "MPESA_SHORTCODE": "174379",
    "MPESA_PAYOUT_SHORTCODE": "600992",
    "TRUST_PROXY": "127.0.0.1",
}


@pytest.mark.parametrize("name", [field.name.upper() for field in fields(Options)])
def test_every_option_has_one_row_in_the_documentation(name: str) -> None:
    assert DOC.count(f"| `{name}` |") == 1


def test_a_flag_wins_over_the_environment() -> None:
    options = read_options({"APP_PORT": "4000", "APP_HOST": "0.0.0.0"}, app_port=5000)
    assert (options.app_port, options.app_host) == (5000, "0.0.0.0")


_ELSEWHERE = {"APP_MODE", "AT_API_KEY", "AT_USERNAME", "TRUST_PROXY"}


@pytest.mark.parametrize("missing", sorted(LIVE.keys() - _ELSEWHERE))
def test_live_mode_without_a_needed_option_names_it(missing: str) -> None:
    environ = {name: value for name, value in LIVE.items() if name != missing}
    with pytest.raises(OptionError, match=f"^{missing} must be set in live mode$"):
        read_options(environ)


def _is_in(address: str, among: tuple[IPv4Network | IPv6Network, ...]) -> bool:
    return any(ip_address(address) in network for network in among)


def test_live_mode_needs_tls_or_a_proxy() -> None:
    with pytest.raises(OptionError, match="TLS_CERT"):
        read_options({**LIVE, "TRUST_PROXY": ""})
    assert not read_options(LIVE).is_sandbox
    private = networks("trust_proxy", read_options({**LIVE, "TRUST_PROXY": "1"}).trust_proxy)
    trusted = [_is_in(address, private) for address in ("127.0.0.1", "10.1.2.3", "8.8.8.8")]
    assert trusted == [True, True, False]


@pytest.mark.parametrize(
    ("environ", "text"),
    [
        ({"APP_PORT": "x"}, "APP_PORT must be a whole number"),
        ({"APP_PORT": "70000"}, "APP_PORT must be at most"),
        ({"APP_MODE": "prod"}, "APP_MODE must be"),
        ({"JWT_SECRET": "short"}, "JWT_SECRET must have"),
        ({"DATA_KEY": "short"}, "DATA_KEY must have"),
        ({"TLS_CERT": "a"}, "TLS_CERT and TLS_KEY"),
        ({"DATABASE_URL": "postgresql://u:hidden@h/x?y=z"}, "^DATABASE_URL is no PostgreSQL URL"),
        ({"DATABASE_URL": "http://u:hidden@h/x"}, "^DATABASE_URL is no PostgreSQL URL"),
        ({"TRUST_PROXY": "somewhere"}, "^TRUST_PROXY: "),
        ({"MPESA_CALLBACK_SOURCES": "196.201.214.0/23, x"}, "^MPESA_CALLBACK_SOURCES: "),
        ({**LIVE, "AT_USERNAME": ""}, "^AT_USERNAME must be set where AT_API_KEY is"),
        ({**LIVE, "TWILIO_AUTH_TOKEN": "t"}, "^TWILIO_ACCOUNT_SID must be set"),
        ({**LIVE, "MPESA_SHORTCODE": "till"}, "^MPESA_SHORTCODE must be a number"),
    ],
)
def test_a_wrong_option_is_one_clear_line(environ: dict[str, str], text: str) -> None:
    with pytest.raises(OptionError, match=text) as caught:
        read_options(environ)
    assert "\n" not in str(caught.value)
    assert "hidden" not in str(caught.value)


def test_the_sandbox_makes_its_keys_once_and_keeps_them_private(tmp_path: Path) -> None:
    options = read_options({"DATA_DIR": str(tmp_path)})
    first = load_secrets(options)
    assert load_secrets(options) == first
    assert (tmp_path / "secrets.json").stat().st_mode & 0o077 == 0


def test_damaged_keys_stop_the_start_and_are_not_made_anew(tmp_path: Path) -> None:
    """What is sealed with them (TOTP secrets, exchange keys, the wallet's words) would be lost."""
    (tmp_path / "secrets.json").write_bytes(b"")
    with pytest.raises(OptionError, match=r"secrets\.json is damaged"):
        load_secrets(read_options({"DATA_DIR": str(tmp_path)}))
    assert (tmp_path / "secrets.json").read_bytes() == b""


@pytest.mark.parametrize(
    "url",
    [
        "http://pay.example.com",
        "https://mpesa.example.com",
        "https://pay.example.com/query",
        "pay.example.com",
    ],
)
def test_an_address_that_mpesa_would_not_call_stops_a_live_start(url: str) -> None:
    with pytest.raises(OptionError, match="PUBLIC_URL") as refused:
        read_options({**LIVE, "PUBLIC_URL": url})
    assert "\n" not in str(refused.value)


def test_an_address_it_calls_does_not() -> None:
    assert read_options({**LIVE, "PUBLIC_URL": "https://pay.example.com"}).public_url
