"""Bytes of transactions by the vectors of their standards, and as other engines read them."""

import pytest

from domain.chains.hashes import hash160, sha256
from domain.chains.tokens import token_of
from providers.bitcoin.coins import DUST, Coin, chosen, dearer, unsigned
from providers.bitcoin.tx import (
    Input,
    Malformed,
    Output,
    Tx,
    digest,
    is_signed,
    parsed,
    serialized,
    signed,
)
from providers.evm import codec as evm
from providers.hdwallet import curve
from providers.sandbox.chains import engine
from providers.tron import codec as tron
from providers.tron.protobuf import Malformed as NotProtobuf
from providers.tron.protobuf import fields_of, message

SECRET = int.from_bytes(sha256(b"a test's key"), "big")


# --- EVM -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("item", "encoded"),
    [
        (b"dog", "83646f67"),
        ([b"cat", b"dog"], "c88363617483646f67"),
        (b"", "80"),
        ([], "c0"),
        (0, "80"),
        (15, "0f"),
        (1024, "820400"),
        ([[], [[]], [[], [[]]]], "c7c0c1c0c3c0c1c0"),
        (
            b"Lorem ipsum dolor sit amet, consectetur adipisicing elit",
            "b8384c6f72656d20697073756d20646f6c6f722073697420616d65742c20636f6e736563746574757220"
            "61646970697369"
            "63696e6720656c6974",
        ),
    ],
)
def test_rlp_is_as_the_yellow_paper_says(item: evm.Item, encoded: str) -> None:
    assert evm.rlp(item).hex() == encoded


def test_a_payment_is_read_by_another_engine_as_it_was_meant() -> None:
    """EIP-1559: chain, nonce, fees, receiver and signer survive."""
    to = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
    for nonce, value, data in [(0, 0, ""), (7, 10**30, ""), (300, 1, "00" * 200)]:
        terms = evm.Terms(nonce, to, str(value), data, 90_000, 3 * 10**9, 10**9)
        raw, tx_hash = evm.signed(terms, 42161, SECRET)
        said = engine.decode(raw)
        assert raw[:1] == b"\x02"
        assert "0x" + said.hash.hex() == tx_hash
        assert said.sender == engine.account_of(SECRET.to_bytes(32, "big"))
        assert (said.nonce, said.value, said.data.hex()) == (nonce, value, data)
        assert (said.max_fee, said.tip, said.chain_id) == (3 * 10**9, 10**9, 42161)
        assert "0x" + said.to.hex() == to.lower()


def test_a_contract_comes_to_stand_where_everybody_says() -> None:
    creator = bytes.fromhex("6ac7ea33f8831ea9dcc53393aaa88b25a785dbf0")
    assert evm.created_address(creator, 0) == "0xcd234A471b72ba2F1Ccf0A70FCABA648a5eeCD8d"
    assert evm.created_address(creator, 1) == "0x343c43A37D37dfF08AE8C4A11544c718AbB4fCF8"


def test_a_transfer_topic_names_an_address_or_nothing() -> None:
    word = "0x" + "00" * 12 + "5aaeb6053f3e94c9b9a09f33669435e7ef1beaed"
    assert evm.address_of_topic(word) == "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
    for bad in ("0x", word[:-2], word.replace("0x00", "0x01"), word[:-1] + "g"):
        assert evm.address_of_topic(bad) is None


@pytest.mark.parametrize("text", ["USDC", "A name of a token that is longer than one word of it"])
def test_a_string_that_a_call_returned_is_read(text: str) -> None:
    body = text.encode()
    padded = body.ljust(-(-len(body) // 32) * 32, b"\0")
    data = (32).to_bytes(32, "big") + len(body).to_bytes(32, "big") + padded
    assert evm.text_result("0x" + data.hex()) == text
    assert evm.text_result("0x" + b"MKR".ljust(32, b"\0").hex()) == "MKR"


# --- TRON ----------------------------------------------------------------------------------

# raw_data of a published transfer of TRX (TRON's developer documentation, TronWeb).
OWNER, RECEIVER = "TUEZSdKsoDHQMeZwihtdoBiN46zxhGWYdH", "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t"


def test_protobuf_messages_go_there_and_back_and_leave_out_what_is_empty() -> None:
    data = message((1, b"abc"), (2, 0), (3, b""), (14, 2**40), (18, 150))
    assert fields_of(data) == {1: [b"abc"], 14: [2**40], 18: [150]}
    assert message((1, 150)).hex() == "089601"
    assert message((2, b"testing")).hex() == "120774657374696e67"
    for bad in (b"\x0a\xff", b"\x08", b"\x0d1234", b"\xff" * 20):
        with pytest.raises(NotProtobuf):
            fields_of(bad)


def test_a_tron_transaction_is_its_contract_its_reference_and_its_end() -> None:
    contract = tron.transfer(token_of("tron", "TRX", ""), OWNER, RECEIVER, 1_000_000)
    reference = tron.Reference(0x0123456789, bytes(range(32)))
    raw = tron.raw_data(contract, reference, expires_ms=99_000, made_ms=42_000, fee_limit=0)
    fields = fields_of(raw)
    assert fields[1] == [bytes.fromhex("6789")]
    assert fields[4] == [bytes(range(8, 16))]
    assert (fields[8], fields[14], 18 in fields) == ([99_000], [42_000], False)
    inner = fields_of(contract)
    assert inner[1] == [1]
    transaction, tx_id = tron.signed(raw, SECRET)
    assert tx_id == sha256(raw).hex()
    signature = fields_of(transaction)[2][0]
    assert isinstance(signature, bytes)
    assert len(signature) == 65
    signer = engine.recovered(sha256(raw), signature)
    assert signer == engine.account_of(SECRET.to_bytes(32, "big"))


def test_a_trc20_call_is_the_evms() -> None:
    usdt = token_of("tron", "USDT", RECEIVER)
    contract = tron.transfer(usdt, OWNER, RECEIVER, 195_170_000)
    assert fields_of(contract)[1] == [31]
    assert bytes.fromhex("a9059cbb") in contract
    assert tron.transfer_parameter(RECEIVER, 1) == (
        "000000000000000000000000a614f803b6fd780986a42c78ec9c7f77e6ded13c" + "00" * 31 + "01"
    )


# --- Bitcoin -------------------------------------------------------------------------------

# BIP-143, "Native P2WPKH": its second input is ours to sign.
BIP143 = (
    "0100000002fff7f7881a8099afa6940d42d1e7f6362bec38171ea3edf433541db4e4ad969f0000000000eeffffffe"
    "f51e1b804cc89d182d279655c3aa89e815b1b309fe287d9b2b55d57b90ec68a0100000000ffffffff02202cb20600"
    "0000001976a9148280b37df378db99f66f85c95a783a76ac7a6d5988ac9093510d000000001976a9143bde42dbee7"
    "e4dbe6a21b2d50ce2f0167faa815988ac11000000"
)
BIP143_SECRET = int("619c335025c7f4012e556c2a58b2506e30b8511b53ade95ea316fd8c3286feb9", 16)


def test_what_is_signed_is_what_bip_143_says() -> None:
    tx = parsed(bytes.fromhex(BIP143))
    public = curve.compressed(curve.public_point(BIP143_SECRET))
    assert public.hex() == "025476c2e83188368da1ff3e292e7acafcdb3566bb0ad253f62fc70f07aeee6357"
    expected = "c37af31116d1b27caf68aae9e3ac82f1477929014d5b917657d0eb49478cb670"
    assert digest(tx, 1, public, 600_000_000).hex() == expected
    assert serialized(tx).hex() == BIP143


def test_transactions_and_their_ids_go_there_and_back() -> None:
    """The first payment ever made, in block 170."""
    raw = (
        "0100000001c997a5e56e104102fa209c6a852dd90660a20b2d9c352423edce25857fcd3704000000004847304"
        "402204e45e16932b8af514961a1d3a1a25fdf3f4f7732e9d624c6c61548ab5fb8cd410220181522ec8eca07de"
        "4860a4acdd12909d831cc56cbbac4622082221a8768d1d0901ffffffff0200ca9a3b00000000434104ae1a62f"
        "e09c5f51b13905f07f06b99a2f7159b2225f374cd378d71302fa28414e7aab37397f554a7df5f142c21c1b730"
        "3b8a0626f1baded5c72a704f7e6cd84cac00286bee0000000043410411db93e1dcdb8a016b49840f8c53bc1eb"
        "68a382e97b1482ecad7b148a6909a5cb2e0eaddfb84ccf9744464f82e160bfa9b8b64f9d4c03f999b8643f656"
        "b412a3ac00000000"
    )
    tx = parsed(bytes.fromhex(raw))
    assert tx.tx_id == "f4184fc596403b9d638783cf57adfe4c75c605f6356fbc91338530e9831e9e16"
    assert serialized(tx).hex() == raw
    for cut in (b"", bytes.fromhex(raw)[:-1], bytes.fromhex(raw) + b"\0", b"\xff" * 40):
        with pytest.raises(Malformed):
            parsed(cut)


def paying() -> tuple[Tx, list[Output]]:
    """A payment from two coins, and those coins."""
    public = curve.compressed(curve.public_point(SECRET))
    script = b"\x00\x14" + hash160(public)
    coins = [Output(70_000, script), Output(50_000, script)]
    inputs = (Input("11" * 32, 0), Input("22" * 32, 3))
    tx = Tx(inputs, (Output(100_000, b"\x00\x14" + bytes(20)), Output(19_000, script)))
    return signed(tx, [70_000, 50_000], SECRET, public), coins


def test_bitcoin_cores_own_script_engine_accepts_what_we_sign() -> None:
    pbk = pytest.importorskip("pbk", reason="no wheel for this Python")
    tx, coins = paying()
    theirs = pbk.Transaction(serialized(tx))
    flags = pbk.ScriptVerificationFlags.P2SH | pbk.ScriptVerificationFlags.WITNESS
    for position, coin in enumerate(coins):
        script = pbk.ScriptPubkey(coin.script)
        assert script.verify(coin.value, theirs, None, position, flags)
        assert not script.verify(coin.value + 1, theirs, None, position, flags)
        assert not script.verify(coin.value, theirs, None, 1 - position, flags)


def test_a_signature_is_for_its_coin_its_amount_and_every_output() -> None:
    tx, coins = paying()
    assert is_signed(tx, 0, coins[0])
    assert is_signed(tx, 1, coins[1])
    assert not is_signed(tx, 0, Output(70_001, coins[0].script))
    assert not is_signed(tx, 0, Output(70_000, b"\x00\x14" + bytes(20)))
    stolen = Tx(tx.inputs, (Output(119_000, coins[0].script),))
    assert not is_signed(stolen, 0, coins[0])


def test_the_size_that_fees_are_reckoned_with_is_never_too_small() -> None:
    public = curve.compressed(curve.public_point(SECRET))
    change = b"\x00\x14" + hash160(public)
    for count in (1, 2, 7):
        coins = [Coin(f"{n:064x}", 0, 100_000) for n in range(count)]
        amount = count * 100_000 - 30_000
        terms = chosen(coins, b"\x51\x20" + bytes(32), amount, change, 5)
        assert terms is not None
        tx = signed(unsigned(terms, change), [c.value for c in terms.coins], SECRET, public)
        assert terms.fee >= tx.virtual_size * 5
        assert terms.fee <= tx.virtual_size * 6 + DUST
        assert sum(c.value for c in terms.coins) == amount + sum(terms.change) + terms.fee


def test_a_dearer_version_takes_the_fee_from_the_change_and_from_nothing_else() -> None:
    change = b"\x00\x14" + bytes(20)
    terms = chosen([Coin("11" * 32, 0, 500_000)], change, 100_000, change, 2)
    assert terms is not None
    higher = dearer(terms, change, 20)
    assert higher is not None
    assert (higher.coins, higher.amount) == (terms.coins, terms.amount)
    assert higher.fee - terms.fee == sum(terms.change) - sum(higher.change)
    assert higher.fee >= 20 * 140
    assert dearer(terms, change, 10_000) is None
    assert chosen([Coin("11" * 32, 0, 500)], change, 600, change, 1) is None
