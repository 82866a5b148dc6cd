"""A client of the real server: one process's worth of wallet, over HTTP and nothing else."""

import json
from itertools import count
from typing import Any

import httpx

from tests.server import Server

CODE = "123456"
WRONG = "654321"
FUND = "/wallet/api/wallet/fund"
VERIFY = "/wallet/api/wallet/verify-otp"
ALIAS = "/wallet/api/wallet/otp/verify"
SEND = "/wallet/api/wallet/otp/send"
STATUS = "/wallet/api/wallet/otp/status"
LOCKED = {"message": "Maximum OTP attempts exceeded. Please try again after 15 minutes."}
GONE = {
    "message": "Transaction not found or already processed",
    "hint": "Make sure you're using the transactionReference field from the initiate response, "
    "not otpId",
}
EXPIRED = {"message": "OTP has expired. Please request a new one."}
RANGE = {
    "message": "Invalid funding amount",
    "details": "Amount must be between 100 and 5000000",
}
_numbers = count(1)


class Person:
    """Somebody with a token, calling the wallet."""

    def __init__(self, house: "House", made: dict[str, Any]) -> None:
        self.house = house
        self.id: str = made["user_id"]
        self.email: str = made["email"]
        self.headers = {"Authorization": f"Bearer {made['token']}"}

    async def post(self, path: str, body: Any, **headers: str) -> httpx.Response:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = self.headers | {k.replace("_", "-"): v for k, v in headers.items()}
        return await self.house.http.post(path, content=content, headers=sent)

    async def fund(self, amount: Any = 5000, **more: Any) -> httpx.Response:
        return await self.post(FUND, {"amount": amount, **more})

    async def reference(self, amount: Any = 5000, **more: Any) -> str:
        """The reference of a new funding."""
        answer = await self.fund(amount, **more)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["transactionReference"])

    async def verify(
        self, reference: str, otp: str = CODE, path: str = VERIFY, **headers: str
    ) -> httpx.Response:
        return await self.post(path, {"otp": otp, "transaction_reference": reference}, **headers)

    async def send(self, purpose: Any = "wallet_funding", **more: Any) -> httpx.Response:
        return await self.post(SEND, {"purpose": purpose, **more})

    async def status(self, purpose: str = "wallet_funding") -> dict[str, Any]:
        answer = await self.house.http.get(f"{STATUS}?purpose={purpose}", headers=self.headers)
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body


class House(Server):
    """The running server, and what its operators and its sandbox can do."""

    async def person(self, **fields: Any) -> Person:
        fields.setdefault("email", f"wallet-{next(_numbers)}@example.com")
        return Person(self, await self.sandbox("users", fields))

    async def reviews(self, admin: Person) -> list[dict[str, Any]]:
        answer = await self.http.get("/ops/reviews", headers=admin.headers)
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["reviews"]
        return found

    async def rule(self, admin: Person, reference: str, decision: Any, **more: Any) -> Any:
        return await admin.post(f"/ops/reviews/{reference}", {"decision": decision, **more})
