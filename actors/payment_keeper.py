"""How payment actors come to be: recovered from storage, and served."""

import trio

from actors.payment import PaymentActor
from actors.payment_book import PaymentBook
from actors.payment_calls import Calls
from actors.payment_messages import Message
from actors.payment_parts import Parts
from actors.runtime.mailbox import Mailbox
from actors.runtime.serve import serve_timed


class PaymentKeeper:
    """Makes payment actors for the registry: recovers one payment and serves it."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def __call__(
        self, key: int, mailbox: Mailbox[Message], /, *, task_status: trio.TaskStatus[None]
    ) -> None:
        payment = await self._parts.store.load(key)
        if payment is None:
            return
        parts = self._parts
        async with trio.open_nursery() as nursery:
            book, calls = PaymentBook(payment, parts), Calls(parts, mailbox, nursery)
            task_status.started()
            await serve_timed(mailbox, PaymentActor(book, parts, mailbox, calls), parts.clock)
            nursery.cancel_scope.cancel()
