"""Clients and simulated nodes over loopback: what nodes refuse, and answers that are none."""

from collections.abc import AsyncIterator

import httpx
import pytest
import trio

from actors.chain_rail import Accepted, ChainUnavailable, InDoubt
from domain.chains.table import EVM_CHAINS, Family
from domain.chains.tokens import token_of
from domain.chains.transfers import SignedTransaction
from providers.bitcoin.blocks import BitcoinBlocks
from providers.bitcoin.client import EsploraApi
from providers.bitcoin.tx import parsed_block
from providers.evm.blocks import EvmBlocks, WrongChain
from providers.evm.client import EvmRpc, RpcError
from providers.evm.codec import Terms, signed
from providers.evm.payer import EvmPayer
from providers.hdwallet.wallet import HdWallet
from providers.sandbox.chains.simulator import ChainSimulators
from providers.sandbox.fault import Fault
from providers.sandbox.server import HttpReply, HttpRequest, serve_http
from providers.tron.blocks import TronBlocks
from providers.tron.client import Settings, TronGridApi
from providers.trust import authorities

WALLET = HdWallet("abandon " * 11 + "about")
TO = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"


class Node:
    """Simulated chains, and a client of one of them."""

    def __init__(self, sims: ChainSimulators, http: httpx.AsyncClient, base: str) -> None:
        self.sims = sims
        self.http = http
        self.base = base
        self.time = [1_750_000_000.0]

    def rpc(self, chain: str = "arbitrum") -> EvmRpc:
        return EvmRpc(self.http, f"{self.base}/evm/{chain}")

    async def send(self, terms: Terms, chain_id: int = 42161) -> str:
        raw, _ = signed(terms, chain_id, WALLET.hot(Family.EVM).secret)
        return await self.rpc().call("eth_sendRawTransaction", ["0x" + raw.hex()], str)


@pytest.fixture
async def node() -> AsyncIterator[Node]:
    time = [1_750_000_000.0]
    sims = ChainSimulators(None, Fault(lambda: 0), now=lambda: time[0])
    await sims.endow("arbitrum", WALLET.hot(Family.EVM).address)
    async with (
        httpx.AsyncClient(verify=authorities(), trust_env=False) as http,
        trio.open_nursery() as nursery,
    ):
        port: int = await nursery.start(sims.serve)
        made = Node(sims, http, f"http://127.0.0.1:{port}")
        made.time = time
        yield made
        nursery.cancel_scope.cancel()


def terms(nonce: int = 0, value: int = 1, max_fee: int = 10**9, tip: int = 10**8) -> Terms:
    return Terms(nonce, TO, str(value), "", 21_000, max_fee, tip)


async def test_a_node_refuses_a_transaction_of_another_chain(node: Node) -> None:
    """facts: the engine beneath accepts any chain id; the simulated node must not."""
    with pytest.raises(RpcError, match="invalid chain id"):
        await node.send(terms(), chain_id=1)


async def test_a_node_refuses_as_nodes_do(node: Node) -> None:
    await node.send(terms())
    with pytest.raises(RpcError, match="already known"):
        await node.send(terms())
    with pytest.raises(RpcError, match="replacement transaction underpriced"):
        await node.send(terms(max_fee=10**9 + 1))
    with pytest.raises(RpcError, match="insufficient funds"):
        await node.send(terms(nonce=1, value=10**40))
    assert await node.send(terms(max_fee=2 * 10**9, tip=2 * 10**8))
    node.time[0] += 1
    with pytest.raises(RpcError, match="nonce too low"):
        await node.send(terms(value=2))
    with pytest.raises(RpcError, match="not a transaction"):
        await node.rpc().call("eth_sendRawTransaction", ["0x02ff"], str)
    with pytest.raises(RpcError, match="does not exist"):
        await node.rpc().call("eth_mine", [], str)
    with pytest.raises(RpcError, match="invalid argument"):
        await node.rpc().call("eth_getBalance", [7], str)


async def test_a_transaction_with_a_gap_before_its_nonce_waits(node: Node) -> None:
    tx_hash = await node.send(terms(nonce=1))
    node.time[0] += 3
    kind: type = type(None) | dict  # type: ignore[assignment]
    assert await node.rpc().call("eth_getTransactionReceipt", [tx_hash], kind) is None
    await node.send(terms(nonce=0))
    node.time[0] += 1
    receipt = await node.rpc().call("eth_getTransactionReceipt", [tx_hash], dict)
    assert receipt["status"] == "0x1"


async def test_chains_make_a_block_a_second_each_naming_the_one_before(node: Node) -> None:
    source = EvmBlocks(node.rpc("base"), EVM_CHAINS["base"], node.sims.tokens)
    before = await source.tip()
    node.time[0] += 3
    after = await source.tip()
    assert after.number == before.number + 3
    blocks = await source.blocks(before.number, after.number)
    assert [b.parent for b in blocks[1:]] == [b.hash for b in blocks[:-1]]


async def test_contracts_are_asked_who_they_are(node: Node) -> None:
    chain = EVM_CHAINS["bnb"]
    await EvmBlocks(node.rpc("bnb"), chain, node.sims.tokens).verify()
    usdc = node.sims.tokens["bnb", "USDC"].contract
    for wrong in (
        {("bnb", "DAI"): token_of("bnb", "DAI", usdc)},
        {("bnb", "WBTC"): token_of("bnb", "WBTC", usdc)},
        {("bnb", "USDT"): token_of("bnb", "USDT", TO)},
    ):
        with pytest.raises(WrongChain):
            await EvmBlocks(node.rpc("bnb"), chain, wrong).verify()
    with pytest.raises(WrongChain):
        await EvmBlocks(node.rpc("base"), chain, node.sims.tokens).verify()


async def test_bitcoin_blocks_have_proof_of_work_and_name_the_one_before(node: Node) -> None:
    node.sims.bitcoin.pay("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", 12_345)
    node.time[0] += 5
    api = EsploraApi(node.http, f"{node.base}/bitcoin")
    blocks = await BitcoinBlocks(api).blocks(1, 6)
    assert [b.parent for b in blocks[1:]] == [b.hash for b in blocks[:-1]]
    paid = [i for b in blocks for i in b.incoming if i.amount_raw == 12_345]
    assert len(paid) == 1
    for block in blocks:
        raw = await api.raw(f"/block/{block.hash}/raw")
        assert raw is not None
        assert int(block.hash, 16) <= 0x7FFFFF << 232
        assert parsed_block(raw)[0] == block.hash


async def test_bitcoin_refuses_as_core_does(node: Node) -> None:
    api = EsploraApi(node.http, f"{node.base}/bitcoin")
    for raw in (b"", b"\1" * 60):
        response = await node.http.post(f"{node.base}/bitcoin/tx", content=raw.hex())
        assert response.status_code == 400
        assert "TX decode failed" in response.text
    assert await api.json(f"/tx/{'00' * 32}", dict) is None


async def test_a_broadcast_that_is_refused_or_lost_is_in_doubt(node: Node) -> None:
    payer = EvmPayer(node.rpc(), EVM_CHAINS["arbitrum"], node.sims.tokens, WALLET.keys(Family.EVM))
    raw, tx_hash = signed(terms(), 42161, WALLET.hot(Family.EVM).secret)
    made = SignedTransaction(
        withdrawal_id="W", version=0, tx_hash=tx_hash, raw=raw, slots=(), terms=b"", signed_us=1
    )
    node.sims.lose_replies(1)
    assert isinstance(await payer.send(made), InDoubt)
    assert isinstance(await payer.send(made), Accepted), "it had it all along"
    node.time[0] += 1
    assert isinstance(await payer.send(made), Accepted)


HOSTILE = [b"", b"{", b"[]", b"null", b"[{}]", b'[{"id":0,"result":7}]', b'[{"id":0}]',
           b'[{"id":0,"result":{"number":"x","hash":"","parentHash":""}}]', b"\xff\xfe",
           b'{"blockID":5}', b"NaN", b"1e400"]  # fmt: skip


@pytest.mark.parametrize("body", HOSTILE)
@pytest.mark.parametrize("status", [200, 429, 500])
async def test_an_answer_that_is_none_says_nothing(body: bytes, status: int) -> None:
    """Whatever comes back, nothing but ChainUnavailable comes out."""

    async def answer(_request: HttpRequest) -> HttpReply:
        return HttpReply(status, body)

    async with (
        httpx.AsyncClient(verify=authorities(), trust_env=False) as http,
        trio.open_nursery() as nursery,
    ):
        port: int = await nursery.start(serve_http, answer)
        base = f"http://127.0.0.1:{port}"
        sources = [
            EvmBlocks(EvmRpc(http, base), EVM_CHAINS["arbitrum"], {}),
            TronBlocks(TronGridApi(http, Settings(base_url=base)), {}),
            BitcoinBlocks(EsploraApi(http, base)),
        ]
        for source in sources:
            with pytest.raises(ChainUnavailable):
                await source.tip()
            with pytest.raises(ChainUnavailable):
                await source.blocks(1, 1)
        nursery.cancel_scope.cancel()
