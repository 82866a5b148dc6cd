"""What the assistant says. Pure: values in, one text out. Names are quoted, never obeyed."""

from collections.abc import Mapping, Sequence
from typing import Final

from domain.assistant.intents import Act, ActOnAll, ActOnBot, NoSuchBot, Proposal, SetMode
from domain.money import plain, round_down
from domain.trading.records import Bot, BotStatus, Metrics, SystemMode, Trade

HELP: Final = (
    "I can tell you about your portfolio, bots, trades, balances, exchanges and mode. I can also "
    "pause, resume, stop or delete a bot and change the mode, for example: pause bot Alpha. "
    "Nothing is changed before you confirm it with the token I give you."
)
UNCONFIRMED: Final = (
    "Nothing was done. To carry an action out, send confirm followed by the token given with it."
)
EXPIRED: Final = "That confirmation token has expired. Nothing was done; please ask again."
UNKNOWN_PROPOSAL: Final = (
    "That confirmation token is invalid or was already used. Nothing was done; please ask again."
)
_DONE: Final = {
    Act.PAUSE: "paused",
    Act.RESUME: "resumed",
    Act.STOP: "stopped",
    Act.DELETE: "deleted",
}
_LISTED: Final = 10  # bots or trades named in one answer
_BASIS_POINTS: Final = 10**6  # units in a hundredth of a per cent


def rand(units: int) -> str:
    """R500, -R12.5; cut to cents."""
    shown = round_down(units, 2)
    return f"-R{plain(-shown)}" if shown < 0 else f"R{plain(shown)}"


def money(units: int, currency: str) -> str:
    """Rand with its sign, everything else with its code."""
    return rand(units) if currency == "ZAR" else f"{plain(round_down(units, 8))} {currency}"


def percent(basis_points: int) -> str:
    """5%, -0.25%."""
    return f"{plain(basis_points * _BASIS_POINTS)}%"


def count(number: int, noun: str) -> str:
    """1 bot, 2 bots."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def portfolio(metrics: Metrics) -> str:
    """The totals."""
    if not metrics.total_bots:
        return (
            "Your portfolio has 0 active bots with a total profit of R0. "
            "Create a bot to start trading."
        )
    return (
        f"Your portfolio has {count(metrics.active_bots, 'active bot')} with a total profit of "
        f"{rand(metrics.total_profit)} on a total capital of {rand(metrics.total_capital)}. "
        f"{count(metrics.total_bots, 'bot')} in all, win rate {percent(metrics.win_rate_bp)}, "
        f"exposure {percent(metrics.exposure_bp)}, risk level {metrics.risk_level.value}."
    )


def bots(found: Sequence[Bot]) -> str:
    """How many run, and each one's state."""
    active = sum(bot.status is BotStatus.ACTIVE for bot in found)
    text = f"You have {count(active, 'active bot')}"
    if not found:
        return f"{text}. Create a bot to start trading."
    listed = "; ".join(_line(bot) for bot in found[:_LISTED])
    more = f"; and {len(found) - _LISTED} more" if len(found) > _LISTED else ""
    return f"{text} of {count(len(found), 'bot')} in all: {listed}{more}."


def bot(found: Bot) -> str:
    """One bot."""
    note = f" Note: {found.note}." if found.note else ""
    return (
        f"{_line(found)}. It trades {found.symbol} on {found.platform} "
        f"({found.trading_mode.value}, {found.risk_mode.value}, {found.strategy}) with "
        f"{money(found.current_capital, found.currency)} of initially "
        f"{money(found.initial_capital, found.currency)}.{note}"
    )


def _line(found: Bot) -> str:
    profit = money(found.total_profit, found.currency)
    return f'"{found.name}" is {found.status.value} with a profit of {profit}'


def trades(found: Sequence[Trade], total: int) -> str:
    """The last ones."""
    if not found:
        return "Your bots have not traded yet."
    listed = "; ".join(
        f"{trade.side} {plain(trade.amount)} {trade.symbol} at "
        f"{money(trade.price, trade.currency)} (profit {money(trade.profit, trade.currency)})"
        for trade in found[:_LISTED]
    )
    return f"Your bots have made {count(total, 'trade')}. The last: {listed}."


def balances(found: Mapping[str, Mapping[str, int]], total_zar: int) -> str:
    """What is at each exchange."""
    if not found:
        return "You have no funds at any exchange."
    listed = "; ".join(
        f"{platform}: " + (", ".join(money(*pair) for pair in _pairs(amounts)) or "nothing")
        for platform, amounts in found.items()
    )
    return f"Your exchange balances are worth {rand(total_zar)} in all. {listed}."


def _pairs(amounts: Mapping[str, int]) -> list[tuple[int, str]]:
    return [(units, asset) for asset, units in amounts.items()]


def platforms(states: Mapping[str, str]) -> str:
    """How each exchange stands."""
    return "Exchanges: " + ", ".join(f"{name} {state}" for name, state in states.items()) + "."


def mode(found: SystemMode) -> str:
    """The system mode."""
    return f"Your system mode is {found.value}."


def not_understood(text: str) -> str:
    """What it did not understand, and what it would."""
    return f'I did not understand "{text}". {HELP}'


def no_such_bot(missing: NoSuchBot) -> str:
    """Which bot was meant is not known, so nothing is proposed."""
    if missing.close:
        names = ", ".join(f'"{name}"' for name in missing.close)
        return f'Several bots match "{missing.wanted}": {names}. Please name exactly one.'
    return f'You have no bot called "{missing.wanted}". Nothing was changed.'


def proposal(proposed: Proposal) -> str:
    """What would be done."""
    match proposed:
        case ActOnBot(act, _, name):
            return f'To {act.value} bot "{name}", please confirm.'
        case ActOnAll(act, bot_ids):
            return f"To {act.value} {count(len(bot_ids), 'bot')}, please confirm."
        case SetMode(wanted):
            return f"To change the system mode to {wanted.value}, please confirm."


def how_to_confirm(token: str) -> str:
    """For clients that are shown no actions."""
    return f"Send: confirm {token} (valid for 5 minutes, once)."


def acted(act: Act, name: str) -> str:
    """It was done to one."""
    return f'Bot "{name}" {_DONE[act]}.'


def acted_on_all(act: Act, done: int, failed: Sequence[str]) -> str:
    """It was done to several; `failed` says why not to the others."""
    text = f"{count(done, 'bot')} {_DONE[act]}."
    return f"{text} Not done: {'; '.join(failed)}." if failed else text


def not_done(why: str) -> str:
    """A confirmed action that could not be carried out."""
    return f"That could not be done: {why}."


def greeting(first_name: str) -> str:
    """AMKT-178."""
    return f"Welcome back, {first_name}!"


def daily_summary(profit_today: int, trades_today: int, active: int, total: int) -> str:
    """The daily report's first sentence."""
    if not total:
        return "You have no bots yet. Create one to start trading."
    return (
        f"Today your bots generated {rand(profit_today)} in profit with "
        f"{count(trades_today, 'trade')}; {active} of {count(total, 'bot')} active."
    )


def highlight(found: Bot) -> str:
    """One bot in the daily report."""
    if found.status in (BotStatus.PAUSED, BotStatus.STOPPED):
        why = f": {found.note}" if found.note else ""
        return f"{found.name} {found.status.value}{why}"
    if found.total_profit > 0:
        return f"{found.name} gained {percent(found.profit_bp)}"
    if found.total_profit < 0:
        return f"{found.name} lost {percent(-found.profit_bp)}"
    return f"{found.name} unchanged"
