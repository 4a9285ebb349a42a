"""Every class that a file names: known by its name, written as plain JSON, made again from it.

    class Ramp(pl.Loss): …             known from then on, because it is a subclass
    to_config(Ramp(2))                 {"loss": "Ramp", "module": "my_losses", "slope": 2}
    from_config({"loss": "Ramp", …})   an equal one, where my_losses is imported

    known.py        names and modules, and the classes behind them
    arguments.py    what an object was made with
    configured.py   the base of all that is written by its name and its arguments
    config.py       to JSON and back

What is written is what the constructor was given: the fields of a dataclass, or the arguments of an `__init__` of a
person's own, which are kept when an object is made. A class of a person's own is written with its module, so that it
never stands for a class of the library. Nothing is imported because a file says so.
"""

from pellucid.registry.config import from_config, replaced, to_config
from pellucid.registry.configured import Configured, register
from pellucid.registry.known import KINDS, library

__all__ = ["KINDS", "Configured", "from_config", "library", "register", "replaced", "to_config"]
