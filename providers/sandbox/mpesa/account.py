"""The one customer of the simulated Daraja: its keys, its codes, the certificate it seals for."""

from base64 import b64decode, b64encode
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hmac import compare_digest

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from providers.mpesa.settings import Settings

_KEY_BITS = 2_048


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What Daraja and its customer agreed on. None of it opens anything outside this process."""

    consumer_key: str = "sandbox-key"
    consumer_secret: str = field(default="sandbox-secret", repr=False)
    passkey: str = field(default="sandbox-passkey", repr=False)
    initiator: str = "testapi"
    initiator_password: str = field(default="Sandbox999#", repr=False)
    collect_shortcode: str = "174379"
    payout_shortcode: str = "600992"
    nominated_phone: str = "254700000000"
    token_seconds: int = 3_599

    def is_app(self, authorization: str) -> bool:
        """Whether it is the Basic header of our key and secret."""
        scheme, _, credentials = authorization.partition(" ")
        try:
            given = b64decode(credentials, validate=True)
        except ValueError:
            return False
        ours = f"{self.consumer_key}:{self.consumer_secret}".encode()
        return scheme == "Basic" and compare_digest(given, ours)

    def is_password(self, password: str, timestamp: str) -> bool:
        """Whether it is the password of a push at that time."""
        ours = b64encode((self.collect_shortcode + self.passkey + timestamp).encode())
        return compare_digest(password.encode(), ours)

    def is_shortcode(self, shortcode: str) -> bool:
        """Whether it is one of ours."""
        return shortcode in (self.collect_shortcode, self.payout_shortcode)


class Vault:
    """Daraja's key pair: customers seal for the certificate, only Daraja opens."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._key = rsa.generate_private_key(public_exponent=65_537, key_size=_KEY_BITS)
        self.certificate_pem = self._certificate()

    def is_initiator(self, name: str, credential: str) -> bool:
        """Whether the credential holds our initiator's password, sealed for our certificate."""
        try:
            password = self._key.decrypt(b64decode(credential, validate=True), PKCS1v15())
        except ValueError:
            return False
        ours = self._account.initiator_password.encode()
        return name == self._account.initiator and compare_digest(password, ours)

    def client_settings(self, port: int) -> Settings:
        """What a client of the simulator at `port` is configured with."""
        account = self._account
        return Settings(
            base_url=f"http://127.0.0.1:{port}",
            consumer_key=account.consumer_key,
            consumer_secret=account.consumer_secret,
            passkey=account.passkey,
            initiator=account.initiator,
            initiator_password=account.initiator_password,
            certificate_pem=self.certificate_pem,
            collect_shortcode=account.collect_shortcode,
            payout_shortcode=account.payout_shortcode,
            nominated_phone=account.nominated_phone,
        )

    def _certificate(self) -> bytes:
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Daraja simulator")])
        today = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self._key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(today - timedelta(days=1))
            .not_valid_after(today + timedelta(days=365))
        )
        return builder.sign(self._key, SHA256()).public_bytes(Encoding.PEM)
