"""What machines say: `log_bridge` sends it through OpenTelemetry, `consumer` hears the lines,
`otel_logs` knows the API; `std_log_bridge` adds fields to records of the standard library."""

from .log_bridge import LogBridge as LogBridge
from .std_log_bridge import StdLogBridge as StdLogBridge

__all__ = ["LogBridge", "StdLogBridge"]
