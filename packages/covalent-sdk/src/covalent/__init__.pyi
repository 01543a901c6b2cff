# What ``import covalent as ct`` offers, for editors and type checkers; __init__.py loads it when it is used.
from covalent import errors as errors
from covalent import executor as executor
from covalent import fs as fs
from covalent import fs_strategies as fs_strategies
from covalent import leptons as leptons
from covalent import testing as testing
from covalent import triggers as triggers
from covalent.client.asynchronous import acancel as acancel
from covalent.client.asynchronous import adispatch as adispatch
from covalent.client.asynchronous import aget_result as aget_result
from covalent.client.cancelling import cancel as cancel
from covalent.client.dispatching import dispatch as dispatch
from covalent.client.dispatching import dispatch_sync as dispatch_sync
from covalent.client.listing import dispatches as dispatches
from covalent.client.preflighting import preflight as preflight
from covalent.client.redispatching import redispatch as redispatch
from covalent.client.triggering import stop_triggers as stop_triggers
from covalent.client.waiting import get_result as get_result
from covalent.config import get_config as get_config
from covalent.config import reload_config as reload_config
from covalent.config import set_config as set_config
from covalent.context import get_context as get_context
from covalent.deps import DepsBash as DepsBash
from covalent.deps import DepsCall as DepsCall
from covalent.deps import DepsModule as DepsModule
from covalent.deps import DepsPip as DepsPip
from covalent.electron import electron as electron
from covalent.electron import wait as wait
from covalent.fs import File as File
from covalent.fs import Folder as Folder
from covalent.graph import TransportGraph as TransportGraph
from covalent.lattice import Lattice as Lattice
from covalent.lattice import lattice as lattice
from covalent.leptons import Lepton as Lepton
from covalent.result import Result as Result
from covalent.secret import Secret as Secret
from covalent.server_command import covalent_start as covalent_start
from covalent.server_command import covalent_stop as covalent_stop
from covalent.server_command import is_covalent_running as is_covalent_running
from covalent.status import Status as Status
from covalent.transportable import TransportableObject as TransportableObject

__version__: str
status = Status
