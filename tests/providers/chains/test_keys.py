"""Keys by the vectors of BIP-32, BIP-39, BIP-84 and RFC 6979."""

import pytest
from mnemonic import Mnemonic

from domain.chains.hashes import keccak256, sha256
from domain.chains.table import Family
from providers.hdwallet import curve
from providers.hdwallet.keys import HARDENED, DerivationError, PrivateKey, PublicKey
from providers.hdwallet.wallet import HdWallet, new_mnemonic

ABANDON = "abandon " * 11 + "about"
# BIP-32, test vectors 1 to 3: seed, path, xpub, xprv.
BIP32 = [
    (
        "000102030405060708090a0b0c0d0e0f",
        "m",
        "xpub661MyMwAqRbcFtXgS5sYJABqqG9YLmC4Q1Rdap9gSE8NqtwybGhePY2gZ29ESFjqJoCu1Rupje8YtGqsefD2"
        "65TMg7usUDFdp6W1EGMcet8",
        "xprv9s21ZrQH143K3QTDL4LXw2F7HEK3wJUD2nW2nRk4stbPy6cq3jPPqjiChkVvvNKmPGJxWUtg6LnF5kejMRNN"
        "U3TGtRBeJgk33yuGBxrMPHi",
    ),
    (
        "000102030405060708090a0b0c0d0e0f",
        "m/0'/1/2'/2/1000000000",
        "xpub6H1LXWLaKsWFhvm6RVpEL9P4KfRZSW7abD2ttkWP3SSQvnyA8FSVqNTEcYFgJS2UaFcxupHiYkro49S8yGas"
        "TvXEYBVPamhGW6cFJodrTHy",
        "xprvA41z7zogVVwxVSgdKUHDy1SKmdb533PjDz7J6N6mV6uS3ze1ai8FHa8kmHScGpWmj4WggLyQjgPie1rFSruo"
        "UihUZREPSL39UNdE3BBDu76",
    ),
    (
        "4b381541583be4423346c643850da4b320e46a87ae3d2a4e6da11eba819cd4acba45d239319ac14f863b8d5ab5a"
        "0d0c64d2e8a1e7d1457df2e5a3c51c73235be",
        "m/0'",
        "xpub68NZiKmJWnxxS6aaHmn81bvJeTESw724CRDs6HbuccFQN9Ku14VQrADWgqbhhTHBaohPX4CjNLf9fq9MYo6o"
        "DaPPLPxSb7gwQN3ih19Zm4Y",
        "xprv9uPDJpEQgRQfDcW7BkF7eTya6RPxXeJCqCJGHuCJ4GiRVLzkTXBAJMu2qaMWPrS7AANYqdq6vcBcBUdJCVVF"
        "ceUvJFjaPdGZ2y9WACViL4L",
    ),
]


@pytest.mark.parametrize(("seed", "path", "xpub", "xprv"), BIP32)
def test_keys_derive_as_bip_32_says(seed: str, path: str, xpub: str, xprv: str) -> None:
    key = PrivateKey.master(bytes.fromhex(seed)).at(path)
    assert key.serialized() == xprv
    assert key.public.serialized() == xpub
    assert PublicKey.parsed(xpub) == key.public


def test_a_watch_only_key_derives_what_the_private_key_derives() -> None:
    account = PrivateKey.master(bytes(16)).at("m/44'/60'/0'")
    watched = PublicKey.parsed(account.public.serialized())
    for number in (0, 1, 2**31 - 1):
        assert watched.child(0).child(number) == account.at(f"m/0/{number}").public
    with pytest.raises(DerivationError):
        watched.child(HARDENED)


@pytest.mark.parametrize("text", ["", "xpub", BIP32[0][3], BIP32[0][2][:-1] + "9"])
def test_what_is_no_extended_public_key_is_refused(text: str) -> None:
    with pytest.raises(DerivationError):
        PublicKey.parsed(text)


def test_words_become_the_seed_that_bip_39_says() -> None:
    seed = Mnemonic.to_seed(ABANDON, "TREZOR").hex()
    assert seed.startswith("c55257c360c07c72029aebc1b53c05ed0362ada38ead3e3e9efa3708e5349553")


def test_addresses_are_those_of_other_wallets_with_the_same_words() -> None:
    """BIP-44 for EVM and TRON, BIP-84 for Bitcoin."""
    wallet = HdWallet(ABANDON)
    assert wallet.address(Family.EVM, 0) == "0x9858EfFD232B4033E47d90003D41EC34EcaEda94"
    assert wallet.address(Family.TRON, 0) == "TUEZSdKsoDHQMeZwihtdoBiN46zxhGWYdH"
    assert wallet.address(Family.BITCOIN, 0) == "bc1qcr8te4kr609gcawutmrza0j4xv80jy8z306fyu"
    assert wallet.address(Family.BITCOIN, 1) == "bc1qnjg0jd8228aq7egyzacy8cys3knf9xvrerkf9g"


def test_owners_purposes_families_and_the_hot_wallet_never_share_an_address() -> None:
    wallet = HdWallet(ABANDON)
    owners = [0, 1, 12345, 2**31 - 1, 2**31, 2**40]
    addresses = [
        wallet.address(family, owner, purpose)
        for family in Family
        for owner in owners
        for purpose in ("user", "business")
    ]
    addresses += [wallet.hot(family).address for family in Family]
    assert len(set(addresses)) == len(addresses)
    with pytest.raises(DerivationError):
        wallet.address(Family.EVM, -1)


def test_words_that_are_not_a_mnemonic_are_refused() -> None:
    with pytest.raises(DerivationError):
        HdWallet("abandon " * 12)
    assert len(new_mnemonic(bytes).split()) == 24


def test_no_secret_is_shown() -> None:
    wallet = HdWallet(ABANDON)
    master = PrivateKey.master(bytes(16))
    for shown in (repr(wallet.hot(Family.EVM)), repr(master), repr(wallet)):
        assert str(wallet.hot(Family.EVM).secret) not in shown
        assert str(master.secret) not in shown


# Widely used vectors of deterministic signatures on this curve: key, message, r and low s.
RFC6979 = [
    (
        1,
        b"Satoshi Nakamoto",
        "934b1ea10a4b3c1757e2b0c017d0b6143ce3c9a7e6a4a49860d7a6ab210ee3d8"
        "2442ce9d2b916064108014783e923ec36b49743e2ffa1c4496f01a512aafd9e5",
    ),
    (
        1,
        b"All those moments will be lost in time, like tears in rain. Time to die...",
        "8600dbd41e348fe5c9465ab92d23e3db8b98b873beecd930736488696438cb6b"
        "547fe64427496db33bf66019dacbf0039c04199abb0122918601db38a72cfc21",
    ),
]


@pytest.mark.parametrize(("secret", "message", "compact"), RFC6979)
def test_signatures_are_deterministic_and_low(secret: int, message: bytes, compact: str) -> None:
    signature = curve.sign(secret, sha256(message))
    assert signature.compact.hex() == compact
    assert signature.s <= curve.ORDER // 2
    key = curve.compressed(curve.public_point(secret))
    assert curve.verifies(key, sha256(message), signature.der)
    assert not curve.verifies(key, sha256(message + b"."), signature.der)
    assert not curve.verifies(key, sha256(message), b"nonsense")


def test_points_add_as_their_factors_do() -> None:
    assert curve.add_base(curve.public_point(5), 7) == curve.public_point(12)
    assert curve.add_base(curve.public_point(5), 5) == curve.public_point(10)
    with pytest.raises(ValueError):
        curve.add_base(curve.public_point(5), curve.ORDER - 5)


def test_keccak_is_not_sha3() -> None:
    digest = "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"
    assert keccak256(b"").hex() == digest
