"""How simulated payments end (contract.md, "Sandbox M-Pesa"), and the rules that say which."""

from dataclasses import dataclass
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct, structs

Kind = Literal["stk", "b2c", "b2b", "c2b"]
Outcome = Literal[
    "success",
    "cancelled",
    "wrong_pin",
    "insufficient",
    "unreachable",
    "timeout",
    "no_callback",
    "lost_callback",
    "duplicate_callback",
    "reject",
    "http_500",
    "slow",
    "bad_credential",
]

DELAY_SECONDS: Final = 0.2
SLOW_SECONDS: Final = 15.0
OK_TEXT: Final = "The service request is processed successfully."


@dataclass(frozen=True, slots=True)
class Ending:
    """The result code of a payment that is over, and how often it is called back."""

    code: str
    message: str
    callbacks: int

    @property
    def paid(self) -> bool:
        """Whether money moved."""
        return self.code == "0"


_PAID: Final = Ending("0", OK_TEXT, 1)
_UNREACHABLE: Final = "DS timeout user cannot be reached."
# `no_callback` has no ending until somebody decides it; `reject` and `http_500` never begin.
ENDINGS: Final[dict[str, Ending]] = {
    "success": _PAID,
    "slow": _PAID,
    "duplicate_callback": Ending("0", OK_TEXT, 2),
    "lost_callback": Ending("0", OK_TEXT, 0),
    "cancelled": Ending("1032", "Request cancelled by user.", 1),
    "wrong_pin": Ending("2001", "The initiator information is invalid.", 1),
    "bad_credential": Ending("2001", "The initiator information is invalid.", 1),
    "insufficient": Ending("1", "The balance is insufficient for the transaction.", 1),
    "unreachable": Ending("1037", _UNREACHABLE, 1),
    "timeout": Ending("1037", _UNREACHABLE, 0),
}


class Rule(Struct, frozen=True, kw_only=True):
    """What happens to payments of `who` (phone or target, "" for all) and `operation` ("" for
    all), for ever or for the next `times`."""

    outcome: Outcome = "success"
    who: str = ""
    operation: Literal["", "stk", "b2c", "b2b"] = ""
    delay_seconds: Annotated[float, Meta(ge=0, le=86_400)] | None = None
    times: int | None = None

    @property
    def answer_delay(self) -> float:
        """Seconds before the API call is answered."""
        if self.outcome != "slow":
            return 0.0
        return SLOW_SECONDS if self.delay_seconds is None else self.delay_seconds

    @property
    def ending_delay(self) -> float:
        """Seconds from the answer to the end of the payment. What nobody is called back about is
        over at once: whoever asks, however soon, finds it paid."""
        if self.outcome == "lost_callback" and self.delay_seconds is None:
            return 0.0
        if self.outcome == "slow" or self.delay_seconds is None:
            return DELAY_SECONDS
        return self.delay_seconds


class Rules:
    """The rules in force; the narrower one wins, a newer one replaces its like."""

    def __init__(self) -> None:
        self._rules: dict[tuple[str, str], Rule] = {}

    def listed(self) -> list[Rule]:
        """All of them, to be remembered."""
        return list(self._rules.values())

    def put(self, rule: Rule) -> None:
        """From now on; a rule for no more times only removes the one it replaces."""
        rule = structs.replace(rule, who=number(rule.who))
        key = (rule.who, rule.operation)
        if rule.times is not None and rule.times <= 0:
            self._rules.pop(key, None)
        else:
            self._rules[key] = rule

    def take(self, who: str, operation: Kind) -> tuple[Rule, bool]:
        """The rule for this payment, and whether the rules changed by taking it."""
        who = number(who)
        for key in ((who, operation), (who, ""), ("", operation), ("", "")):
            rule = self._rules.get(key)
            if rule is None:
                continue
            if rule.times is None:
                return rule, False
            self.put(structs.replace(rule, times=rule.times - 1))
            return rule, True
        return Rule(), False


def number(text: str) -> str:
    """A phone or short code as digits, a local phone as 254…, so that spellings match."""
    digits = "".join(filter(str.isdigit, text))
    return "254" + digits[1:] if len(digits) == 10 and digits[0] == "0" else digits
