"""Every message of the surface as documents describe it: each envelope with what it may hold.

Which struct answers which request is said once, here; a test compares the tables with the
vocabulary.
"""

from typing import Any, Final, Literal

from protocols.cashier.codec import REQUESTS
from protocols.cashier.wire import accounts, events, payments
from protocols.cashier.wire.base import Envelope, Failure, Push, Reply, Success, Wire
from protocols.described import Said, narrowed

REPLIES: Final[dict[str, tuple[type[Wire], ...]]] = {
    "verification_request": (payments.TotpWanted, payments.OtpSent),
    "verify_totp": (payments.Verified,),
    "verify_otp": (payments.Verified,),
    "get_accounts": (accounts.Accounts,),
    "get_account_balance": (accounts.Balance,),
    "get_owner_summary": (accounts.OwnerSummary,),
    "create_account": (accounts.AccountCreated,),
    "get_supported_currencies": (accounts.Currencies,),
    "deposit_request": (payments.PartnerDeposit, payments.AgentDeposit, payments.CryptoDeposit),
    "get_deposit_status": (payments.DepositStatus,),
    "cancel_deposit": (payments.DepositCancelled,),
    "withdraw_request": (
        payments.PartnerWithdrawal,
        payments.AgentWithdrawal,
        payments.CryptoWithdrawal,
    ),
    "fulfill_withdrawal": (payments.WithdrawalFulfilled,),
    "transfer": (payments.TransferDone, payments.DepositFulfilled),
    "get_history": (accounts.History,),
    "get_transaction_by_receipt": (accounts.Transaction,),
    "get_account_statement": (accounts.AccountStatement,),
    "get_owner_statement": (accounts.OwnerStatement,),
    "get_ledgers": (accounts.Ledgers,),
    "calculate_fee": (payments.FeeQuote,),
    "convert_and_transfer": (payments.Converted,),
    "get_partners": (payments.Partners,),
}
EVENTS: Final[dict[str, tuple[type[Wire], ...]]] = {
    "connected": (events.Connected,),
    "deposit_completed": (events.DepositCompleted, events.AgentDepositCompleted),
    "deposit_failed": (events.DepositCompleted,),
    "withdraw_completed": (events.WithdrawCompleted,),
    "withdraw_failed": (events.WithdrawCompleted,),
    "transfer_received": (events.TransferReceived,),
    "reload_required": (events.ReloadRequired,),
}
ERROR: Final = "error"


def received() -> tuple[Said, ...]:
    """What clients may send; each is answered once, in order."""
    return tuple(
        Said(
            kind,
            narrowed(f"{_camel(kind)}Frame", Envelope, _first_line(data), **_typed(kind, data)),
            answers=(*(_reply_name(kind, reply) for reply in REPLIES[kind]), ERROR),
        )
        for kind, data in REQUESTS.items()
    )


def sent() -> tuple[Said, ...]:
    """Replies, then what the server says unasked."""
    error = narrowed("ErrorFrame", Reply, "Any refusal.", type=Literal["error"], data=Failure)
    replies = (_reply(kind, data) for kind, kinds in REPLIES.items() for data in kinds)
    unasked = (_event(kind, data) for kind, kinds in EVENTS.items() for data in kinds)
    return (*replies, Said(ERROR, error), *unasked)


def _reply(kind: str, data: type[Wire]) -> Said:
    name = _reply_name(kind, data)
    inner = narrowed(f"{_camel(name)}Success", Success, _first_line(data), data=data)
    frame = narrowed(
        f"{_camel(name)}Frame", Reply, _first_line(data), type=Literal["success"], data=inner
    )
    return Said(name, frame)


def _event(kind: str, data: type[Wire]) -> Said:
    several = len(EVENTS[kind]) > 1
    name = f"{kind}.{data.__name__}" if several else kind
    return Said(
        name, narrowed(f"{_camel(name)}Event", Push, _first_line(data), **_typed(kind, data))
    )


def _reply_name(kind: str, data: type[Wire]) -> str:
    return f"{kind}.reply.{data.__name__}" if len(REPLIES[kind]) > 1 else f"{kind}.reply"


def _typed(kind: str, data: type[Wire]) -> dict[str, Any]:
    return {"type": Literal[kind], "data": data}


def _first_line(data: type[Wire]) -> str:
    return (data.__doc__ or "").partition("\n")[0]


def _camel(name: str) -> str:
    return "".join(part[:1].upper() + part[1:] for part in name.replace(".", "_").split("_"))
