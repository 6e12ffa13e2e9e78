"""Who is loaded: bringing models in on demand, using them, letting them go."""

from mme.residency.hosted import HostedModels
from mme.residency.residency import Residency
from mme.residency.table import State
from mme.residency.views import Answer, ModelView

__all__ = ["Answer", "HostedModels", "ModelView", "Residency", "State"]
