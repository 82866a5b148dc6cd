"""One person: the actor that owns what is durable about them and what they are proving.

A `User` stands for one user id while somebody has business with that person. The registry
starts it at the first message, which recovers it from storage, and passivates it when idle. Every
step is written before it is answered, so codes, failures and lockouts survive a restart; what
storage did not confirm is forgotten and read again. An id without a row is a registration in
progress: it can hold codes, and nothing else.
"""

from collections.abc import Callable
from typing import Any, Final, TypeVar

import msgspec
import structlog
import trio

from actors.clock import US, Clock
from actors.identity_store import ProofStore, StaleWrite, StoreUnavailable, UserStore
from actors.runtime.ask import Asks, Envelope, ask
from actors.runtime.failures import Failure
from actors.runtime.mailbox import Mailbox
from actors.runtime.registry import Registry
from actors.runtime.serve import serve
from actors.user_messages import (
    Change,
    ChooseMethod,
    CodeReady,
    Create,
    Mark,
    Message,
    PrepareCode,
    ReadCode,
    ReadRisk,
    SaveAgent,
    TakeBack,
    TotpStep,
    TryCode,
    TryTotp,
    VoidCode,
)
from domain.identity import (
    CODE_POLICIES,
    Agent,
    Channel,
    CodeSession,
    CodeSource,
    Method,
    Person,
    Profile,
    Reason,
    Refused,
    proofs,
)
from domain.identity.codes import RandomBytes, hash_code, matches
from domain.identity.person import Changed
from domain.identity.proofs import CodeKey, ProofChange, Proofs, TryAnswer
from domain.identity.tokens import TOKEN_BYTES
from domain.identity.windows import Lockout

log = structlog.get_logger(__name__)

R = TypeVar("R")

ASK_WITHIN_S: Final = 10.0  # storage gives up long before; a person waits no longer
_SALT_BYTES: Final = 16


async def ask_user(users: Registry[int, Message], user_id: int, message: Asks[R]) -> R | Refused:
    """Ask one person's actor; what the runtime could not do is a refusal like any other."""
    answer = await ask(users.ref(user_id), message, trio.current_time() + ASK_WITHIN_S)
    if isinstance(answer, Failure):
        overloaded = answer is Failure.OVERLOADED
        return Refused(Reason.OVERLOADED if overloaded else Reason.UNAVAILABLE)
    return answer


class Household(msgspec.Struct, frozen=True, kw_only=True):
    """What every person's actor is given.

    `publish` is told of every profile that was committed, `doubt` of a person whose row may
    have been written or not; both return at once. `code_key` keys the hashes of codes.
    """

    users: UserStore
    proofs: ProofStore
    clock: Clock
    codes: CodeSource
    code_key: bytes
    random_bytes: RandomBytes
    publish: Callable[[Profile], None]
    doubt: Callable[[int], None]

    async def serve(
        self, user_id: int, mailbox: Mailbox[Message], *, task_status: trio.TaskStatus[None]
    ) -> None:
        """The registry's actor: recover the person, then serve."""
        person = await self.users.person(user_id)
        state = await self.proofs.load(user_id, self.clock.now_us())
        user = User(user_id, person, state, self, mailbox)
        task_status.started()
        await serve(mailbox, user.handle)


class User:
    """State and handlers of one person."""

    def __init__(
        self,
        user_id: int,
        person: Person | None,
        state: Proofs,
        household: Household,
        mailbox: Mailbox[Message],
    ) -> None:
        self._user_id = user_id
        self._person = person
        self._state = state
        self._house = household
        self._mailbox = mailbox

    async def handle(self, envelope: Envelope[Message]) -> object:
        """One step. Storage that did not confirm ends this incarnation; the next reads anew."""
        try:
            return await self._dispatch(envelope.message)
        except (StoreUnavailable, StaleWrite) as error:
            log.warning("user.reload", user_id=self._user_id, why=type(error).__name__)
            self._house.doubt(self._user_id)
            self._mailbox.leave()
            return Refused(Reason.UNAVAILABLE)
        except BaseException:
            self._house.doubt(self._user_id)
            raise

    async def _dispatch(self, message: Message) -> object:
        now = self._house.clock.now_us()
        match message:
            case ChooseMethod(surface, purpose, method):
                return await self._choose_method((surface, purpose), method, now)
            case PrepareCode(surface, purpose, channel, to):
                return await self._prepare_code((surface, purpose), channel, to, now)
            case VoidCode(surface, purpose, salt):
                await self._write(proofs.void_code(self._state, (surface, purpose), salt))
                return None
            case TryCode():
                return await self._try_code(message, now)
            case TryTotp():
                return await self._try_totp(message, now)
            case ReadCode(surface, purpose):
                return proofs.status(self._state, (surface, purpose), now)
            case ReadRisk(surface):
                return proofs.risk(self._state, surface, now)
            case Mark():
                return await self._mark(message, now)
            case TakeBack(name, at_us):
                window = self._state.window(name).unmark(at_us)
                await self._write(ProofChange(attempts={name: Lockout(window)}))
                return None
            case Create(person):
                return await self._create(person)
            case Change(change):
                return await self._change(change)
            case SaveAgent(agent):
                return await self._save_agent(agent)

    async def _choose_method(
        self, key: CodeKey, method: Method, now: int
    ) -> TotpStep | CodeReady | Refused:
        if self._person is None or self._person.profile.deleted:
            return Refused(Reason.UNKNOWN_USER)
        chosen = proofs.choose_method(self._person.profile, method)
        match chosen:
            case Refused():
                return chosen
            case Method():
                return TotpStep(key[1])
            case (channel, to):
                return await self._prepare_code(key, channel, to, now)

    async def _prepare_code(
        self, key: CodeKey, channel: Channel, to: str, now: int
    ) -> CodeReady | Refused:
        refused = proofs.may_send(self._state, key, now)
        if refused is not None:
            return refused
        code, salt = self._house.codes.new_code(), self._house.random_bytes(_SALT_BYTES)
        hashed = hash_code(self._house.code_key, salt, self._user_id, code)
        ttl_us = CODE_POLICIES[key[0]].ttl_us
        session = CodeSession(*key, channel, salt, hashed, now + ttl_us)
        await self._write(proofs.new_code(self._state, session, now))
        return CodeReady(session, code, to, ttl_us // US)

    async def _try_code(self, asked: TryCode, now: int) -> TryAnswer:
        """A right code, its use and what it is used for are one write."""
        key = (asked.surface, asked.purpose)
        session = self._state.sessions.get(key)
        right = session is not None and matches(
            session, self._house.code_key, self._user_id, asked.code
        )
        token = self._new_token() if asked.issue else None
        change, answer = proofs.try_code(self._state, key, right, token, now)
        await self._write(change, () if isinstance(answer, Refused) else asked.also)
        if isinstance(answer, Refused) and answer.reason is Reason.LOCKED and change:
            log.warning("codes.locked", user_id=self._user_id, surface=key[0].value)
        return answer

    async def _try_totp(self, message: TryTotp, now: int) -> TryAnswer:
        """A right code, its used step and the token it earned are one write (X-C06)."""
        if self._person is None or self._person.profile.deleted:
            return Refused(Reason.UNKNOWN_USER)
        token = None if message.purpose is None else self._new_token()
        change, answer = proofs.try_totp(
            self._state,
            self._person,
            message.code,
            now,
            purpose=message.purpose,
            token=token,
        )
        await self._write(change)
        return answer

    def _new_token(self) -> str:
        return self._house.random_bytes(TOKEN_BYTES).hex()

    async def _mark(self, message: Mark, now: int) -> int | Refused:
        window = self._state.window(message.name)
        if not window.left(message.policy, now):
            free_at = window.free_at(message.policy, now)
            return Refused(Reason.TOO_MANY_REQUESTS, retry_at_us=free_at)
        attempts = proofs.marked(self._state, message.name, message.policy, now)
        await self._write(ProofChange(attempts=attempts))
        return now

    async def _create(self, person: Person) -> Profile | Refused:
        if self._person is not None:
            return Refused(Reason.ID_TAKEN)
        taken = await self._house.users.insert(person)
        return Refused(taken) if taken is not None else self._became(person)

    async def _change(self, change: Callable[[Person], Changed]) -> Profile | Refused:
        if self._person is None:
            return Refused(Reason.UNKNOWN_USER)
        person, refused = change(self._person)
        if person is not self._person:
            person = msgspec.structs.replace(person, revision=self._person.revision + 1)
            taken = await self._house.users.save(person)
            if taken is not None:
                return Refused(taken)
            self._became(person)
        return person.profile if refused is None else Refused(refused)

    async def _save_agent(self, agent: Agent) -> Profile | Refused:
        if self._person is None:
            return Refused(Reason.UNKNOWN_USER)
        taken = await self._house.users.save_agent(agent)
        if taken is not None:
            return Refused(taken)
        profile = msgspec.structs.replace(self._person.profile, agent=agent)
        return self._became(msgspec.structs.replace(self._person, profile=profile))

    async def _write(self, change: ProofChange, also: tuple[Any, ...] = ()) -> None:
        """Write one step, then remember it."""
        if not change:
            return
        await self._house.proofs.save(self._user_id, change, also)
        self._state.apply(change)
        if change.person is not None:
            self._became(change.person)

    def _became(self, person: Person) -> Profile:
        """Committed: from here on this is the person, everywhere."""
        self._person = person
        self._house.publish(person.profile)
        return person.profile
