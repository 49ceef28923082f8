"""No deadlines for hypothesis: the first example may compile, and machines are shared."""

import hypothesis

hypothesis.settings.register_profile("mutua", deadline=None)
hypothesis.settings.load_profile("mutua")
