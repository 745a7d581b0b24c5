"""How many random cases the tests try: HYPOTHESIS_PROFILE is `ci` (the default), `thorough`, or
`explore`, as long and with other cases each time.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

# All profiles run the same properties; the first two give the same verdict on every machine.
settings.register_profile("ci", max_examples=15, deadline=None, derandomize=True, database=None)
settings.register_profile(
    "explore",
    max_examples=60,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "thorough", settings.get_profile("explore"), derandomize=True, database=None
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))
