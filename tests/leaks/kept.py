"""Values that cases keep from one call to the next."""


def keeper(module):
    """A function that gives the value of a name among the names of `module`, made by whoever asks first."""

    def _kept(name, make):
        return module[name] if name in module else module.setdefault(name, make())

    return _kept
