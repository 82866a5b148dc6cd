"""Understanding a message without a model: a grammar of verbs, and the asker's own bot names.

A change is understood only where the message begins with its verb (after a please); a negation, a
question or a sentence about something else never is one. A bot's name is data: it is compared
with what follows the verb and never read for verbs itself.
"""

import re
import unicodedata
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Final

from domain.assistant.intents import (
    Act,
    ActOnAll,
    ActOnBot,
    Confirm,
    Describe,
    Intent,
    NamedBot,
    NoSuchBot,
    NoToken,
    NotUnderstood,
    SetMode,
    Show,
    Topic,
)
from domain.trading.records import SystemMode

TOKEN_LENGTH: Final = 32  # hexadecimal digits
_SIMILAR: Final = 0.8  # of 1: a letter wrong in five still names the bot
_SHORTEST_MENTION: Final = 3  # characters of a name that is found inside a sentence
_SHOWN: Final = 80  # characters of the asker's own words in an answer
_CLOSE: Final = 5  # names offered where several come close

_CONFIRM: Final = re.compile(rf"\s*confirm\s+([0-9a-f]{{{TOKEN_LENGTH}}})\s*[.!]?\s*", re.I | re.A)
_YES: Final = re.compile(
    r"confirm(ed)?\b.*|(yes|yep|ok|okay|sure|do it|go ahead|proceed)( please| it| that| do it)*"
)
_POLITE: Final = re.compile(
    r"^(please|pls|kindly|hey|hi|hello|assistant|(can|could|would|will) you|i want (you )?to"
    r"|i would like (you )?to|i'd like (you )?to|i need (you )?to|let's|go and)\b[ ,]*"
)
_VERBS: Final = {
    Act.PAUSE: "pause|suspend|halt|freeze|hold",
    Act.RESUME: "resume|unpause|continue|restart|start|reactivate",
    Act.STOP: "stop|wind down",
    Act.DELETE: "delete|remove|destroy|get rid of",
}
_ACT: Final = re.compile(
    "|".join(f"(?P<{act.name}>{verbs})" for act, verbs in _VERBS.items()) + r"\b"
)
_OBJECT: Final = re.compile(r"^(the |my |our |a )?((trading )?bot )?(called |named )?")
_TAIL: Final = re.compile(r"( (trading )?bots?)?( (please|now|for me|right now|thanks))*$")
_ALL: Final = re.compile(r"^(all|every|everything|each)( of)?( the| my| our)?( trading)?( bots?)?$")
_NO_NAME: Final = frozenset({"", "bot", "bots", "trading bot", "it", "them"})
_MODE: Final = re.compile(
    r"^((set|change|switch|put)( the| my)?( system)?( mode)?( to| into)?|go( to)?|use|enable)"
    r" (the )?(?P<mode>testing|test|paper|live trading|live_trading|live|autopilot|auto pilot)"
    r"( trading)?( mode)?$"
)
# Changes that are not the assistant's to make: no topic is read into them.
_BEYOND: Final = re.compile(
    r"(create|add|launch|transfer|withdraw|deposit|buy|sell|convert|swap)\b"
)
_MODES: Final = {
    "test": SystemMode.TESTING,
    "paper": SystemMode.TESTING,
    "live": SystemMode.LIVE_TRADING,
    "auto": SystemMode.AUTOPILOT,
}
# In this order: the first topic with a word in the message is the one asked about.
_TOPICS: Final = (
    (Topic.HELP, r"help|commands|what can you do|how do (i|you)"),
    (Topic.TRADES, r"trades?|traded|orders?"),
    (Topic.BALANCES, r"balances?|wallets?|funds?|money|cash"),
    (Topic.MODE, r"mode|autopilot"),
    (Topic.PLATFORMS, r"platforms?|exchanges?|api keys?|keys|luno|binance|kucoin|valr|ovex"),
    (
        Topic.PORTFOLIO,
        r"portfolio|profits?|performance|performing|overview|summary|capital|metrics|exposure"
        r"|risk|win rate|earned|earnings|loss(es)?|today|report|how am i doing",
    ),
    (Topic.BOTS, r"bots?"),
    (Topic.PORTFOLIO, r"status|how are things|doing|state"),
)
_TOPIC: Final = tuple((topic, re.compile(rf"\b({words})\b")) for topic, words in _TOPICS)


def understand(text: str, bots: Sequence[NamedBot]) -> Intent:
    """The intent of a message; `bots` are all the asker's."""
    confirmed = confirmation(text)
    if confirmed is not None:
        return confirmed
    words = _normal(text)
    while (shorter := _POLITE.sub("", words)) != words:
        words = shorter
    if (mode := _MODE.match(words)) is not None:
        return SetMode(_MODES[next(key for key in _MODES if mode["mode"].startswith(key))])
    if (verb := _ACT.match(words)) is not None:
        assert verb.lastgroup is not None, "every alternative is a group"
        return _act(Act[verb.lastgroup], words[verb.end() :].strip(), text, bots)
    if (bot := _mentioned(words, bots)) is not None:
        return Describe(bot.id)
    if not words and _normal(text):  # a greeting and nothing else
        return Show(Topic.HELP)
    if _BEYOND.match(words) is not None:
        return NotUnderstood(_shown(text))
    for topic, pattern in _TOPIC:
        if pattern.search(words):
            return Show(topic)
    return NotUnderstood(_shown(text))


def confirmation(text: str) -> Confirm | NoToken | None:
    """Whether a message confirms something, by its token or, in vain, without one.

    Only this function reads tokens; no model is asked about such a message.
    """
    if (match := _CONFIRM.fullmatch(text)) is not None:
        return Confirm(match[1].lower())
    return NoToken() if _YES.fullmatch(_normal(text)) else None


def _act(act: Act, words: str, text: str, bots: Sequence[NamedBot]) -> Intent:
    named = _named(words, bots)
    if len(named) == 1:
        return ActOnBot(act, named[0].id, named[0].name)
    if not named and bots and _ALL.match(_TAIL.sub("", words)):
        return ActOnAll(act, tuple(bot.id for bot in bots))
    wanted = _TAIL.sub("", _OBJECT.sub("", words)) or _normal(text)
    return NoSuchBot(_shown(wanted), tuple(bot.name for bot in named[:_CLOSE]))


def _named(words: str, bots: Sequence[NamedBot]) -> list[NamedBot]:
    """The bots that `words` name: exactly, else in part, else nearly."""
    wanted = [words]
    bare = _OBJECT.sub("", words)
    wanted += [bare, _TAIL.sub("", words), _TAIL.sub("", bare)]
    names = [(_normal(bot.name), bot) for bot in bots]
    for want in wanted:
        exact = [bot for name, bot in names if want and name == want]
        if exact:
            return exact
    want = wanted[-1]
    if want in _NO_NAME or _ALL.match(want):
        return []
    beginning = [bot for name, bot in names if name.startswith(want)]
    if beginning:
        return beginning
    inside = [bot for name, bot in names if len(want) >= _SHORTEST_MENTION and f" {want}" in name]
    if inside:
        return inside
    near = get_close_matches(want, [name for name, _ in names], n=_CLOSE, cutoff=_SIMILAR)
    return [bot for name, bot in names if name in near]


def _mentioned(words: str, bots: Sequence[NamedBot]) -> NamedBot | None:
    """The one bot whose whole name occurs in the sentence; the longest name wins."""
    found = [
        (len(name), bot)
        for bot in bots
        if len(name := _normal(bot.name)) >= _SHORTEST_MENTION and f" {name} " in f" {words} "
    ]
    return max(found, key=lambda pair: pair[0])[1] if found else None


def _normal(text: str) -> str:
    """Case, width, blanks and the punctuation around words do not matter."""
    folded = unicodedata.normalize("NFKC", text).casefold().replace("’", "'")
    bare = re.sub(r"[\"“”`?!,;:.…]+(?=\s|$)|(?<!\S)[\"“”`'(]+|'(?=\s|$)", " ", folded)
    return " ".join(bare.split())


def _shown(text: str) -> str:
    """The asker's words as an answer repeats them: one line, bounded."""
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else line[:_SHOWN] + "…"
