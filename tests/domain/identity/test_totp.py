"""Authenticator codes: one step either side, each step once (X-C06, CASH-C08)."""

import random

import pyotp
import pytest

from domain.identity.totp import accepted_step, new_secret, provisioning_uri

SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
NOW = 1_706_400_000  # the first second of a step


def code(at):
    return pyotp.TOTP(SECRET).at(at)


def test_a_code_is_good_one_step_either_side_and_no_further():
    step = NOW // 30
    assert accepted_step(SECRET, code(NOW), NOW, 0) == step
    assert accepted_step(SECRET, code(NOW - 30), NOW, 0) == step - 1
    assert accepted_step(SECRET, code(NOW + 30), NOW, 0) == step + 1
    assert accepted_step(SECRET, code(NOW - 60), NOW, 0) is None
    assert accepted_step(SECRET, code(NOW + 60), NOW, 0) is None


def test_a_step_is_accepted_once_and_older_ones_with_it():
    step = accepted_step(SECRET, code(NOW), NOW, 0)
    assert accepted_step(SECRET, code(NOW), NOW + 29, step) is None
    assert accepted_step(SECRET, code(NOW - 30), NOW, step) is None
    assert accepted_step(SECRET, code(NOW + 30), NOW + 30, step) == step + 1


@pytest.mark.parametrize("text", ["", "12345", "1234567", "abcdef", "-12345", " 12345", "12 456"])
def test_what_is_not_six_digits_is_wrong(text):
    assert accepted_step(SECRET, text, NOW, 0) is None


def test_digits_of_other_scripts_are_not_normalised_into_a_right_code():
    wide = "".join(chr(ord(digit) + 0xFEE0) for digit in code(NOW))
    assert accepted_step(SECRET, wide, NOW, 0) is None


def test_a_new_secret_has_160_bits_and_works():
    secret = new_secret(random.Random(3).randbytes)
    assert len(pyotp.TOTP(secret).byte_secret()) == 20
    assert accepted_step(secret, pyotp.TOTP(secret).at(NOW), NOW, 0) == NOW // 30


def test_the_uri_has_a_raw_at_sign():
    """AMKT-C08."""
    assert provisioning_uri(SECRET, "user@example.com") == (
        f"otpauth://totp/Amarktai:user@example.com?secret={SECRET}&issuer=Amarktai"
    )
