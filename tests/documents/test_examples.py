"""Every example of the surfaces' documents against the generated documents and the decoders."""

import re
from pathlib import Path
from typing import Any

import pytest

from protocols.cashier import codec as cashier
from protocols.mpesa import codec as mpesa
from tests.documents.running import Snapshot, load
from tests.documents.schemas import answer_schema, body_schema, problems

EXAMPLES = Path(__file__).parent / "examples"
CASHIER = Path(__file__).parents[1] / "protocols" / "cashier" / "examples"

# Name of the examples → method, path, and the status of its response.
NEXUSPAY = {
    "admin_platform_wallets": ("GET", "admin/platform-wallets"),
    "admin_transaction_get": ("GET", "admin/transactions/:id"),
    "admin_transaction_status_put": ("PUT", "admin/transactions/:id/status"),
    "admin_transactions_list": ("GET", "admin/transactions"),
    "admin_user_get": ("GET", "admin/users/:id"),
    "admin_user_promote": ("POST", "admin/users/promote/:id"),
    "admin_users_list": ("GET", "admin/users"),
    "admin_wallets_fund": ("POST", "admin/wallets/fund"),
    "admin_wallets_withdraw_fees": ("POST", "admin/wallets/withdraw-fees"),
    "auth_login": ("POST", "auth/login"),
    "auth_login_verify": ("POST", "auth/login/verify"),
    "auth_password_reset": ("POST", "auth/password-reset"),
    "auth_password_reset_request": ("POST", "auth/password-reset/request"),
    "auth_register": ("POST", "auth/register", 201),
    "auth_register_verify_email": ("POST", "auth/register/verify/email"),
    "auth_register_verify_phone": ("POST", "auth/register/verify/phone"),
    "business_complete_upgrade": ("POST", "business/complete-upgrade"),
    "business_request_upgrade": ("POST", "business/request-upgrade", 201),
    "business_transfer_funds": ("POST", "business/transfer-funds"),
    "error": ("POST", "auth/login", 400),
    "mpesa_buy_crypto": ("POST", "mpesa/buy-crypto"),
    "mpesa_deposit": ("POST", "mpesa/deposit"),
    "mpesa_paybill": ("POST", "mpesa/paybill"),
    "mpesa_submit_receipt": ("POST", "mpesa/submit-receipt"),
    "mpesa_till": ("POST", "mpesa/till"),
    "mpesa_transaction_get": ("GET", "mpesa/transaction/:id"),
    "mpesa_withdraw": ("POST", "mpesa/withdraw"),
    "pagination_tokenTransferEvents": ("GET", "token/tokenTransferEvents"),
    "pay_with_crypto": ("POST", "mpesa/pay-with-crypto"),
    "pay_with_crypto_insufficient": ("POST", "mpesa/pay-with-crypto", 400),
    "pay_with_crypto_kplc_usdc": ("POST", "mpesa/pay-with-crypto"),
    "pay_with_crypto_rolled_back": ("POST", "mpesa/pay-with-crypto", 500),
    "pay_with_crypto_till_eth": ("POST", "mpesa/pay-with-crypto"),
    "token_pay": ("POST", "token/pay"),
    "token_sendToken": ("POST", "token/sendToken"),
    "token_tokenTransferEvents": ("GET", "token/tokenTransferEvents"),
    "transactions_dashboard_insights": ("GET", "transactions/dashboard/insights"),
    "transactions_get": ("GET", "transactions/:id"),
    "transactions_history": ("GET", "transactions/history"),
}
WALLET = {
    "fund": ("POST", "fund"),
    "fund_curl": ("POST", "fund"),
    "fund_error_400": ("POST", "fund", 400),
    "fund_error_404": ("POST", "fund", 404),
    "fund_error_500": ("POST", "fund", 500),
    "otp_send": ("POST", "otp/send"),
    "otp_status": ("GET", "otp/status"),
    "verify_otp": ("POST", "verify-otp"),
    "verify_otp_curl": ("POST", "otp/verify"),
    "verify_otp_error_404": ("POST", "verify-otp", 404),
    "verify_otp_error_expired": ("POST", "verify-otp", 400),
    "verify_otp_error_invalid": ("POST", "verify-otp", 400),
    "verify_otp_error_locked": ("POST", "verify-otp", 400),
}
AMARKTAI = {
    "admin_bot_pause": ("POST", "admin/bot/:bot_id/pause"),
    "admin_bots": ("GET", "admin/bots"),
    "admin_users": ("GET", "admin/users"),
    "ai_chat": ("POST", "ai/chat"),
    "ai_chat_clear": ("POST", "ai/chat/clear"),
    "ai_chat_greeting": ("POST", "ai/chat/greeting"),
    "ai_chat_history": ("GET", "ai/chat/history"),
    "auth_2fa_enroll": ("POST", "auth/2fa/enroll"),
    "auth_2fa_verify": ("POST", "auth/2fa/verify"),
    "auth_login": ("POST", "auth/login"),
    "auth_register": ("POST", "auth/register"),
    "bots_create": ("POST", "bots", 201),
    "bots_delete": ("DELETE", "bots/:bot_id"),
    "bots_list": ("GET", "bots"),
    "bots_pause": ("POST", "bots/:bot_id/pause"),
    "bots_resume": ("POST", "bots/:bot_id/resume"),
    "chat_message": ("POST", "chat/message"),
    "error": ("POST", "auth/login", 401),
    "keys_test": ("POST", "keys/test"),
    "keys_test_error": ("POST", "keys/test", 400),
    "metrics": ("GET", "metrics"),
    "platforms_health": ("GET", "platforms/health"),
    "providers": ("GET", "providers"),
    "system_mode_get": ("GET", "system/mode"),
    "system_mode_post": ("POST", "system/mode"),
    "system_ping": ("GET", "system/ping"),
    "system_platforms": ("GET", "system/platforms"),
    "system_status": ("GET", "system/status"),
    "trades_list": ("GET", "trades"),
    "wallet_balances": ("GET", "wallet/balances"),
    "wallet_transfer": ("POST", "wallet/transfer"),
    "wallet_transfers": ("GET", "wallet/transfers"),
}
REST = {
    "amarktai": ("/amarktai/api/", AMARKTAI),
    "nexuspay": ("/nexuspay/api/", NEXUSPAY),
    "wallet": ("/wallet/api/wallet/", WALLET),
}
# Envelopes with nothing in them: of no message in particular.
_HOLLOW = {"envelope.request.json", "envelope_success.response.json"}
# Shown with members left out: pseudo-JSON of the flows; the insights' list, which has the members
# of the details besides; an administrator's list
# without its total; a bot in an event; an error without its code.
_ABRIDGED = (
    "admin_bots",
    "flow_",
    "keys_test_error",
    "transactions_dashboard_insights",
    "ws_bot_update",
)
_LEFT_OUT = "is a required property"


def _files(folder: Path, pattern: str = "*.json") -> list[Path]:
    found = sorted(path for path in folder.glob(pattern) if path.name not in _HOLLOW)
    assert found, folder
    return found


def _named(folder: Path, pattern: str = "*.json") -> Any:
    return pytest.mark.parametrize("path", _files(folder, pattern), ids=lambda path: path.name)


def _rest(surface: str) -> list[Path]:
    return [
        path for path in _files(EXAMPLES / surface) if not path.name.startswith(("ws_", "sse_"))
    ]


@pytest.mark.parametrize(
    "path", [path for each in REST for path in _rest(each)], ids=lambda path: path.name
)
def test_an_example_of_an_endpoint_is_what_the_document_describes(
    snapshot: Snapshot, path: Path
) -> None:
    prefix, table = REST[path.parent.name]
    name, direction, _ = path.name.split(".")
    method, rest, *status = table[name]
    route = snapshot.route(method, prefix + re.sub(r":\w+", "one", rest))
    operation = snapshot.openapi["paths"][prefix + re.sub(r":(\w+)", r"{\1}", rest)][method.lower()]
    if direction == "request":
        schema = body_schema(operation)
        assert route.decode(path.read_bytes()) is not None
    else:
        expected = status[0] if status else 200
        assert str(expected) in operation["responses"]
        schema = answer_schema(operation, expected)
    assert _wrong(path, problems(snapshot.openapi, schema, load(path))) == []


def _wrong(path: Path, found: list[str]) -> list[str]:
    """What is wrong with an example; of an abridged one it may not be that something lacks."""
    if not path.name.startswith(_ABRIDGED) or ".request." in path.name:
        return found
    return [problem for problem in found if not problem.endswith(_LEFT_OUT)]


@pytest.mark.parametrize("surface", REST)
def test_a_body_without_its_members_is_not_what_the_document_describes(
    snapshot: Snapshot, surface: str
) -> None:
    """So that the test above can fail: no required member may be left out of any example."""
    prefix, table = REST[surface]
    checked = 0
    for path in _rest(surface):
        name, direction, _ = path.name.split(".")
        if direction != "request":
            continue
        method, rest, *_ = table[name]
        item = snapshot.openapi["paths"][prefix + re.sub(r":(\w+)", r"{\1}", rest)]
        checked += bool(problems(snapshot.openapi, body_schema(item[method.lower()]), {}))
    assert checked >= 3


def _messages(snapshot: Snapshot, prefix: str) -> list[dict[str, Any]]:
    """Payload schemas of the messages whose name is `prefix`, or begins with it and a dot."""
    return [
        message["payload"]
        for name, message in snapshot.asyncapi["components"]["messages"].items()
        if name == prefix or name.startswith(f"{prefix}.")
    ]


def _fits(snapshot: Snapshot, prefix: str, path: Path) -> None:
    """Some message of this name is what the example shows."""
    value = load(path)
    found = [
        _wrong(path, problems(snapshot.asyncapi, schema, value))
        for schema in _messages(snapshot, prefix)
    ]
    assert found, prefix
    assert [] in found, found


def _request_type(path: Path) -> str:
    """Of a response: the type of the request that its file is named for."""
    name = re.sub(r"^flow_[a-z_]+_\d_", "", path.name.split(".")[0])
    return max((kind for kind in cashier.REQUESTS if name.startswith(kind)), key=len)


@_named(CASHIER)
def test_an_example_of_the_cashier_is_a_described_message(snapshot: Snapshot, path: Path) -> None:
    value, direction = load(path), path.name.split(".")[1]
    if direction == "request":
        envelope = cashier.decode_envelope(path.read_bytes())
        assert envelope is not None
        assert cashier.decode_data(envelope.type, envelope.data) is not None
        _fits(snapshot, f"cashier.in.{value['type']}", path)
    elif direction == "event":
        _fits(snapshot, f"cashier.out.{value['type']}", path)
    elif value["type"] == "error":
        _fits(snapshot, "cashier.out.error", path)
    else:
        _fits(snapshot, f"cashier.out.{_request_type(path)}.reply", path)


@_named(EXAMPLES / "mpesa")
def test_an_example_of_the_mpesa_sockets_is_a_described_message(
    snapshot: Snapshot, path: Path
) -> None:
    value = load(path)
    request = mpesa.read_message(path.read_bytes())
    if request.kind == "status":
        assert mpesa.read_inquiry(request.payload)
    else:
        assert mpesa.read_order(request.payload, 250_000 * 10**8).units > 0
    _fits(snapshot, f"mpesa.in.{value['kind']}", path)


@_named(EXAMPLES, "*/ws_*.json")
def test_an_example_of_a_socket_is_a_described_message(snapshot: Snapshot, path: Path) -> None:
    way = "in" if path.name.split(".")[1] == "request" else "out"
    _fits(snapshot, f"{path.parent.name}.{way}.{load(path)['type']}", path)


@_named(EXAMPLES / "amarktai", "sse_*.json")
def test_an_example_of_an_event_stream_is_a_described_message(
    snapshot: Snapshot, path: Path
) -> None:
    _fits(snapshot, f"amarktai.sse.{path.name.split('.')[0].removeprefix('sse_')}", path)


def test_no_message_fits_what_is_none(snapshot: Snapshot) -> None:
    """So that the tests above can fail."""
    wrong = {"type": "transfer", "data": {"to_user_id": "1", "amount": "25", "currency": "USD"}}
    assert all(
        problems(snapshot.asyncapi, schema, wrong)
        for schema in _messages(snapshot, "cashier.in.transfer")
    )
