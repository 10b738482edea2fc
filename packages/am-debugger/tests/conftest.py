"""Settings shared by the tests of am-debugger."""

from hypothesis import Phase, settings

# Machines differ in speed, so no example has a deadline; failing examples are shrunk by hand.
settings.register_profile("house", deadline=None, phases=set(Phase) - {Phase.explain})
settings.load_profile("house")
