"""Who we are at Daraja."""

from dataclasses import dataclass, field
from typing import Final

LIVE_URL: Final = "https://api.safaricom.co.ke"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One Daraja app and its two short codes. Secrets stay out of the repr."""

    base_url: str
    consumer_key: str = field(repr=False)
    consumer_secret: str = field(repr=False)
    passkey: str = field(repr=False)
    initiator_password: str = field(repr=False)
    certificate_pem: bytes = field(repr=False)  # Daraja's, which initiator passwords are sealed for
    initiator: str
    collect_shortcode: str  # paybill (or store number) that pushes and unasked payments pay into
    payout_shortcode: str  # whose utility account pays customers and working account pays bills
    till: str | None = None  # set where pushes pay a till: CustomerBuyGoodsOnline
    nominated_phone: str = ""  # 2547… of the short code's owner, asked for by pull registration
    connect_seconds: float = 5.0
    retry_seconds: float = 0.5  # before the second attempt, twice that before the third
    answer_seconds: float = 30.0  # Daraja is slow on busy evenings; late is better than unknown
