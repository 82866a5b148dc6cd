"""The access token: one refresh at a time, whoever waits, whatever happens to the leader."""

import trio
import trio.testing
from trio.testing import MockClock

from actors.rails import Cause, Refused
from providers.mpesa.tokens import Tokens

NO_NETWORK = Refused(cause=Cause.NOT_SENT, code="", message="ConnectError")
BAD_KEY = Refused(cause=Cause.CREDENTIALS, code="400.008.01", message="no")


class Provider:
    """Gives tokens "1", "2", …, slowly; `refusals` come first."""

    def __init__(self, *refusals: Refused, life_seconds: int = 3599, delay: float = 1.0) -> None:
        self.refusals = list(refusals)
        self.life_seconds = life_seconds
        self.delay = delay
        self.asked = 0

    async def __call__(self) -> tuple[str, int] | Refused:
        self.asked += 1
        number = self.asked
        await trio.sleep(self.delay)
        return self.refusals.pop(0) if self.refusals else (str(number), self.life_seconds)


async def test_a_hundred_at_once_share_one_refresh(autojump_clock: MockClock) -> None:
    provider = Provider()
    tokens = Tokens(provider, 0.5)
    got: list[str | Refused] = []

    async def ask() -> None:
        got.append(await tokens.get())

    async with trio.open_nursery() as nursery:
        for _ in range(100):
            nursery.start_soon(ask)
    assert got == ["1"] * 100
    assert provider.asked == 1


async def test_a_hundred_rejections_of_one_token_cause_one_refresh(
    autojump_clock: MockClock,
) -> None:
    provider = Provider()
    tokens = Tokens(provider, 0.5)
    first = await tokens.get()
    assert first == "1"
    got: list[str | Refused] = []

    async def ask() -> None:
        tokens.reject("1")
        got.append(await tokens.get())
        tokens.reject("1")  # a late rejection of the old one

    async with trio.open_nursery() as nursery:
        for _ in range(100):
            nursery.start_soon(ask)
    assert got == ["2"] * 100
    assert await tokens.get() == "2"
    assert provider.asked == 2


async def test_when_the_leader_is_cancelled_one_of_the_others_leads(
    autojump_clock: MockClock,
) -> None:
    provider = Provider()
    tokens = Tokens(provider, 0.5)
    got: list[str | Refused] = []

    async def ask() -> None:
        got.append(await tokens.get())

    async with trio.open_nursery() as nursery:
        leader = trio.CancelScope()

        async def lead() -> None:
            with leader:
                await tokens.get()

        nursery.start_soon(lead)
        await trio.testing.wait_all_tasks_blocked()
        for _ in range(3):
            nursery.start_soon(ask)
        await trio.testing.wait_all_tasks_blocked()
        leader.cancel()
    assert got == ["2"] * 3
    assert provider.asked == 2


async def test_a_token_is_replaced_before_it_ends(autojump_clock: MockClock) -> None:
    provider = Provider(life_seconds=100, delay=0.0)
    tokens = Tokens(provider, 0.5)
    assert await tokens.get() == "1"
    await trio.sleep(89)
    assert await tokens.get() == "1"
    await trio.sleep(2)
    assert await tokens.get() == "2"


async def test_a_network_failure_is_tried_again_and_then_shared(autojump_clock: MockClock) -> None:
    provider = Provider(NO_NETWORK, NO_NETWORK)
    assert await Tokens(provider, 0.5).get() == "3"
    provider = Provider(*[NO_NETWORK] * 9)
    tokens = Tokens(provider, 0.5)
    got: list[str | Refused] = []

    async def ask() -> None:
        got.append(await tokens.get())

    async with trio.open_nursery() as nursery:
        for _ in range(10):
            nursery.start_soon(ask)
    assert got == [NO_NETWORK] * 10
    assert provider.asked == 3


async def test_wrong_keys_are_not_tried_again_until_somebody_asks(
    autojump_clock: MockClock,
) -> None:
    provider = Provider(BAD_KEY)
    tokens = Tokens(provider, 0.5)
    assert await tokens.get() == BAD_KEY
    assert provider.asked == 1
    assert await tokens.get() == "2"
