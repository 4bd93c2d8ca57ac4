"""The protocol of one connection as a pure state machine: commands in, effects out, no I/O."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from realtime import messages
from realtime.auth.grants import Grants
from realtime.commands import (
    BadCommand,
    parse_command,
    read_filter,
    read_filters,
    read_names,
    read_token,
)
from realtime.conf import conf
from realtime.feeds import feeds
from realtime.frames import Frame
from realtime.parameters import (
    Problem,
    may_subscribe,
    parse_rate,
)
from realtime.subscriptions import FeedSubscription, Subscription
from realtime.timestamps import isoformat

LONGEST_ID = 128


@dataclass(frozen=True, slots=True)
class Reply:
    """Send this answer; `error` is its code when it is an error."""

    frame: Frame
    error: str = ""


@dataclass(frozen=True, slots=True)
class SendSnapshot:
    """Send the state of the whole subscription."""

    id: Any


@dataclass(frozen=True, slots=True)
class Resubscribe:
    """From now on `subscription` holds; the feeds `changed` need a snapshot."""

    id: Any
    subscription: Subscription
    changed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Close:
    """Send `last`, if any, and close."""

    code: int
    reason: str
    last: Frame | None = None


@dataclass(frozen=True, slots=True)
class Authenticate:
    """Check `token`, and tell the session by `renew` or `refuse_credential`."""

    id: Any
    token: str = field(repr=False)


Effect = Reply | SendSnapshot | Resubscribe | Close | Authenticate


class Session:
    """One client's conversation: who it is, what it is subscribed to, how it behaves."""

    def __init__(
        self,
        *,
        grants: Grants,
        subscription: Subscription,
        timestamp: Callable[[], str],
        clock: Callable[[], float],
    ) -> None:
        self.grants = grants
        self.subscription = subscription
        self._timestamp = timestamp
        self._clock = clock
        self._command_times: deque[float] = deque(maxlen=conf().commands_per_second)
        self._bad_commands = 0
        self._commands: Mapping[str, Callable[[dict[str, Any]], list[Effect]]] = {
            "authenticate": self._authenticate,
            "ping": self._ping,
            "snapshot": self._snapshot,
            "subscribe": self._subscribe,
            "unsubscribe": self._unsubscribe,
        }

    def receive_bytes(self) -> list[Effect]:
        """Take a binary frame: the protocol has none."""
        return [Close(1003, "text frames only")]

    def receive_text(self, text: str) -> list[Effect]:
        """Take one command; every command is answered, whatever it holds."""
        # Our own server refuses such a message before it is read; others let it through.
        if len(text.encode(errors="surrogatepass")) > conf().max_message_bytes:
            return [Close(1009, "message too large")]
        if self._is_too_fast():
            limit = conf().commands_per_second
            return [self._fatal("rate_limited", f"More than {limit} commands in a second.")]
        command: dict[str, Any] = {}
        try:
            command = parse_command(text)
            return self._handler(command)(command)
        except BadCommand as bad:
            return self._refuse(bad.problem, id=_id(command))

    def regrant(self, grants: Grants) -> list[Effect]:
        """Take what the user may see now: feeds that it lost end, others get their new scope."""
        kept: list[FeedSubscription] = []
        lost: list[str] = []
        for feed in self.subscription.feeds:
            if grants.may_view(feed.name):
                kept.append(grants.subscription(feed.name, feed.filters))
            else:
                lost.append(feed.name)
        before, self.grants = self.subscription, grants
        after = before.without_feeds(lost).with_feeds(kept)
        if after == before:
            return []
        self.subscription = after
        notes: list[Effect] = [Reply(self._lost(name)) for name in lost]
        changed = tuple(feed.name for feed in kept if before.get(feed.name) != feed)
        return [*notes, Resubscribe(None, after, changed)]

    def _lost(self, name: str) -> Frame:
        text = f"{self.grants.user_name} may not view {name} any more."
        return messages.error(timestamp=self._timestamp(), code="permission_denied", text=text)

    def refuse(self, code: str, text: str, *, close_code: int = 1008) -> list[Effect]:
        """The user may see nothing any more."""
        return [replace(self._fatal(code, text), code=close_code)]

    def renew(self, grants: Grants, *, id: Any) -> list[Effect]:
        """Take the credential that `authenticate` brought, if it is the same user's."""
        if grants.user_key != self.grants.user_key:
            text = "The token is another user's. Connect anew to be somebody else."
            return self.refuse_credential("permission_denied", text, id=id)
        answer = messages.authenticated(
            timestamp=self._timestamp(),
            id=id,
            user=grants.user_name,
            expires_at=None if grants.expires_at is None else isoformat(grants.expires_at),
        )
        return [Reply(answer), *self.regrant(grants)]

    def refuse_credential(self, code: str, text: str, *, id: Any) -> list[Effect]:
        """Answer an `authenticate` that failed; what let the client in stays in force."""
        return self._refuse(Problem(code, text), id=id)

    def postpone_credential(self, code: str, text: str, *, id: Any) -> list[Effect]:
        """Answer an `authenticate` that could not be checked: the client did nothing wrong."""
        return [self._error(code, text, id=id)]

    def warn(self, expires_at: datetime) -> list[Effect]:
        """The credential ends soon."""
        end = isoformat(expires_at)
        return [Reply(messages.token_expiring(timestamp=self._timestamp(), expires_at=end))]

    def expire(self) -> list[Effect]:
        """The credential has ended."""
        return self.refuse("token_expired", "The token has expired. Connect with another one.")

    def _handler(self, command: dict[str, Any]) -> Callable[[dict[str, Any]], list[Effect]]:
        action = command.get("action")
        handler = self._commands.get(action) if isinstance(action, str) else None
        if handler is None:
            known = ", ".join(self._commands)
            raise BadCommand(Problem("unknown_action", f"The actions are: {known}."))
        return handler

    def _authenticate(self, command: dict[str, Any]) -> list[Effect]:
        return [Authenticate(_id(command), read_token(command))]

    def _ping(self, command: dict[str, Any]) -> list[Effect]:
        return [Reply(messages.pong(timestamp=self._timestamp(), id=_id(command)))]

    def _snapshot(self, command: dict[str, Any]) -> list[Effect]:
        return [SendSnapshot(_id(command))]

    def _subscribe(self, command: dict[str, Any]) -> list[Effect]:
        filters = read_filters(command)
        names = read_names(command, default=tuple(filters))
        unnamed = next((name for name in filters if name not in names), None)
        if unnamed is not None:
            text = f"filters names {unnamed!r}, which is not among the feeds of this command."
            raise BadCommand(Problem("invalid_value", text))
        problems: list[Problem] = []
        changed: list[FeedSubscription] = []
        for name in names:
            if may_subscribe(name, self.grants, problems):
                changed.append(
                    self.grants.subscription(name, read_filter(name, filters.get(name, {})))
                )
        rate = self.subscription.max_rate
        if "max_rate" in command:
            rate = parse_rate(command["max_rate"], problems)
        if problems:
            raise BadCommand(problems[0])
        before = self.subscription
        after = before.with_feeds(changed).with_rate(rate)
        needed = tuple(feed.name for feed in changed if before.get(feed.name) != feed)
        self.subscription = after
        return [Resubscribe(_id(command), after, needed)]

    def _unsubscribe(self, command: dict[str, Any]) -> list[Effect]:
        names = read_names(command, default=())
        unknown = next((name for name in names if name not in feeds()), None)
        if unknown is not None:
            raise BadCommand(Problem("unknown_feed", f"There is no feed {unknown!r}."))
        self.subscription = self.subscription.without_feeds(names)
        return [Resubscribe(_id(command), self.subscription, ())]

    def _refuse(self, problem: Problem, *, id: Any) -> list[Effect]:
        self._bad_commands += 1
        if self._bad_commands >= conf().max_bad_commands:
            return [self._fatal("too_many_errors", f"{self._bad_commands} bad commands.")]
        return [self._error(problem.code, problem.text, id=id)]

    def _error(self, code: str, text: str, *, id: Any) -> Reply:
        frame = messages.error(timestamp=self._timestamp(), code=code, text=text, id=id)
        return Reply(frame, error=code)

    def _fatal(self, code: str, text: str) -> Close:
        last = messages.error(timestamp=self._timestamp(), code=code, text=text, fatal=True)
        return Close(1008, code, last)

    def _is_too_fast(self) -> bool:
        """Whether this is one command more than a second may hold."""
        moment = self._clock()
        times = self._command_times
        is_full = len(times) == times.maxlen and moment - times[0] < 1.0
        times.append(moment)
        return is_full


def _id(command: dict[str, Any]) -> Any:
    """The command's id, echoed when it is a number or a short text."""
    given = command.get("id")
    if isinstance(given, str):
        return given[:LONGEST_ID]
    return given if isinstance(given, int | float) else None
