"""What this peer offers, judged as others will: what they would drop is refused here."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from am_pubsub._config import TopicConfig

    from .entries import Info


def check_info(info: Info, config: TopicConfig) -> None:
    """Raise `ValueError` if other peers do not take this description of a machine."""
    for what, name in (("a machine", info.id), ("the parent of a machine", info.parent)):
        if len(name) > config.name_length:
            raise ValueError(
                f"the id of {what} may have {config.name_length} characters, not {len(name)}: "
                f"{name[:40]!r}…"
            )
    if len(info.tags) > config.tags:
        raise ValueError(f"{info.id} has {len(info.tags)} tags, at most {config.tags} are taken")
    for tag in info.tags:
        size = len(tag.encode())
        if size > config.tag_bytes:
            raise ValueError(
                f"{info.id} has a tag of {size} bytes, at most {config.tag_bytes} are taken: "
                f"{tag[:40]!r}…"
            )


def check_room(offered: int, config: TopicConfig) -> None:
    """Raise `ValueError` if others take no machine beside so many; the topic's own is extra."""
    if offered > config.machines_per_peer:
        raise ValueError(f"a peer may offer {config.machines_per_peer} machines, not one more")


def check_payload(data: object, config: TopicConfig) -> None:
    """Raise `TypeError` or `ValueError` if this cannot be sent to peers."""
    if not isinstance(data, bytes):
        raise TypeError(f"a payload is bytes, not {type(data).__name__}")
    most = config.batch_bytes - 64
    if len(data) > most:
        raise ValueError(f"{len(data)} bytes: at most {most} fit")
