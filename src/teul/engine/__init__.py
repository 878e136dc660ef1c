"""Use cases, and the only wiring: an `Engine` holds the parts; each use case is a function that takes it.

`teul.engine.images`, `.build`, `.containers`, `.networks`, `.volumes`, `.system` hold the verbs.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from functools import cached_property

    from teul.config import Settings
    from teul.content import Store
    from teul.images import ImageStore
    from teul.runtime.driver import Driver
    from teul.snapshots import Snapshotter
    from teul.state.db import Database
else:

    class cached_property:  # noqa: N801 (the name of what it stands for)
        """As that of `functools`, which costs every command 3 ms of imports."""

        def __init__(self, make):
            self._make = make
            self.__doc__ = make.__doc__

        def __set_name__(self, owner, name):
            self._name = name

        def __get__(self, instance, owner=None):
            if instance is None:
                return self
            made = instance.__dict__[self._name] = self._make(instance)
            return made


class Engine:
    """The parts of one state folder, each made at its first use."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @classmethod
    def open(cls, settings: Settings) -> Engine:
        """Nothing is touched until a part is used."""
        return cls(settings)

    def close(self) -> None:
        if "db" in self.__dict__:
            self.db.close()
            del self.__dict__["db"]

    @cached_property
    def db(self) -> Database:
        from teul.engine import supervision
        from teul.state.db import Database

        supervision.notice(self.settings)
        return Database.open(self.settings.database)

    @cached_property
    def store(self) -> Store:
        from teul.content import LocalStore

        return LocalStore(self.settings.layout)

    @cached_property
    def snapshots(self) -> Snapshotter:
        from teul.snapshots.select import open_snapshotter

        return open_snapshotter(self.settings, self.db)

    @cached_property
    def images(self) -> ImageStore:
        from teul.images import ImageStore

        return ImageStore(self.db, self.store, self.snapshots)

    @cached_property
    def driver(self) -> Driver:
        from teul.runtime.driver import open_driver

        return open_driver(self.settings)
