"""The sandbox's outside systems: simulators in this process, reached over loopback."""

import secrets
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import trio

from actors.clock import Clock
from assembly.chains import ChainNodes
from assembly.exchanges import SimulatedExchanges, simulated_exchanges
from assembly.outside import OutsideSettings
from domain.chains.addresses import tron_address
from domain.chains.table import CHAINS, EVM_CHAINS
from providers.africastalking import codec as africastalking
from providers.assistant import codec as assistant_codec
from providers.chain_ends import ChainSettings
from providers.rates import codec as rates
from providers.sandbox import assistant, mail, sms, whatsapp
from providers.sandbox.chains.executed import OUTSIDER_ACCOUNT
from providers.sandbox.chains.simulator import ChainSimulators
from providers.sandbox.exchanges.pace import TICK_SECONDS
from providers.sandbox.fault import Fault
from providers.sandbox.mpesa.simulator import MpesaSimulator
from providers.sandbox.mpesa.store import FileStore
from providers.sandbox.outbox import Outbox
from providers.sandbox.rates import RateServer
from providers.smtp import codec as smtp
from providers.whatsapp import codec as whatsapp_codec

_LOOPBACK: Final = "127.0.0.1"
_CHAIN_POLL_S: Final = 1.0  # as often as a block is made
# The cashier document's address is cut short; whatever is sent there goes to an outsider.
DOCUMENTED_ADDRESS: Final = "TYzK7gD3K4VwY8uP..."


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulators:
    """What /sandbox controls, and the settings that lead the clients to it."""

    settings: OutsideSettings
    outbox: Outbox
    mpesa: MpesaSimulator
    rates: RateServer
    chains: ChainSimulators
    exchanges: SimulatedExchanges
    faults: dict[str, Fault]


@asynccontextmanager
async def simulators(
    folder: Path,
    clock: Clock,
    trust: ssl.SSLContext | bool = True,
    confirmations: Mapping[str, int] | None = None,
    tick_seconds: float = TICK_SECONDS,
) -> AsyncIterator[Simulators]:
    """Start them all; `folder` keeps what an outside system would remember, and `trust` verifies
    the server that callbacks go to."""
    kinds = ("mpesa", "mail", "sms", "chain", "assistant", "exchange")
    faults = {name: Fault(clock.now_us) for name in kinds}
    outbox = Outbox(clock.now_us)
    mpesa = MpesaSimulator(FileStore(folder / "mpesa"), faults["mpesa"], trust=trust)
    rate_server = RateServer(clock.now_s)
    chains = ChainSimulators(folder / "chains", faults["chain"])
    async with trio.open_nursery() as nursery:
        mail_port: int = await nursery.start(mail.MailServer(outbox, faults["mail"]).serve)
        sms_server = sms.SmsServer(outbox, faults["sms"], _new_id)
        sms_port: int = await nursery.start(sms_server.serve)
        chat_server = whatsapp.WhatsAppServer(outbox, faults["sms"], _new_id)
        chat_port: int = await nursery.start(chat_server.serve)
        mpesa_port: int = await nursery.start(mpesa.serve)
        rates_port: int = await nursery.start(rate_server.serve)
        chain_port: int = await nursery.start(chains.serve)
        model_server = assistant.AssistantServer(faults["assistant"])
        model_port: int = await nursery.start(model_server.serve)
        markets = await simulated_exchanges(
            nursery, folder / "exchanges", clock, faults["exchange"], tick_seconds
        )
        rates_url = f"http://{_LOOPBACK}:{rates_port}"
        yield Simulators(
            settings=OutsideSettings(
                mail=smtp.Settings(
                    host=_LOOPBACK,
                    port=mail_port,
                    sender="no-reply@daftari.example",
                    username=mail.USERNAME,
                    password=mail.PASSWORD,
                ),
                africastalking=africastalking.Settings(
                    username=sms.AT_USERNAME,
                    api_key=sms.AT_API_KEY,
                    base_url=f"http://{_LOOPBACK}:{sms_port}",
                ),
                twilio=None,
                whatsapp=whatsapp_codec.Settings(
                    phone_number_id=whatsapp.PHONE_NUMBER_ID,
                    access_token=whatsapp.ACCESS_TOKEN,
                    base_url=f"http://{_LOOPBACK}:{chat_port}",
                ),
                mpesa=mpesa.client_settings(mpesa_port),
                money_rates=(rates.open_er_api(rates_url),),
                coin_rates=(rates.coingecko(None, rates_url),),
                chains=_chain_nodes(chains, chain_port, confirmations or {}),
                assistant=assistant_codec.Settings(
                    base_url=f"http://{_LOOPBACK}:{model_port}/v1",
                    model=assistant.MODEL,
                    api_key=assistant.API_KEY,
                ),
                exchanges=markets.settings,
            ),
            outbox=outbox,
            mpesa=mpesa,
            rates=rate_server,
            chains=chains,
            exchanges=markets,
            faults=faults,
        )
        nursery.cancel_scope.cancel()


def _chain_nodes(
    chains: ChainSimulators, port: int, confirmations: Mapping[str, int]
) -> ChainNodes:
    base = f"http://{_LOOPBACK}:{port}"
    return ChainNodes(
        nodes={
            key: ChainSettings(url=f"{base}/evm/{key}" if key in EVM_CHAINS else f"{base}/{key}")
            for key in CHAINS
        },
        tokens=chains.tokens,
        confirmations=confirmations,
        aliases={DOCUMENTED_ADDRESS: tron_address(OUTSIDER_ACCOUNT)},
        poll_s=_CHAIN_POLL_S,
        provide=chains.endow,
    )


def _new_id() -> str:
    return secrets.token_hex(16)
