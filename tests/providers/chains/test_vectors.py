"""Byte for byte what other software published: transactions of main nets, wallets' own vectors."""

import pytest

from domain.chains.addresses import evm_address, tron_address
from domain.chains.hashes import sha256
from domain.chains.table import Family
from domain.chains.tokens import token_of
from providers.evm import codec as evm
from providers.hdwallet.keys import PrivateKey
from providers.hdwallet.wallet import HdWallet
from providers.sandbox.chains import engine
from providers.tron import codec as tron

ABANDON = "abandon " * 11 + "about"
# BIP-39's vector of those words without a passphrase.
SEED = (
    "5eb00bbddcf069084889a8ab9155568165f5c453ccb85e70811aaed6f6da5fc1"
    "9a5ac40b389cd370d086206dec8aa6c43daea6690f20ad3d8d48b2d2ce9e38e4"
)


@pytest.mark.parametrize(
    ("family", "owner", "address"),
    [
        # BIP-84's own vector, first and second receiving address.
        (Family.BITCOIN, 0, "bc1qcr8te4kr609gcawutmrza0j4xv80jy8z306fyu"),
        (Family.BITCOIN, 1, "bc1qnjg0jd8228aq7egyzacy8cys3knf9xvrerkf9g"),
        # BIP-44 with coin types 60 and 195 (SLIP-44), as every wallet shows them.
        (Family.EVM, 0, "0x9858EfFD232B4033E47d90003D41EC34EcaEda94"),
        (Family.EVM, 1, "0x6Fac4D18c912343BF86fa7049364Dd4E424Ab9C0"),
        (Family.TRON, 0, "TUEZSdKsoDHQMeZwihtdoBiN46zxhGWYdH"),
    ],
)
def test_deposit_addresses_are_those_of_bip_44_and_bip_84(
    family: Family, owner: int, address: str
) -> None:
    wallet = HdWallet(ABANDON, collects=True)
    assert wallet.address(family, owner) == address
    key = wallet.keys(family).named(f"user/{owner}")
    assert key is not None
    assert key.address == address


def test_the_account_key_is_bip_84s() -> None:
    """Its private and public key of m/84'/0'/0'/0/0."""
    node = PrivateKey.master(bytes.fromhex(SEED)).at("m/84'/0'/0'/0/0")
    assert node.public.key.hex() == (
        "0330d54fd0dd420a6e5f8d3624f5f3482cae350f79d5f0753bf5beef9c2d91af3c"
    )


def test_an_erc_20_transfer_is_signed_as_trust_wallet_signs_it() -> None:
    """EIP-1559 with EIP-155's chain id inside: two DAI on Ethereum."""
    secret = int("608dcb1742bb3fb7aec002074e3420e4fab7d00cced79ccdac53ed5b27138151", 16)
    data = evm.transfer_call("0x5322b34c88ed0691971bf52a7047448f0f4efc84", 2 * 10**18)
    dai = "0x6B175474E89094C44Da98b954EedeAC495271d0F"
    terms = evm.Terms(0, dai, "0", data, 78_009, 3 * 10**9, 2 * 10**9)
    raw, _ = evm.signed(terms, 1, secret)
    assert raw.hex() == (
        "02f8b00180847735940084b2d05e00830130b9946b175474e89094c44da98b954eedeac495271d0f80b844a9059c"
        "bb0000000000000000000000005322b34c88ed0691971bf52a7047448f0f4efc8400000000000000000000000000"
        "00000000000000000000001bc16d674ec80000c080a0adfcfdf98d4ed35a8967a0c1d78b42adb7c5d831cf5a3272"
        "654ec8f8bcd7be2ea011641e065684f6aa476f4fd250aa46cd0b44eccdb0a6e1650d658d1998684cdf"
    )


@pytest.mark.parametrize("nonce", [0, 1, 127, 128, 255, 256, 2**32])
@pytest.mark.parametrize("value", [0, 1, 127, 128, 10**18, 10**30])
def test_payments_are_the_same_bytes_as_another_implementation_makes(
    nonce: int, value: int
) -> None:
    """eth-account's keys and py-evm's encoder, the edges of RLP's integers."""
    secret, to = sha256(b"edges"), bytes(range(20))
    said = engine.Decoded(
        hash=b"", sender=b"", nonce=nonce, to=to, value=value, data=b"\x01", gas=21_000,
        max_fee=10**9, tip=0, chain_id=1313161554,
    )  # fmt: skip
    terms = evm.Terms(nonce, evm_address(to), str(value), "01", 21_000, 10**9, 0)
    raw, _ = evm.signed(terms, 1313161554, int.from_bytes(secret, "big"))
    assert raw == engine.signed(secret, 1313161554, said)


def test_a_transfer_log_of_the_main_net_is_read_as_it_is_shown() -> None:
    """ERC-20: keccak of the signature, sender and receiver as words."""
    assert evm.TRANSFER_TOPIC == (
        "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
    )
    word = "0x000000000000000000000000dac17f958d2ee523a2206206994597c13d831ec7"
    assert evm.address_of_topic(word) == "0xdAC17F958D2ee523a2206206994597C13D831ec7"


def test_a_transfer_of_trx_on_the_main_net_has_these_bytes() -> None:
    """Block 62258698: five sun; its id is the hash of its raw data."""
    raw = tron.raw_data(
        tron.transfer(
            token_of("tron", "TRX", ""),
            _spelled("9b3281a60ab7a44f351ef2896c653f134972ad22"),
            _spelled("05cc125604448afeb6867eb688efb7e80411d57a"),
            5,
        ),
        _reference("fdf6", "4cd898aed8ce5d14"),
        expires_ms=1_717_419_846_000,
        made_ms=1_717_419_788_444,
        fee_limit=0,
    )
    assert raw.hex() == (
        "0a02fdf622084cd898aed8ce5d1440f0d2ccf1fd315a65080112610a2d747970652e676f6f676c65617069732e63"
        "6f6d2f70726f746f636f6c2e5472616e73666572436f6e747261637412300a15419b3281a60ab7a44f351ef2896c"
        "653f134972ad2212154105cc125604448afeb6867eb688efb7e80411d57a1805709c91c9f1fd31"
    )
    tx_id = "47086db397eac45d2fe7dacedcb6f77267d6895dce645210e495e64f8a2a7910"
    assert sha256(raw).hex() == tx_id
    signature = bytes.fromhex(
        "c1c0b1ad18f56248ebc6820c611cd65683cef6b5deed8002246cc00df7e79f9f"
        "73d48c35b8c2e41694ef23c8020ab8c578c0aa57b7e079683f322e45c88b0e0700"
    )
    signer = engine.recovered(bytes.fromhex(tx_id), signature[:65])
    assert signer is not None
    assert signer.hex() == "9b3281a60ab7a44f351ef2896c653f134972ad22"


def test_a_trc_20_transfer_has_the_bytes_that_tronlink_shows() -> None:
    contract = tron.transfer(
        token_of("tron", "USDT", _spelled("eca9bc828a3005b9a3b909f2cc5c2a54794de05f")),
        _spelled("b42b84bad413dde093e27d01bb02ed9eede52c43"),
        _spelled("ed87a3ae2bf2ab8b95486a23f224487ad75c6020"),
        20,
    )
    raw = tron.raw_data(
        contract,
        _reference("84e1", "1731d6450e11a03f"),
        expires_ms=1_670_168_865_000,
        made_ms=1_670_168_805_340,
        fee_limit=100_000_000,
    )
    assert raw.hex() == (
        "0a0284e122081731d6450e11a03f40e8d1c9eecd305aae01081f12a9010a31747970652e676f6f676c6561706973"
        "2e636f6d2f70726f746f636f6c2e54726967676572536d617274436f6e747261637412740a1541b42b84bad413dd"
        "e093e27d01bb02ed9eede52c43121541eca9bc828a3005b9a3b909f2cc5c2a54794de05f2244a9059cbb00000000"
        "0000000000000000ed87a3ae2bf2ab8b95486a23f224487ad75c6020000000000000000000000000000000000000"
        "000000000000000000000000001470dcffc5eecd30900180c2d72f"
    )
    tx_id = "dcfaf2c2d75d91994f9a23623e905eaa7d74bc804fa5821640111ada3441376a"
    assert sha256(raw).hex() == tx_id


def _spelled(account: str) -> str:
    return tron_address(bytes.fromhex(account))


def _reference(number: str, middle: str) -> tron.Reference:
    """A block by the bytes of it that a transaction names."""
    return tron.Reference(int(number, 16), bytes(8) + bytes.fromhex(middle) + bytes(16))
