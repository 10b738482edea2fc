"""States as plain strings, a schema as a plain dict."""
