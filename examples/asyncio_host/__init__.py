"""A web application on asyncio that owns a machine."""
