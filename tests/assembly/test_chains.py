"""Chains from configuration: what is wrong is named, what is missing is not in use."""

import pytest
import trio

from assembly.chains import chain_clients, check_ends, confirmations, live_chains, open_ends
from assembly.options import OptionError, Options
from providers.chain_ends import ChainSettings
from providers.hdwallet.wallet import HdWallet
from providers.sandbox.chains.simulator import ChainSimulators
from providers.sandbox.fault import Fault
from tests.actors.chains.house import WORDS

USDT = "0x48065fbBE25f71C9282ddf5e1cD6D6A887483D5e"


def test_a_chain_is_in_use_where_its_node_is_configured() -> None:
    assert live_chains(Options()).nodes == {}
    found = live_chains(
        Options(
            evm_rpc_urls="arbitrum=https://a.example/?key=1,polygon=https://p.example",
            trongrid_api_key="k",
            esplora_url="https://e.example/api",
            chain_confirmations="polygon=20,bitcoin=3",
            chain_poll_seconds=7,
        )
    )
    assert set(found.nodes) == {"arbitrum", "polygon", "tron", "bitcoin"}
    assert found.nodes["arbitrum"].url == "https://a.example/?key=1"
    assert found.nodes["tron"] == ChainSettings(url="https://api.trongrid.io", api_key="k")
    assert (found.confirmations, found.poll_s) == ({"polygon": 20, "bitcoin": 3}, 7.0)


def test_contracts_may_be_added_and_replaced_and_others_stay_unknown() -> None:
    tokens = live_chains(Options(chain_tokens=f"somnia:USDT={USDT}")).tokens
    assert tokens["somnia", "USDT"].contract == USDT
    assert ("somnia", "DAI") not in tokens
    assert tokens["polygon", "USDC"].decimals == 6


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"evm_rpc_urls": "arbitrum"}, "EVM_RPC_URLS: 'arbitrum' has no value"),
        ({"evm_rpc_urls": "tron=https://x"}, "EVM_RPC_URLS: 'tron' is none of"),
        ({"chain_tokens": "polygon:USDC=0x12"}, "CHAIN_TOKENS: '0x12' is no address"),
        ({"chain_tokens": f"polygon:DOGE={USDT}"}, "CHAIN_TOKENS: 'DOGE'"),
        ({"chain_tokens": f"moon:USDT={USDT}"}, "CHAIN_TOKENS: 'moon' is none of"),
        ({"chain_confirmations": "polygon=0"}, "CHAIN_CONFIRMATIONS: '0' is not from 1 to 100"),
        ({"chain_confirmations": "polygon=-3"}, "CHAIN_CONFIRMATIONS: '-3' is not from"),
    ],
)
def test_what_is_wrong_is_named(given: dict[str, str], said: str) -> None:
    with pytest.raises(OptionError, match="^" + said.replace("(", r"\(")):
        live_chains(Options(**given))  # type: ignore[arg-type]


def test_the_sandbox_may_wait_for_other_confirmations_too() -> None:
    assert confirmations(Options(chain_confirmations="tron=4")) == {"tron": 4}


async def test_a_node_of_another_chain_stops_the_start_and_a_silent_one_does_not() -> None:
    sims = ChainSimulators(None, Fault(lambda: 0), keys=("arbitrum", "base", "tron", "bitcoin"))
    async with trio.open_nursery() as nursery:
        port: int = await nursery.start(sims.serve)
        base = f"http://127.0.0.1:{port}/evm"

        async def check(**urls: str) -> None:
            nodes = live_chains(Options())
            found = {key: ChainSettings(url=url) for key, url in urls.items()}
            nodes = type(nodes)(nodes=found, tokens=sims.tokens)
            async with chain_clients(nodes) as clients:
                await check_ends(open_ends(nodes, clients, HdWallet(WORDS)))

        await check(arbitrum=f"{base}/arbitrum", base="http://127.0.0.1:1")
        with pytest.raises(OptionError, match=r"EVM_RPC_URLS or CHAIN_TOKENS: arbitrum: .*8453"):
            await check(arbitrum=f"{base}/base")
        nursery.cancel_scope.cancel()
