"""Which modules of ours are loaded when which package is about to be imported: {"torch": ("hooks_torch",)}.

A module that has something to do is `hooks_<what>.py` in this folder:

    def register(agent): ...        # called once, under guard, before the package's own code runs
"""

LISTED: dict = {  # type: ignore[type-arg] # of tuples of names
    "jax": ("hooks_settings",),
    "keras": ("hooks_settings", "hooks_keras"),
    "sklearn": ("hooks_settings",),
    "tensorflow": ("hooks_settings", "hooks_tensorflow"),
    "torch": ("hooks_settings", "hooks_torch"),
}
