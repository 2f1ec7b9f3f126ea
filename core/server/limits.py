"""How much a client may ask for, and how long the server keeps what it did not fetch."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of a server; sizes in bytes, times in seconds."""

    body: int = 4 * MIB
    body_seconds: float = 30.0
    lanes: int = 64
    """Replies of one request that are decoded together."""
    tokens: int = 16_384
    """New tokens of one reply."""
    sampled: int = 4_000_000
    """Tokens of all replies of one request together."""
    seconds: float = 3600.0
    """How long a request is computed."""
    waiting: int = 16
    """Requests that wait for the one that is answered."""
    buffer: int = 16 * MIB
    """Events of one request that no client has fetched yet."""
    segment: int = MIB
    """Events of one response; then the client asks for those that follow."""
    linger: float = 300.0
    """How long a request goes on, and is kept, while nobody reads its events."""
    heartbeat: float = 5.0
    """The longest silence on an open stream."""
