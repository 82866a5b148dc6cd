"""What one person is in the middle of proving, and every legal step of it.

A step takes the state, the time and whatever is random, and says what to write and what to
answer; it changes nothing. Whoever runs it writes the change first and applies it afterwards.
"""

from typing import Final

import msgspec

from domain.identity.codes import (
    CODE_POLICIES,
    FAILED_IN_A_DAY,
    LOCKOUTS_IN_A_DAY,
    CodeSession,
    Judgement,
    judge,
)
from domain.identity.person import Person, Profile
from domain.identity.tokens import TOKEN_TTL_US, IssuedToken, VerificationToken, token_hash
from domain.identity.totp import WRONG_CODES, accepted_step
from domain.identity.vocabulary import (
    CHANNEL_OF,
    METHOD_OF,
    Channel,
    Method,
    Purpose,
    Reason,
    Refused,
    Surface,
)
from domain.identity.windows import SECOND, Lockout, Window, WindowPolicy

CodeKey = tuple[Surface, Purpose]

_TOTP: Final = "totp"


class ProofChange(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What one step changes, to be written in one transaction.

    A session of None ends the code of its key. `person` goes with the step when it changed too
    (the TOTP step that was used).
    """

    sessions: dict[CodeKey, CodeSession | None] = {}
    attempts: dict[str, Lockout] = {}
    token: VerificationToken | None = None
    person: Person | None = None

    def __bool__(self) -> bool:
        """Whether there is anything to write."""
        return bool(self.sessions or self.attempts or self.token or self.person)


NOTHING: Final = ProofChange()


class Proofs(msgspec.Struct):
    """Pending codes by surface and purpose; attempts by what they count."""

    sessions: dict[CodeKey, CodeSession]
    attempts: dict[str, Lockout]

    def lockout(self, name: str) -> Lockout:
        """The failures and lock counted under `name`."""
        return self.attempts.get(name, Lockout())

    def window(self, name: str) -> Window:
        """The attempts counted under `name`."""
        return self.lockout(name).failures

    def apply(self, change: ProofChange) -> None:
        """Become what `change` says; call it once the change is written."""
        self.attempts |= change.attempts
        for key, session in change.sessions.items():
            if session is None:
                self.sessions.pop(key, None)
            else:
                self.sessions[key] = session


class Accepted(msgspec.Struct, frozen=True, gc=False):
    """The code was right, and is used up."""


class CodeStatus(msgspec.Struct, frozen=True, gc=False):
    """Where a purpose stands (WOTP-C10): seconds left of a pending code, tries left."""

    pending: bool
    expires_in_s: int
    attempts_left: int
    locked: bool


class Risk(msgspec.Struct, frozen=True, gc=False):
    """Failed codes and lockouts of the last 24 hours on one surface (WOTP-C04)."""

    failed: int
    lockouts: int


TryAnswer = IssuedToken | Accepted | Refused


def choose_method(profile: Profile, method: Method) -> tuple[Channel, str] | Method | Refused:
    """Where a code goes, Method.TOTP when none is needed, or why there is no way.

    Automatic is TOTP, else SMS, else e-mail (CASH-051..054); WhatsApp only by name (CASH-050).
    Unproved addresses will do: only whoever has the mailbox or phone can read the code.
    """
    if method is Method.AUTO:
        if profile.totp_enabled:
            return Method.TOTP
        if profile.phone is None and profile.email is None:
            return Refused(Reason.NO_METHOD)
        method = Method.SMS if profile.phone is not None else Method.EMAIL
    if method is Method.TOTP:
        return Method.TOTP if profile.totp_enabled else Refused(Reason.TOTP_NOT_ENABLED)
    channel = CHANNEL_OF[method]
    if channel is Channel.EMAIL:
        return Refused(Reason.NO_EMAIL) if profile.email is None else (channel, profile.email)
    return Refused(Reason.NO_PHONE) if profile.phone is None else (channel, profile.phone)


def may_send(proofs: Proofs, key: CodeKey, now_us: int) -> Refused | None:
    """Why no code is made for `key` now: a lock (WOTP-C10), or too many of them (CASH-C09)."""
    policy, lockout = CODE_POLICIES[key[0]], proofs.lockout(failures(key))
    if lockout.locked(now_us):
        return Refused(Reason.LOCKED, retry_at_us=lockout.locked_until_us)
    if policy.requests is None:
        return None
    requests = proofs.window(_requests(key[0]))
    if requests.left(policy.requests, now_us):
        return None
    free_at = requests.free_at(policy.requests, now_us)
    return Refused(Reason.TOO_MANY_REQUESTS, retry_at_us=free_at)


def new_code(proofs: Proofs, session: CodeSession, now_us: int) -> ProofChange:
    """Let `session` take the place of the one before. Only codes made count as requests."""
    surface, requests = session.surface, CODE_POLICIES[session.surface].requests
    attempts: dict[str, Lockout] = {}
    if requests is not None:
        attempts = marked(proofs, _requests(surface), requests, now_us)
    return ProofChange(sessions={(surface, session.purpose): session}, attempts=attempts)


def void_code(proofs: Proofs, key: CodeKey, salt: bytes) -> ProofChange:
    """End the code with this salt; a newer one stays."""
    session = proofs.sessions.get(key)
    if session is None or session.salt != salt:
        return NOTHING
    return ProofChange(sessions={key: None})


def try_code(
    proofs: Proofs, key: CodeKey, right: bool, token: str | None, now_us: int
) -> tuple[ProofChange, TryAnswer]:
    """Judge a code that is the pending one if `right`; it then earns `token`, if there is one."""
    policy, session = CODE_POLICIES[key[0]], proofs.sessions.get(key)
    guesses = proofs.window(_guesses(key))
    if policy.guesses is not None and not guesses.left(policy.guesses, now_us):
        free_at = guesses.free_at(policy.guesses, now_us)
        return NOTHING, Refused(Reason.TOO_MANY_REQUESTS, retry_at_us=free_at)
    right = right and session is not None
    judged = judge(policy, session, proofs.lockout(failures(key)), right, now_us)
    attempts = _attempts_after(proofs, key, judged, now_us)
    sessions = {} if judged.session is session else {key: judged.session}
    if judged.refused is not None or session is None:
        change = ProofChange(sessions=sessions, attempts=attempts)
        return change, judged.refused or Refused(Reason.NO_CODE)
    issued, stored = _issue(token, key[1], METHOD_OF[session.channel], now_us)
    return ProofChange(sessions=sessions, attempts=attempts, token=stored), issued


def _attempts_after(
    proofs: Proofs, key: CodeKey, judged: Judgement, now: int
) -> dict[str, Lockout]:
    """The counters a try changed; only surfaces with a lockout keep a day's history."""
    guesses, refused = CODE_POLICIES[key[0]].guesses, judged.refused
    if guesses is not None and refused is not None and refused.reason is Reason.WRONG_CODE:
        return marked(proofs, _guesses(key), guesses, now)
    if judged.lockout == proofs.lockout(failures(key)):
        return {}
    attempts = {failures(key): judged.lockout}
    if judged.refused is not None:
        attempts |= marked(proofs, _failed_in_a_day(key[0]), FAILED_IN_A_DAY, now)
        if judged.lockout.locked(now):
            attempts |= marked(proofs, _lockouts_in_a_day(key[0]), LOCKOUTS_IN_A_DAY, now)
    return attempts


def try_totp(
    proofs: Proofs,
    person: Person,
    code: str,
    now_us: int,
    *,
    purpose: Purpose | None,
    token: str | None,
) -> tuple[ProofChange, TryAnswer]:
    """Judge an authenticator code; with a purpose, a right one earns `token` (X-C06, CASH-C09)."""
    if not person.profile.totp_enabled or person.totp_secret is None:
        return NOTHING, Refused(Reason.TOTP_NOT_ENABLED)
    wrong = proofs.window(_TOTP)
    left = wrong.left(WRONG_CODES, now_us)
    if not left:
        free_at = wrong.free_at(WRONG_CODES, now_us)
        return NOTHING, Refused(Reason.TOO_MANY_REQUESTS, retry_at_us=free_at)
    step = accepted_step(person.totp_secret, code, now_us // SECOND, person.totp_last_step)
    if step is None:
        change = ProofChange(attempts=marked(proofs, _TOTP, WRONG_CODES, now_us))
        return change, Refused(Reason.WRONG_CODE, attempts_left=left - 1)
    used = msgspec.structs.replace(person, totp_last_step=step, revision=person.revision + 1)
    if purpose is None:
        return ProofChange(person=used), Accepted()
    issued, stored = _issue(token, purpose, Method.TOTP, now_us)
    return ProofChange(person=used, token=stored), issued


def _issue(
    token: str | None, purpose: Purpose, method: Method, now_us: int
) -> tuple[IssuedToken | Accepted, VerificationToken | None]:
    hashed = None if token is None else token_hash(token)
    if token is None or hashed is None:
        return Accepted(), None
    stored = VerificationToken(hashed, purpose, method, now_us + TOKEN_TTL_US)
    return IssuedToken(token, purpose, method), stored


def marked(proofs: Proofs, name: str, policy: WindowPolicy, now_us: int) -> dict[str, Lockout]:
    """The counter `name` with one attempt more."""
    return {name: Lockout(proofs.window(name).mark(policy, now_us))}


def status(proofs: Proofs, key: CodeKey, now_us: int) -> CodeStatus:
    """How the code of `key` stands."""
    policy, session = CODE_POLICIES[key[0]], proofs.sessions.get(key)
    lockout = proofs.lockout(failures(key))
    left_us = 0 if session is None else max(0, session.expires_at_us - now_us)
    if policy.lockout is not None:
        tries = lockout.left(policy.lockout, now_us)
    else:
        tries = policy.max_wrong - (0 if session is None else session.wrong)
    return CodeStatus(left_us > 0, -(-left_us // SECOND), tries, lockout.locked(now_us))


def risk(proofs: Proofs, surface: Surface, now_us: int) -> Risk:
    """The fraud signals of `surface`."""
    failed = proofs.window(_failed_in_a_day(surface)).recent(FAILED_IN_A_DAY, now_us)
    lockouts = proofs.window(_lockouts_in_a_day(surface)).recent(LOCKOUTS_IN_A_DAY, now_us)
    return Risk(len(failed), len(lockouts))


# Names under which attempts are counted and stored.


def failures(key: CodeKey) -> str:
    """Wrong codes of a surface with a lockout, over all codes of the purpose (WOTP-C09)."""
    return f"failures:{key[0].value}:{key[1].value}"


def _guesses(key: CodeKey) -> str:
    return f"guesses:{key[0].value}:{key[1].value}"


def _requests(surface: Surface) -> str:
    return f"requests:{surface.value}"


def _failed_in_a_day(surface: Surface) -> str:
    return f"failed in a day:{surface.value}"


def _lockouts_in_a_day(surface: Surface) -> str:
    return f"lockouts in a day:{surface.value}"
