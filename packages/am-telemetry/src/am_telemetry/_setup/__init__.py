"""SDKs, set up: the only room that imports one.

`otlp` exports by OTLP/HTTP, `counted` knows what became of it; `prometheus` has the provider that
is scraped (`scrape`: the server) or pushed (`push`); `from_env` does what the environment asks for.
"""

from .otlp import Otlp as Otlp
from .otlp import setup_otlp as setup_otlp
from .prometheus import PrometheusEndpoint as PrometheusEndpoint
from .prometheus import setup_prometheus as setup_prometheus

__all__ = ["Otlp", "PrometheusEndpoint", "setup_otlp", "setup_prometheus"]
