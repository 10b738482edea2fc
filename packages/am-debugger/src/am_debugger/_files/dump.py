"""How a dump is laid out.

A file whose name ends in `.amdbg.gz` or `.amdbg.zst`, compressed. Within it: 8 bytes of magic, the
last of which is the version, then messages as on the wire. `DumpBegin` comes first, then schemas
and machines before what refers to them; a `Chunk` begins each stretch of entries, and the first
entry of each machine after it is a keyframe; `DumpEnd` closes it with an index and totals.
"""

from __future__ import annotations

MAGIC = b"AMDBG\r\n"
VERSION = 1
HEADER = MAGIC + bytes([VERSION])
SUFFIXES = (".amdbg.gz", ".amdbg.zst")
# Entries of one message, and from one `Chunk` to the next.
BATCH = 100
CHUNK = 4096
MOST_BYTES = 8 << 30
"""Of a decompressed dump."""
