# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""A view of the configured channels under the names that other add-ons know.

Read-only, and nothing is decided here: the scheduler is ``core.channels``, and the
channels in force are records together with the configuration.
"""

from __future__ import annotations

from ..core import channel_config, states
from ..core import channels as scheduler

NOT_DONE = (*states.UNFINISHED, states.FAILED)
ENQUEUED = states.ENQUEUED


class Channel:
    """A channel of the tree."""

    def __init__(self, settings: scheduler.Channel, parent: Channel | None):
        self.fullname = settings.name
        self.name = settings.name.rpartition(".")[2]
        self.capacity = settings.capacity
        self.sequential = settings.sequential
        self.throttle = settings.throttle
        self.paused = settings.paused
        self.parent = parent
        self.children: dict[str, Channel] = {}
        if parent is not None:
            parent.children[self.name] = self

    def __repr__(self) -> str:
        return f"<Channel {self.fullname} capacity={self.capacity}>"


class ChannelManager:
    """The channels of a configuration string."""

    def __init__(self) -> None:
        self.simple_configure("")

    def simple_configure(self, config_string: str) -> None:
        """Take the channels of the string.

        :raises ValueError: it is not one
        """
        merged = channel_config.merge((), channel_config.parse(config_string))
        self._channels: dict[str, Channel] = {}
        for name, settings in channel_config.scheduled(merged).items():
            parent = self._channels.get(name.rpartition(".")[0])
            self._channels[name] = Channel(settings, parent)

    @property
    def root_channel(self) -> Channel:
        return self._channels[scheduler.ROOT]

    def get_channel_by_name(self, name: str) -> Channel | None:
        """The channel, "root." may be left out; None: there is none."""
        return self._channels.get(channel_config.normalize_name(name))
