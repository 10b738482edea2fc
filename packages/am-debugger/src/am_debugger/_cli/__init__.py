"""The command `am-dbg`."""
