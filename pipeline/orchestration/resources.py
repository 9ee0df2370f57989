"""Where the data of a run lies, and which protocol it follows."""

from pathlib import Path

import dagster as dg

from pipeline.home import Home, Landing
from pipeline.protocol import Protocol
from pipeline.run import Progress, Run, silent

HOME, LANDING, PROTOCOL = "PDP_HOME", "PDP_LANDING", "PDP_PROTOCOL"
"""Environment variables through which the UI's processes learn what `pdp run` is told on its command line."""


class PdpHome(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The home folder, the landing folder and the protocol file of a run."""

    home: str
    landing: str
    protocol: str = ""

    def place(self) -> Home:
        """The home, its folders created."""
        return Home(Path(self.home)).prepare()

    def landed(self) -> Landing:
        """The landing folder."""
        return Landing(Path(self.landing))

    def decisions(self) -> Protocol:
        """The protocol, read anew: it may have changed since the code location was loaded."""
        return Protocol.load(Path(self.protocol) if self.protocol else None)

    def run(self, release: str, progress: Progress = silent) -> Run:
        """What a step receives."""
        return Run(self.place(), self.landed(), self.decisions(), release, progress)
