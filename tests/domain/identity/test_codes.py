"""One code engine, three policies (X-C19)."""

import random
from collections import Counter

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.identity import (
    CODE_POLICIES,
    FixedCodes,
    Purpose,
    RandomCodes,
    Reason,
    Refused,
    Surface,
)
from domain.identity.codes import CodeSession, hash_code, judge, matches
from domain.identity.proofs import Accepted, Proofs, try_code
from domain.identity.vocabulary import Channel, Method
from domain.identity.windows import MINUTE, SECOND, Lockout

KEY = b"k" * 32
T0 = 1_700_000_000 * SECOND
CASHIER = CODE_POLICIES[Surface.CASHIER]
WALLET = CODE_POLICIES[Surface.WALLET]
NEXUSPAY = CODE_POLICIES[Surface.NEXUSPAY]


def session(policy, code="123456", surface=Surface.CASHIER):
    salt = b"s" * 16
    return CodeSession(
        surface=surface,
        purpose=Purpose.WITHDRAWAL,
        channel=Channel.SMS,
        salt=salt,
        code_hash=hash_code(KEY, salt, 7, code),
        expires_at_us=T0 + policy.ttl_us,
    )


def test_a_code_is_kept_as_a_keyed_hash_bound_to_person_and_session():
    sent = session(CASHIER)
    assert matches(sent, KEY, 7, "123456")
    assert not matches(sent, KEY, 7, "123457")
    assert not matches(sent, KEY, 8, "123456")
    assert not matches(sent, b"x" * 32, 7, "123456")
    assert b"123456" not in sent.code_hash


@pytest.mark.parametrize(
    ("policy", "last_good_s"), [(CASHIER, 179), (WALLET, 299), (NEXUSPAY, 299)]
)
def test_a_code_dies_when_its_time_is_over(policy, last_good_s):
    sent = session(policy)
    assert judge(policy, sent, Lockout(), True, T0 + last_good_s * SECOND).refused is None
    late = judge(policy, sent, Lockout(), True, T0 + (last_good_s + 1) * SECOND)
    assert late.refused.reason is Reason.CODE_EXPIRED
    assert late.session is sent


@pytest.mark.parametrize(("policy", "tries"), [(CASHIER, 3), (NEXUSPAY, 5)])
def test_wrong_codes_drop_the_session(policy, tries):
    """CASH-C09, NXPY-C08."""
    current = session(policy)
    for left in reversed(range(tries)):
        current, lockout, refused = judge(policy, current, Lockout(), False, T0)
        assert (refused.reason, refused.attempts_left) == (Reason.WRONG_CODE, left)
    assert current is None
    after = judge(policy, current, lockout, True, T0)
    assert after.refused.reason is Reason.NO_CODE


def test_a_right_code_is_used_up():
    accepted = judge(CASHIER, session(CASHIER), Lockout(), True, T0)
    assert accepted == (None, Lockout(), None)


def test_wallet_failures_are_counted_over_all_codes_and_lock():
    """WOTP-C07, WOTP-C09: a new code resets nothing, the lock refuses the right code."""
    lockout, texts = Lockout(), []
    for _ in range(3):
        _, lockout, refused = judge(WALLET, session(WALLET), lockout, False, T0)
        texts.append((refused.reason, refused.attempts_left))
    assert texts == [(Reason.WRONG_CODE, 2), (Reason.WRONG_CODE, 1), (Reason.LOCKED, 0)]
    right = judge(WALLET, session(WALLET), lockout, True, T0 + MINUTE)
    assert right.refused.reason is Reason.LOCKED
    assert right.refused.retry_at_us == T0 + 15 * MINUTE


def test_after_the_lock_the_old_code_is_expired_and_a_new_one_works():
    lockout = Lockout()
    for _ in range(3):
        current, lockout, _ = judge(WALLET, session(WALLET), lockout, False, T0)
    later = T0 + 15 * MINUTE
    assert judge(WALLET, current, lockout, True, later).refused.reason is Reason.CODE_EXPIRED
    fresh = CodeSession(
        surface=Surface.WALLET,
        purpose=Purpose.WALLET_FUNDING,
        channel=Channel.EMAIL,
        salt=b"t" * 16,
        code_hash=b"",
        expires_at_us=later + WALLET.ttl_us,
    )
    assert judge(WALLET, fresh, lockout, True, later).refused is None


def test_a_success_clears_the_failures():
    _, lockout, _ = judge(WALLET, session(WALLET), Lockout(), False, T0)
    assert judge(WALLET, session(WALLET), lockout, True, T0).lockout == Lockout()


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 400)), max_size=30))
def test_no_policy_ever_accepts_after_its_limit_of_wrong_tries(tries):
    for policy in CODE_POLICIES.values():
        current, lockout, wrong, now = session(policy), Lockout(), 0, T0
        for right, gap in tries:
            now += gap * SECOND
            current, lockout, refused = judge(policy, current, lockout, right, now)
            if refused is None:
                assert right
                assert wrong < policy.max_wrong
                assert now < T0 + policy.ttl_us
                break
            wrong += refused.reason in (Reason.WRONG_CODE, Reason.LOCKED) and not right


def test_random_codes_have_six_digits_and_no_favourites():
    source = RandomCodes(random.Random(7).randbytes)
    codes = [source.new_code() for _ in range(20_000)]
    assert all(len(code) == 6 and code.isdigit() for code in codes)
    first_digits = Counter(code[0] for code in codes)
    assert all(1_700 < first_digits[str(digit)] < 2_300 for digit in range(10))


def test_numbers_that_would_favour_low_codes_are_thrown_away():
    numbers = [2**32 - 1, 4_294_000_000, 4_293_999_999]
    drawn = iter(number.to_bytes(4) for number in numbers)
    assert RandomCodes(lambda _: next(drawn)).new_code() == "999999"


def test_the_sandbox_has_one_code():
    assert FixedCodes("123456").new_code() == "123456"
    with pytest.raises(ValueError, match="six digits"):
        FixedCodes("12345")


@pytest.mark.parametrize("text", [None, "", "auto", "auto or empty"])
def test_every_spelling_of_automatic_is_automatic(text):
    """CASH-C05."""
    assert Method.parse(text) is Method.AUTO


def test_unknown_methods_are_no_method():
    assert Method.parse("fax") is None
    assert Method.parse("otp_whatsapp") is Method.WHATSAPP


def test_new_codes_do_not_let_a_stranger_guess_for_ever():
    """A code of NexusPay dies after 5 wrong tries, but whoever asks for a new one gets it."""
    key = (Surface.NEXUSPAY, Purpose.PASSWORD_RESET)
    state = Proofs({}, {})

    def fresh(at):
        state.sessions[key] = msgspec.structs.replace(
            session(NEXUSPAY, surface=Surface.NEXUSPAY), expires_at_us=at + NEXUSPAY.ttl_us
        )

    def tried(right, at):
        change, answer = try_code(state, key, right, None, at)
        state.apply(change)
        return answer

    for guess in range(NEXUSPAY.guesses.limit):
        if guess % NEXUSPAY.max_wrong == 0:
            fresh(T0 + guess)
        assert tried(False, T0 + guess).reason is Reason.WRONG_CODE
    last = T0 + NEXUSPAY.guesses.limit
    fresh(last)
    refused = tried(True, last)
    assert refused == Refused(Reason.TOO_MANY_REQUESTS, retry_at_us=T0 + 60 * MINUTE)
    assert state.sessions[key].wrong == 0
    fresh(refused.retry_at_us)
    assert isinstance(tried(True, refused.retry_at_us), Accepted)
