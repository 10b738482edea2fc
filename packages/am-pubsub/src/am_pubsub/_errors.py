"""What may go wrong with a topic."""

from __future__ import annotations


class TopicError(Exception):
    """Base of all errors of this package."""


class JoinError(TopicError):
    """The topic cannot be joined: nobody was reached, or nobody who would have this peer."""


class ListenError(TopicError):
    """An address cannot be listened on."""
