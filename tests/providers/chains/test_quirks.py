"""What real EVM nodes do that the simulated ones do not, said by a scripted node."""

from collections.abc import Callable
from typing import Any

import httpx
import msgspec
import pytest

from actors.chain_rail import (
    Accepted,
    ChainUnavailable,
    Delivery,
    Displaced,
    Included,
    InDoubt,
    Missing,
    NotNow,
    Refused,
    Waiting,
)
from actors.chain_store import Flight, WithdrawalStore
from domain.chains.table import EVM_CHAINS, Family
from domain.chains.tokens import known_contracts, table_of
from domain.chains.transfers import SignedTransaction, Withdrawal, WithdrawalState
from providers.evm.blocks import EvmBlocks
from providers.evm.client import EvmRpc
from providers.evm.codec import TRANSFER_TOPIC, Terms
from providers.evm.payer import EvmPayer
from providers.hdwallet.wallet import HdWallet

WALLET = HdWallet("abandon " * 11 + "about")
TOKENS = table_of(known_contracts())
POLYGON = EVM_CHAINS["polygon"]
USDC = TOKENS["polygon", "USDC"].contract
TO = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
HASH = "0x" + "ab" * 32
Answer = Callable[[list[Any]], Any]


def refusal(message: str, code: int = -32000) -> Any:
    return {"error": {"code": code, "message": message}}


class Script:
    """Answers each method by a function of its parameters; remembers what was asked."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.asked: list[tuple[str, list[Any]]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        calls = msgspec.json.decode(request.content)
        replies = [{"jsonrpc": "2.0", "id": c["id"], **self._one(c)} for c in calls]
        # By JSON-RPC a batch may be answered in any order.
        return httpx.Response(200, content=msgspec.json.encode(replies[::-1]))

    def _one(self, call: Any) -> dict[str, Any]:
        self.asked.append((call["method"], call["params"]))
        answer = self.answers.get(call["method"], refusal("the method does not exist", -32601))
        value = answer(call["params"]) if callable(answer) else answer
        if isinstance(value, dict) and "error" in value:
            return value
        return {"result": value}

    def payer(self) -> EvmPayer:
        return EvmPayer(self._rpc(), POLYGON, TOKENS, WALLET.keys(Family.EVM))

    def blocks(self) -> EvmBlocks:
        return EvmBlocks(self._rpc(), POLYGON, TOKENS)

    def _rpc(self) -> EvmRpc:
        http = httpx.AsyncClient(transport=httpx.MockTransport(self), trust_env=False)
        return EvmRpc(http, "http://node")


class NoSlots(WithdrawalStore):
    async def last_slot(self, chain: str, source: str = "") -> str | None:
        return None


SLOTS = NoSlots()  # type: ignore[abstract]
WITHDRAWAL = Withdrawal(
    id="W", chain="polygon", token="USDC", address=TO, amount_raw=10**6,
    state=WithdrawalState.QUEUED,
)  # fmt: skip


def signed(terms: bytes = b"", tx_hash: str = HASH, version: int = 0) -> SignedTransaction:
    return SignedTransaction(
        withdrawal_id="W", version=version, tx_hash=tx_hash, raw=b"\x02", slots=(), terms=terms,
        signed_us=1,
    )  # fmt: skip


def flight(*versions: SignedTransaction) -> Flight:
    return Flight(WITHDRAWAL, versions)


TERMS = msgspec.json.encode(Terms(7, TO, "0", "", 60_000, 10**9, 10**8))
RICH = {
    "eth_getTransactionCount": "0x7",
    "eth_getBalance": hex(10**20),
    "eth_call": "0x" + (10**12).to_bytes(32, "big").hex(),
    "eth_estimateGas": "0xea60",
    "eth_feeHistory": {"baseFeePerGas": ["0x3b9aca00"] * 6, "reward": [["0x5f5e100"]] * 5},
    "eth_maxPriorityFeePerGas": "0x3b9aca00",
    "eth_gasPrice": "0x77359400",
}


# --- sending -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "delivery"),
    [
        ("already known", Accepted),
        ("AlreadyKnown", Accepted),
        ("known transaction: ab", Accepted),
        ("Transaction with the same hash was already imported.", Accepted),
        ("nonce too low: next nonce 9, tx nonce 7", InDoubt),
        ("replacement transaction underpriced", InDoubt),
        ("transaction underpriced: tip needed 25000000000", InDoubt),
        ("max fee per gas less than block base fee", InDoubt),
        ("insufficient funds for gas * price + value", InDoubt),
        ("txpool is full", InDoubt),
    ],
)
async def test_a_nodes_word_on_a_broadcast_is_never_taken_for_a_refusal(
    message: str, delivery: type[Delivery]
) -> None:
    """It may have it all the same, from us or from another node: only the chain decides."""
    payer = Script(eth_sendRawTransaction=refusal(message)).payer()
    assert isinstance(await payer.send(signed()), delivery)


async def test_a_hash_in_other_letters_is_the_same_hash() -> None:
    payer = Script(eth_sendRawTransaction="0x" + "AB" * 32).payer()
    assert isinstance(await payer.send(signed()), Accepted)


# --- looking -------------------------------------------------------------------------------


def receipt(**members: Any) -> dict[str, Any]:
    return {"transactionHash": "0x" + "AB" * 32, "blockNumber": "0x10", "gasUsed": "0x5208",
            "effectiveGasPrice": "0x3b9aca00", "status": "0x1", **members}  # fmt: skip


async def look(**answers: Any) -> Any:
    answers = {"eth_blockNumber": "0x20", "eth_getTransactionCount": "0x7", **answers}
    return (await Script(**answers).payer().look([flight(signed(TERMS))]))[0]


async def test_a_receipt_in_other_letters_or_without_a_price_is_a_receipt() -> None:
    seen = await look(eth_getTransactionReceipt=receipt())
    assert seen == Included(HASH, 16, 17, True, 21_000 * 10**9, 21_000)
    bare = {"blockNumber": "0x10", "gasUsed": "0x5208", "status": "0x0", "l1Fee": None}
    assert await look(eth_getTransactionReceipt=bare) == Included(HASH, 16, 17, False, 0, 21_000)


async def test_a_rollups_second_fee_is_counted() -> None:
    seen = await look(eth_getTransactionReceipt=receipt(l1Fee="0x64"))
    assert seen.fee_raw == 21_000 * 10**9 + 100


@pytest.mark.parametrize(
    ("known", "sighting"), [(None, Missing), ({"hash": HASH, "blockNumber": None}, Waiting)]
)
@pytest.mark.parametrize("found", [None, receipt(blockNumber=None)])
async def test_no_receipt_or_one_of_no_block_is_not_inclusion(
    known: Any, sighting: type, found: Any
) -> None:
    seen = await look(eth_getTransactionReceipt=found, eth_getTransactionByHash=known)
    assert isinstance(seen, sighting)


async def test_a_used_nonce_without_a_receipt_is_asked_twice_before_it_is_displaced() -> None:
    receipts = iter([None, receipt()])
    seen = await look(
        eth_getTransactionCount="0x8", eth_getTransactionReceipt=lambda _: next(receipts)
    )
    assert isinstance(seen, Included)
    seen = await look(eth_getTransactionCount="0x8", eth_getTransactionReceipt=None)
    assert isinstance(seen, Displaced)


async def test_a_rate_limit_inside_a_batch_says_nothing() -> None:
    with pytest.raises(ChainUnavailable, match="limit exceeded"):
        await look(eth_getTransactionReceipt=refusal("limit exceeded", -32005))


# --- preparing -----------------------------------------------------------------------------


async def prepare(**answers: Any) -> Any:
    return await Script(**{**RICH, **answers}).payer().prepare(WITHDRAWAL, [], SLOTS, 1)


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (refusal("execution reverted: Blacklistable: account is blacklisted", 3), Refused),
        (refusal("VM execution error. Reverted 0x", -32015), Refused),
        (refusal("gas required exceeds allowance (0)"), NotNow),
        (refusal("Too many requests", 429), NotNow),
    ],
)
async def test_an_estimate_that_fails_concerns_its_own_payment_only(
    error: Any, outcome: type
) -> None:
    """One payment that cannot be estimated keeps no other waiting."""
    assert isinstance(await prepare(eth_estimateGas=error), outcome)


async def offered(**answers: Any) -> tuple[int, int]:
    made = await prepare(**answers)
    assert isinstance(made, SignedTransaction), made
    terms = msgspec.json.decode(made.terms, type=Terms)
    return terms.max_fee, terms.priority_fee


async def test_the_tip_that_a_node_asks_for_is_offered() -> None:
    """Polygon and BNB take no less than they say, whatever was paid lately."""
    assert await offered() == (3 * 10**9, 10**9)
    assert await offered(eth_maxPriorityFeePerGas="0x1") == (21 * 10**8, 10**8)
    assert await offered(eth_maxPriorityFeePerGas=refusal("no", -32601)) == (21 * 10**8, 10**8)
    assert await offered(
        eth_feeHistory={"baseFeePerGas": ["0x0"], "reward": None}
    ) == (10**9, 10**9)  # fmt: skip


async def test_a_node_without_a_history_of_fees_is_asked_for_its_gas_price() -> None:
    missing = refusal("the method eth_feeHistory does not exist", -32601)
    assert await offered(eth_feeHistory=missing) == (4 * 10**9, 2 * 10**9)
    with pytest.raises(ChainUnavailable):
        await prepare(eth_feeHistory=missing, eth_gasPrice=missing)


# --- reading -------------------------------------------------------------------------------


def header(number: int) -> dict[str, Any]:
    return {"number": hex(number), "hash": f"0x{number:064x}", "parentHash": f"0x{number - 1:064x}"}


def transfer(number: int) -> dict[str, Any]:
    """In the letters of a checksum, as some nodes write them."""
    return {
        "address": USDC,
        "topics": [
            TRANSFER_TOPIC.upper().replace("0X", "0x"),
            "0x" + "00" * 12 + "11" * 20,
            "0x" + "00" * 12 + TO[2:].upper(),
        ],
        "data": "0x" + (10**6).to_bytes(32, "big").hex(),
        "blockNumber": hex(number),
        "blockHash": f"0x{number:064x}",
        "transactionHash": "0x" + "AB" * 32,
        "logIndex": "0x0",
    }


async def test_a_range_with_too_many_logs_is_asked_for_in_parts() -> None:
    """Nodes refuse what they would have to search too long for."""

    def logs(params: list[Any]) -> Any:
        first, last = (int(params[0][name], 16) for name in ("fromBlock", "toBlock"))
        if last - first >= 7:
            return refusal("query returned more than 10000 results", -32005)
        return [transfer(n) for n in range(first, last + 1)]

    script = Script(eth_getBlockByNumber=lambda p: header(int(p[0], 16)), eth_getLogs=logs)
    source, read = script.blocks(), 0
    while read < 60:
        found = await source.blocks(read + 1, 60)
        assert [block.number for block in found] == list(range(read + 1, found[-1].number + 1))
        assert all(len(block.incoming) == 1 for block in found)
        incoming = found[0].incoming[0]
        assert (incoming.address, incoming.amount_raw) == (TO, 10**6)
        assert (incoming.sender, incoming.tx_hash) == ("0x" + "11" * 20, HASH)
        read = found[-1].number
    assert sum(method == "eth_getLogs" for method, _ in script.asked) < 30


async def test_a_block_that_has_too_many_logs_by_itself_is_not_skipped() -> None:
    script = Script(
        eth_getBlockByNumber=lambda p: header(int(p[0], 16)), eth_getLogs=refusal("too many")
    )
    with pytest.raises(ChainUnavailable, match="too many"):
        await script.blocks().blocks(1, 50)


@pytest.mark.parametrize(
    "body",
    [
        b'{"jsonrpc":"2.0","id":null,"error":{"code":-32005,"message":"rate limited"}}',
        b'[{"jsonrpc":"2.0","id":null,"error":{"code":429,"message":"Too many"}}]',
        b"<html>502 Bad Gateway</html>",
    ],
)
@pytest.mark.parametrize("status", [200, 403, 429, 502])
async def test_a_batch_refused_as_a_whole_says_nothing(body: bytes, status: int) -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(status, content=body))
    async with httpx.AsyncClient(transport=transport, trust_env=False) as http:
        payer = EvmPayer(EvmRpc(http, "http://node"), POLYGON, TOKENS, WALLET.keys(Family.EVM))
        with pytest.raises(ChainUnavailable):
            await payer.look([flight(signed(TERMS))])
        assert isinstance(await payer.send(signed()), InDoubt)
