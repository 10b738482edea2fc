"""Easy ways in: a pool of one's own, from trio, from asyncio and from neither."""
