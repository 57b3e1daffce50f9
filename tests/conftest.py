"""What all tests share: hypothesis neither races the clock nor rolls new dice in CI."""

import os

from hypothesis import settings

settings.register_profile("house", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("house")
