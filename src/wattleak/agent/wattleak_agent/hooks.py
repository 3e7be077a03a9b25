"""Which modules of ours are loaded when which package is about to be imported: {"torch": ("hooks_torch",)}.

A module that has something to do is `hooks_<what>.py` in this folder:

    def register(agent): ...        # called once, under guard, before the package's own code runs
"""

LISTED: dict = {  # type: ignore[type-arg] # of tuples of names
    "jax": ("hooks_settings", "hooks_reported", "hooks_debugging", "hooks_cleaning", "hooks_jax"),
    "keras": ("hooks_settings", "hooks_reported", "hooks_debugging", "hooks_cleaning", "hooks_keras"),
    "sklearn": ("hooks_settings", "hooks_reported", "hooks_sklearn"),
    "tensorflow": ("hooks_settings", "hooks_reported", "hooks_debugging", "hooks_cleaning", "hooks_tensorflow"),
    "torch": ("hooks_settings", "hooks_reported", "hooks_debugging", "hooks_cleaning", "hooks_torch"),
    "wattleak": ("hooks_reported",),  # a program that reports through its API, whatever it trains with
}
