"""Launchers for engines that place processes on many hosts: thin recipes to copy and change."""
