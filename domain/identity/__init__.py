"""Who somebody is, and what they have proved: the pure rules of all five surfaces."""

from domain.identity.access import AccessTokens, Claims, Denied
from domain.identity.codes import CODE_POLICIES, CodeSession, CodeSource, FixedCodes, RandomCodes
from domain.identity.person import Agent, Person, Profile, Role
from domain.identity.tokens import IssuedToken, TokenConsumed, VerificationToken, token_hash
from domain.identity.vocabulary import Channel, Method, Purpose, Reason, Refused, Surface

__all__ = [
    "CODE_POLICIES",
    "AccessTokens",
    "Agent",
    "Channel",
    "Claims",
    "CodeSession",
    "CodeSource",
    "Denied",
    "FixedCodes",
    "IssuedToken",
    "Method",
    "Person",
    "Profile",
    "Purpose",
    "RandomCodes",
    "Reason",
    "Refused",
    "Role",
    "Surface",
    "TokenConsumed",
    "VerificationToken",
    "token_hash",
]
