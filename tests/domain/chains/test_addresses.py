"""Addresses by the vectors of their standards (CASH-C29)."""

import pytest

from domain.chains import base58, bech32
from domain.chains.addresses import bitcoin_address, bitcoin_script, canonical, evm_address
from domain.chains.table import CHAINS, EVM_CHAINS
from domain.chains.tokens import known_contracts, table_of

EIP55 = [
    "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
    "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
    "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
    "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
    "0x52908400098527886E0F7030069857D2E4169EE7",
    "0xde709f2102306220921060314715629080e2fb77",
]


@pytest.mark.parametrize("address", EIP55)
def test_an_evm_address_is_spelled_as_eip_55_says(address: str) -> None:
    assert evm_address(bytes.fromhex(address[2:])) == address
    for spelling in (address, address.lower(), "0x" + address[2:].upper()):
        assert canonical("arbitrum", spelling) == address


@pytest.mark.parametrize(
    "text",
    [
        "0x5AAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",  # one letter's case
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAe",
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed0",
        "5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeg",
        "0x123",
        "",
        "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t",
    ],
)
def test_what_is_no_evm_address_is_refused(text: str) -> None:
    assert canonical("ethereum", text) is None


def test_a_tron_address_is_checked_by_its_checksum_and_version() -> None:
    good = "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t"
    assert canonical("tron", good) == good
    for bad in (good[:-1] + "s", good[:-1], "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2", "T" * 34,
                "TYzK7gD3K4VwY8uP...", "", "0" * 34):  # fmt: skip
        assert canonical("tron", bad) is None, bad


# BIP-173 and BIP-350: valid addresses and the scripts they pay.
SCRIPTS = [
    ("BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4", "0014751e76e8199196d454941c45d1b3a323f1433bd6"),
    (
        "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0",
        "512079be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798",
    ),
    ("1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2", "76a91477bff20c60e522dfaa3350c39b030a5d004e839a88ac"),
    ("3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLy", "a914b472a266d0bd89c13706a4132ccfb16f7c3b9fcb87"),
]


@pytest.mark.parametrize(("address", "script"), SCRIPTS)
def test_a_bitcoin_address_is_the_script_it_pays(address: str, script: str) -> None:
    assert bitcoin_script(address) == bytes.fromhex(script)
    spelled = address.lower() if address.startswith("BC1") else address
    assert bitcoin_address(bytes.fromhex(script)) == spelled == canonical("bitcoin", address)


@pytest.mark.parametrize(
    "text",
    [
        "tc1qw508d6qejxtdg4y5r3zarvary0c5xw7kg3g4ty",  # another prefix
        "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5",  # checksum
        "BC13W508D6QEJXTDG4Y5R3ZARVARY0C5XW7KN40WF2",  # version
        "bc1rw5uspcuh",  # length
        "bc10w508d6qejxtdg4y5r3zarvary0c5xw7kw508d6qejxtdg4y5r3zarvary0c5xw7kw5rljs90",
        "BC1QR508D6QEJXTDG4Y5R3ZARVARYV98GJ9P",  # program length of version 0
        "bc1zw508d6qejxtdg4y5r3zarvaryvqyzf3du",  # padding
        "bc1gmk9yu",  # no program
        "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqh2y7hd",  # bech32 for version 1
        "bc1qW508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",  # mixed case
        "bc1sw50qgdz25j",  # valid and anyone's to spend
        "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN3",
        "mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfn",  # testnet
        "",
    ],
)
def test_what_is_no_safe_bitcoin_address_is_refused(text: str) -> None:
    assert canonical("bitcoin", text) is None


def test_base58_keeps_leading_zeros_and_refuses_foreign_characters() -> None:
    for payload in (b"\0\0\1", b"\0" * 21, b"\xff" * 4):
        assert base58.decode_check(base58.encode_check(payload)) == payload
    for bad in ("0", "O", "l", "I", "1", "", "é", "z" * 200):
        assert base58.decode_check(bad) is None


def test_every_witness_version_and_length_goes_there_and_back() -> None:
    for version, length in [(0, 20), (0, 32), (1, 32), (2, 2), (16, 40)]:
        program = bytes(range(length))
        text = bech32.encode_segwit("bc", version, program)
        assert bech32.decode_segwit("bc", text) == (version, program)


def test_every_known_contract_is_an_address_of_its_chain() -> None:
    table = table_of(known_contracts())
    assert len(EVM_CHAINS) == 16
    assert table["tron", "USDT"].contract == "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t"
    assert table["bnb", "USDC"].decimals == 18
    assert table["polygon", "USDC"].decimals == 6
    assert ("fantom", "DAI") not in table, "unknown stays unknown"
    assert [c.key for c in CHAINS.values() if (c.key, "CELO") in table] == ["celo"]
