"""Settings shared by the tests of am-telemetry."""

from hypothesis import settings

# Machines differ in speed, so no example has a deadline.
settings.register_profile("house", deadline=None)
settings.load_profile("house")
