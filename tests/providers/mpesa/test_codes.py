"""Every documented code, once per kind of operation it can arrive in."""

import pytest

from actors.rails import Cause, NotFound, Paid, Pending, Refused, Unknown
from providers.mpesa import codes
from providers.mpesa.codes import Operation

STK, TRANSFER, STATUS = Operation.STK, Operation.TRANSFER, Operation.STATUS

DOCUMENTED = [
    # code, cause when the customer pays, cause when we pay
    ("1", Cause.INSUFFICIENT_FUNDS, Cause.FLOAT_SHORT),
    ("2", Cause.BELOW_MINIMUM, Cause.BELOW_MINIMUM),
    ("3", Cause.ABOVE_MAXIMUM, Cause.ABOVE_MAXIMUM),
    ("4", Cause.DAILY_LIMIT, Cause.DAILY_LIMIT),
    ("8", Cause.BALANCE_LIMIT, Cause.BALANCE_LIMIT),
    ("11", Cause.PARTY_INACTIVE, Cause.PARTY_INACTIVE),
    ("17", Cause.LIMITED, Cause.LIMITED),
    ("21", Cause.CREDENTIALS, Cause.CREDENTIALS),
    ("1001", Cause.BUSY, Cause.BUSY),
    ("1019", Cause.EXPIRED, Cause.EXPIRED),
    ("1025", Cause.PUSH_FAILED, Cause.PUSH_FAILED),
    ("1032", Cause.CANCELLED, Cause.CANCELLED),
    ("1037", Cause.UNREACHABLE, Cause.UNREACHABLE),
    ("2001", Cause.WRONG_PIN, Cause.CREDENTIALS),
    ("2006", Cause.PARTY_INACTIVE, Cause.PARTY_INACTIVE),
    ("2028", Cause.CONFIGURATION, Cause.CONFIGURATION),
    ("2040", Cause.PARTY_UNKNOWN, Cause.PARTY_UNKNOWN),
    ("8006", Cause.LOCKED, Cause.CREDENTIALS),
    ("SFC_IC0003", Cause.PARTY_UNKNOWN, Cause.PARTY_UNKNOWN),
    ("R000001", Cause.ALREADY_REVERSED, Cause.ALREADY_REVERSED),
    ("R000002", Cause.INVALID_ORIGINAL, Cause.INVALID_ORIGINAL),
]


@pytest.mark.parametrize(("code", "customer", "ours"), DOCUMENTED)
def test_a_documented_code_is_a_refusal_with_a_cause(
    code: str, customer: Cause, ours: Cause
) -> None:
    assert codes.result(STK, code, "m") == Refused(cause=customer, code=code, message="m")
    assert codes.result(TRANSFER, code, "m") == Refused(cause=ours, code=code, message="m")


def test_the_table_above_has_every_code_that_can_refuse() -> None:
    assert {row[0] for row in DOCUMENTED} == set(codes._STK) == set(codes._OURS)


@pytest.mark.parametrize("code", [row[0] for row in DOCUMENTED] + ["2032"])
def test_no_code_of_a_status_request_refuses_the_payment_asked_about(code: str) -> None:
    outcome = codes.result(STATUS, code, "m")
    expected = NotFound if code in ("2032", "R000002") else Unknown
    assert isinstance(outcome, expected)


@pytest.mark.parametrize("operation", list(Operation))
def test_zero_is_paid_and_a_code_nobody_documented_is_unknown(operation: Operation) -> None:
    assert isinstance(codes.result(operation, "0", "ok"), Paid)
    for code in ("26", "9999", "500.001.1001", "", "00", "OK"):
        assert codes.result(operation, code, "m") == Unknown(code=code, message="m")


def test_4999_is_pending_for_a_push_and_unknown_elsewhere() -> None:
    assert isinstance(codes.result(STK, "4999", "m"), Pending)
    assert isinstance(codes.result(TRANSFER, "4999", "m"), Unknown)


def test_operators_are_called_for_what_only_they_can_mend() -> None:
    called = {cause for cause in Cause if Refused(cause=cause, code="", message="").needs_operator}
    assert called == {Cause.CREDENTIALS, Cause.CONFIGURATION, Cause.FLOAT_SHORT}


@pytest.mark.parametrize(
    ("status", "code", "message", "cause"),
    [
        (400, "400.002.02", "Bad Request - Invalid Amount", Cause.INVALID),
        (500, "400.002.02", "Bad Request - Invalid Amount", Cause.INVALID),
        (404, "404.001.01", "Resource not found", Cause.CONFIGURATION),
        (405, "405.001", "Method Not Allowed", Cause.CONFIGURATION),
        (404, "404.001.03", "Invalid Access Token", Cause.CREDENTIALS),
        (401, "", "", Cause.CREDENTIALS),
        (400, "400.008.01", "Invalid Authentication passed", Cause.CREDENTIALS),
        (400, "400.008.02", "Invalid grant type passed", Cause.CONFIGURATION),
        (500, "500.001.1001", "Merchant does not exist", Cause.CONFIGURATION),
        (500, "500.001.1001", "Wrong credentials", Cause.CREDENTIALS),
        (500, "500.001.1001", "Unable to lock subscriber, a transaction …", Cause.BUSY),
        (500, "500.003.02", "Spike arrest violation", Cause.BUSY),
        (500, "500.003.03", "Quota violation", Cause.BUSY),
        (429, "", "", Cause.BUSY),
        (403, "", "", Cause.INVALID),
    ],
)
def test_an_error_known_to_be_made_at_the_gate_is_a_refusal(
    status: int, code: str, message: str, cause: Cause
) -> None:
    outcome = codes.call_error(status, code, message)
    assert isinstance(outcome, Refused)
    assert outcome.cause is cause


@pytest.mark.parametrize(
    ("status", "code", "message"),
    [
        (500, "", ""),
        (502, "", ""),
        (503, "", ""),
        (504, "", ""),
        (408, "", ""),
        (500, "500.001.1001", "[MpesaCB - ]The transaction is being processed"),
        (500, "500.001.1001", "Something nobody has seen"),
        (500, "500.003.1001", "Internal Server Error"),
        (500, "500.002.1001", "Service is currently under maintenance"),
        (200, "", ""),
    ],
)
def test_an_error_behind_the_gate_is_unknown(status: int, code: str, message: str) -> None:
    assert isinstance(codes.call_error(status, code, message), Unknown)
