"""What every actor stands on; no business words in here.

- `failures`: why an ask got no answer, as one closed enum.
- `ask`: the reply slot, the envelope, `ask()`.
- `mailbox`: the bounded queue of one actor, with a named policy for when it is full.
- `serve`: the loop of an actor: take a message, handle it, answer it; with or without a timer.
- `supervisor`, `child`, `restarts`: starts children in order, restarts, quarantines or escalates,
  stops in reverse.
- `registry`, `keyed`: actors by key, started on demand, passivated when idle.
- `gathering`: waiting a turn or two, so that one query serves all who are about to ask.

An actor is an async function that takes `task_status`. It loads its state, reports started and
serves its mailbox until the mailbox says there is nothing more for it:

    class Add(Asks[int], Struct, frozen=True):       # the answer to it is an int
        number: int

    async def counter(key: str, mailbox: Mailbox[Add], *, task_status: TaskStatus) -> None:
        state = await load(key)
        task_status.started()
        await serve(mailbox, state.handle)           # async def handle(self, envelope) -> answer

    counters = Registry("counters", counter, jitter=random.random, idle_s=600)
    # a supervisor runs `counters.run`; then, from any task:
    total = await ask(counters.ref("alice"), Add(5), deadline=trio.current_time() + 2)

What the runtime promises: a message is refused at once with a `Failure`, or it is answered, by
its handler or by a `Failure`; it is handled at most once; and an asker that goes away never
undoes what was accepted.
"""
