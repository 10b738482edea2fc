"""SDKs, set up: the only room that imports one."""
