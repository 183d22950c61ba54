"""How many of a judge's replies can be read, and from when on a judge is stopped because too many cannot.

Takes replies with the reason why one cannot be read; gives counts. It does not depend on how replies are read.
"""

from __future__ import annotations

from collections.abc import Iterable

from restem.verifiers.chat.reply import ChatReply, Rejected

TRIAL = 32  # requests that are sent before the others, because a set-up that gives no readable reply shows at once
FEWEST = 20  # replies below which the share of unreadable ones says little


class Readability:
    """Counts the replies of one kind.

    Args:
        most: The largest share of unreadable replies with which the judge goes on.

    Attributes:
        replies: All replies; rejected requests have none.
        unreadable: Those that cannot be read, without refusals.
        cut_off: Those that were cut off for their length.
        last: Why the last unreadable one cannot be read.
    """

    def __init__(self, most: float) -> None:
        self.most = most
        self.replies = self.unreadable = self.cut_off = 0
        self.last = ""

    @property
    def too_many(self) -> bool:
        """Whether more replies are unreadable than the judge goes on with."""
        return self.replies >= FEWEST and self.unreadable > self.most * self.replies

    @property
    def cut_off_mostly(self) -> bool:
        """Whether most of the unreadable replies were cut off."""
        return 2 * self.cut_off > self.unreadable

    def add(self, read: Iterable[tuple[ChatReply | Rejected, str | None]]) -> None:
        """Counts replies, each with the reason why it cannot be read, or None."""
        for reply, reason in read:
            self.replies += isinstance(reply, ChatReply)
            self.cut_off += is_cut_off(reply)
            if reason is not None:
                self.unreadable += 1
                self.last = reason


def is_cut_off(reply: ChatReply | Rejected) -> bool:
    """Whether a reply was cut off for its length."""
    return isinstance(reply, ChatReply) and reply.finish_reason == "length"
