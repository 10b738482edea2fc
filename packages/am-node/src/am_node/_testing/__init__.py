"""Tests that others may run against launchers of their own."""
