"""How many random cases the tests try: HYPOTHESIS_PROFILE is `ci` (the default) or `thorough`."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

# The two profiles run the same properties; `ci` gives the same verdict on every machine.
settings.register_profile("ci", max_examples=15, deadline=None, derandomize=True, database=None)
settings.register_profile(
    "thorough",
    max_examples=60,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))
