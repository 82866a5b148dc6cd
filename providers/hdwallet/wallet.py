"""Whose key is where: addresses to receive on, watch-only, and one hot wallet a family.

    m/44'/60'/0'/0/n   EVM deposit addresses, the same on all sixteen chains
    m/44'/195'/0'/0/n  TRON deposit addresses
    m/84'/0'/0'/0/n    Bitcoin deposit addresses (P2WPKH)
    …/1'/0/0           the hot wallet of each family, an account of its own

Addresses that belong to businesses are in account 2', those of the cashier's deposits in 3', the
one where the operator sends the platform's own money in 4'. `n` is the owner's id; the level above
it ("0/") counts up for ids of 2^31 and more. Private keys of deposit addresses are derived only
where the server is told to collect from them (CHAIN_SWEEPS), and only while it signs; elsewhere
it cannot: it keeps their accounts' public keys alone.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from mnemonic import Mnemonic

from domain.chains.addresses import bitcoin_address, evm_address, tron_address
from domain.chains.hashes import hash160, keccak256
from domain.chains.table import Family
from domain.chains.transfers import Withdrawal
from providers.hdwallet import curve
from providers.hdwallet.keys import HARDENED, DerivationError, PrivateKey, PublicKey

_ROOTS: Final = {Family.EVM: "m/44'/60'", Family.TRON: "m/44'/195'", Family.BITCOIN: "m/84'/0'"}
_HOT_ACCOUNT: Final = 1
# Accounts of deposit addresses, by what they are for.
PURPOSES: Final = {"user": 0, "business": 2, "cashier": 3, "treasury": 4}
_ENTROPY_BYTES: Final = 32
_WORDS: Final = Mnemonic("english")


@dataclass(frozen=True, slots=True)
class HotKey:
    """Signs payments of one family."""

    address: str
    secret: int = field(repr=False)
    public: bytes


@dataclass(frozen=True, slots=True)
class Keys:
    """What one family's payer signs with: the hot key, and keys of deposit addresses by name."""

    hot: HotKey
    named: Callable[[str], HotKey | None]

    def of(self, withdrawal: Withdrawal) -> HotKey | None:
        """The key of the address it leaves from; None when that is not here."""
        if not withdrawal.source:
            return self.hot
        key = self.named(withdrawal.source_key)
        return key if key is not None and key.address == withdrawal.source else None


def new_mnemonic(random_bytes: Callable[[int], bytes]) -> str:
    """24 words; whoever has them has all the money."""
    return _WORDS.to_mnemonic(random_bytes(_ENTROPY_BYTES))


def address_of_key(family: Family, point: curve.Point) -> str:
    """The address that the private key of `point` spends from."""
    if family is Family.BITCOIN:
        address = bitcoin_address(b"\x00\x14" + hash160(curve.compressed(point)))
        assert address is not None
        return address
    account = keccak256(curve.uncompressed(point))[-20:]
    return evm_address(account) if family is Family.EVM else tron_address(account)


class HdWallet:
    """Addresses and hot keys of one seed.

    `words` may come from the operator; raises DerivationError when they are not BIP-39's.
    `collects`: whether it may spend from deposit addresses, too.
    """

    def __init__(self, words: str, passphrase: str = "", *, collects: bool = False) -> None:
        if not _WORDS.check(words):
            raise DerivationError("the wallet's words are not a BIP-39 mnemonic")
        master = PrivateKey.master(Mnemonic.to_seed(words, passphrase))
        self._watched: dict[tuple[Family, str], PublicKey] = {}
        self._branches: dict[tuple[Family, str], PublicKey] = {}
        self._spent_from: dict[tuple[Family, str], PrivateKey] = {}
        self._hot: dict[Family, HotKey] = {}
        for family, root in _ROOTS.items():
            for purpose, number in PURPOSES.items():
                account = master.at(f"{root}/{number}'")
                self._watched[family, purpose] = account.public
                if collects:
                    self._spent_from[family, purpose] = account
            self._hot[family] = _hot_key(family, master.at(f"{root}/{_HOT_ACCOUNT}'/0/0"))

    def hot(self, family: Family) -> HotKey:
        """The key that pays out on every chain of `family`."""
        return self._hot[family]

    @property
    def collects(self) -> bool:
        """Whether it may spend from deposit addresses."""
        return bool(self._spent_from)

    def keys(self, family: Family) -> Keys:
        """What the payers of `family` sign with."""
        return Keys(self._hot[family], lambda name: self._named(family, name))

    def _named(self, family: Family, name: str) -> HotKey | None:
        """The key of the deposit address "purpose/owner"; None where nothing is collected."""
        purpose, _, owner = name.partition("/")
        account = self._spent_from.get((family, purpose))
        if account is None or not owner.isascii() or not owner.isdigit():
            return None
        high, low = divmod(int(owner), HARDENED)
        return _hot_key(family, account.child(high).child(low))

    def address(self, family: Family, owner: int, purpose: str = "user") -> str:
        """Where `owner` (a user's id, or a business's) receives; the same for ever."""
        if owner < 0:
            raise DerivationError("an owner's id is not negative")
        high, low = divmod(owner, HARDENED)
        return address_of_key(family, self._branch(family, purpose, high).child(low).point)

    def _branch(self, family: Family, purpose: str, high: int) -> PublicKey:
        if high:
            return self._watched[family, purpose].child(high)
        branch = self._branches.get((family, purpose))
        if branch is None:
            branch = self._branches[family, purpose] = self._watched[family, purpose].child(0)
        return branch

    def account_key(self, family: Family, purpose: str = "user") -> str:
        """The extended public key of the deposit addresses: can watch, cannot spend."""
        return self._watched[family, purpose].serialized()


def _hot_key(family: Family, node: PrivateKey) -> HotKey:
    point = curve.public_point(node.secret)
    return HotKey(address_of_key(family, point), node.secret, curve.compressed(point))
