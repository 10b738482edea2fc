"""Errors of telemetry. None of them ever reaches a machine."""


class TelemetryError(Exception):
    """Base of what this distribution raises to those who set it up."""


class MissingExtraError(TelemetryError, ImportError):
    """An optional part was asked for whose dependencies are not installed.

    `extra` names it; the message has the line that installs it.
    """

    def __init__(self, extra: str, what: str) -> None:
        self.extra = extra
        self.what = what
        super().__init__(f'{what} needs more: python -m pip install "am-telemetry[{extra}]"')

    def __reduce__(self) -> tuple[type, tuple[str, str]]:
        return type(self), (self.extra, self.what)


class GrafanaError(TelemetryError):
    """Grafana could not be reached, took too long, or refused; the message says which.

    `status` is the HTTP status of a refusal, else None. Nothing tells whether a request that took
    too long was carried out; repeating it is harmless.
    """

    def __init__(self, message: str, status: int | None = None) -> None:
        self.status = status
        super().__init__(message)


class DecodeError(TelemetryError, ValueError):
    """What a peer of the debugger stream sent, or a dump file holds, is no message of it, or is
    larger than the limits. The connection or file is of no use any more."""


class AddressError(TelemetryError, ValueError):
    """An address is neither `host:port`, nor `unix:PATH`, nor `1`."""
