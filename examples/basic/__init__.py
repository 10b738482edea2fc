"""Typed states, typed args, and handlers with data of their own."""
