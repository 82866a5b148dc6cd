"""The initiator's password as Daraja wants it: sealed for Daraja's certificate."""

from base64 import b64encode

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.x509 import load_pem_x509_certificate


class Sealer:
    """Makes SecurityCredential: base64(RSA PKCS#1 v1.5(password)), new padding every time."""

    def __init__(self, certificate_pem: bytes, password: str) -> None:
        """Raises ValueError if the certificate cannot be read or holds no RSA key. Its dates
        are not looked at: Daraja's have been expired for years and are still the right ones."""
        key = load_pem_x509_certificate(certificate_pem).public_key()
        if not isinstance(key, RSAPublicKey):
            raise ValueError("the M-Pesa certificate holds no RSA key")
        self._key = key
        self._password = password.encode()

    def seal(self) -> str:
        """A SecurityCredential."""
        return b64encode(self._key.encrypt(self._password, PKCS1v15())).decode("ascii")
