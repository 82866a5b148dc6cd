"""What real TRON nodes and Esplora do that the simulated ones do not."""

from collections.abc import Callable, Sequence
from typing import Any

import httpx
import msgspec
import pytest

from actors.chain_rail import Accepted, ChainUnavailable, Delivery, InDoubt, Missing
from domain.chains.table import BITCOIN, Family
from providers.bitcoin.blocks import BitcoinBlocks
from providers.bitcoin.client import EsploraApi
from providers.bitcoin.coins import Coin
from providers.bitcoin.coins import Terms as BitcoinTerms
from providers.bitcoin.payer import BitcoinPayer
from providers.tron.client import Settings, TronGridApi
from providers.tron.codec import Terms as TronTerms
from providers.tron.payer import TronPayer
from tests.providers.chains.test_quirks import TOKENS, WALLET, flight, signed

# --- TRON ----------------------------------------------------------------------------------


async def tron_look(replies: dict[str, Any]) -> Sequence[Any]:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json=replies.get(request.url.path, {}))

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer), trust_env=False) as http:
        grid = TronGridApi(http, Settings(base_url="http://node"))
        payer = TronPayer(grid, TOKENS, WALLET.keys(Family.TRON))
        made = signed(msgspec.json.encode(TronTerms(1_000)), "ab" * 32)
        return await payer.look([flight(made)])


LATE = {"/walletsolidity/getnowblock": {
    "blockID": "00" * 32, "block_header": {"raw_data": {"number": 9, "timestamp": 10**12}}
}}  # fmt: skip


@pytest.mark.parametrize(
    "path",
    ["/walletsolidity/gettransactioninfobyid", "/wallet/gettransactionbyid",
     "/wallet/gettransactionfrompending", "/walletsolidity/getnowblock"],
)  # fmt: skip
async def test_a_tron_node_that_could_not_look_has_not_said_that_nothing_is_there(
    path: str,
) -> None:
    """It says so with 200, in a body that decodes like an unknown transaction's."""
    failure = {"Error": "class java.lang.NullPointerException : null"}
    with pytest.raises(ChainUnavailable):
        await tron_look({**LATE, path: failure})


async def test_an_unknown_tron_transaction_is_an_empty_body() -> None:
    assert "expired" in (await tron_look(LATE))[0].reason
    early = {"block_header": {"raw_data": {"number": 9, "timestamp": 500}}}
    assert await tron_look({"/walletsolidity/getnowblock": early}) == [Missing()]


# --- Esplora -------------------------------------------------------------------------------


def esplora(reply: Callable[[httpx.Request], httpx.Response]) -> EsploraApi:
    http = httpx.AsyncClient(transport=httpx.MockTransport(reply), trust_env=False)
    return EsploraApi(http, "http://node")


def not_found(request: httpx.Request) -> httpx.Response:
    if request.url.path == "/blocks/tip/height":
        return httpx.Response(200, text="800000")
    return httpx.Response(404, text="Transaction not found")


async def test_esploras_404_is_a_line_of_text_and_means_unknown() -> None:
    terms = BitcoinTerms((Coin("cd" * 32, 0, 10_000),), b"", 9_000, (), 1_000)
    made = signed(msgspec.msgpack.encode(terms), "ab" * 32)
    payer = BitcoinPayer(esplora(not_found), WALLET.keys(Family.BITCOIN))
    assert await payer.look([flight(made)]) == [Missing()]
    assert await BitcoinBlocks(esplora(not_found)).hash_at(800_001) is None


@pytest.mark.parametrize("status", [429, 500, 502, 504])
async def test_esplora_that_is_busy_has_said_nothing(status: int) -> None:
    payer = BitcoinPayer(
        esplora(lambda _: httpx.Response(status, text="Too Many Requests")),
        WALLET.keys(Family.BITCOIN),
    )
    with pytest.raises(ChainUnavailable):
        await payer.look([flight(signed())])
    assert isinstance(await payer.send(signed()), InDoubt)


@pytest.mark.parametrize(
    ("text", "delivery"),
    [
        ('sendrawtransaction RPC error: {"code":-27,"message":"Transaction already in block '
         'chain"}', Accepted),
        ('sendrawtransaction RPC error: {"code":-27,"message":"Transaction outputs already in utxo '
         'set"}', Accepted),
        ("sendrawtransaction RPC error -27: txn-already-in-mempool", Accepted),
        ('sendrawtransaction RPC error: {"code":-26,"message":"insufficient fee, rejecting '
         'replacement"}', InDoubt),
        ('sendrawtransaction RPC error: {"code":-25,"message":"bad-txns-inputs-missingorspent"}',
         InDoubt),
    ],
)  # fmt: skip
async def test_cores_words_through_esplora(text: str, delivery: type[Delivery]) -> None:
    assert BITCOIN.native == "BTC"
    payer = BitcoinPayer(
        esplora(lambda _: httpx.Response(400, text=text)), WALLET.keys(Family.BITCOIN)
    )
    assert isinstance(await payer.send(signed()), delivery)
