"""Child processes: starting, watching, stopping, reaping. Knows nothing of what they do."""

from mme.supervise.exits import until_gone
from mme.supervise.keeper import Keeper, StartError
from mme.supervise.process import ChildProcess, owned_pids
from mme.supervise.reaper import become_subreaper, reap_orphans

__all__ = [
    "ChildProcess",
    "Keeper",
    "StartError",
    "become_subreaper",
    "owned_pids",
    "reap_orphans",
    "until_gone",
]
