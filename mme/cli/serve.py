"""`mme serve`: run the endpoint and tell its operator how to try it."""

from __future__ import annotations

import gc
import os
import sys
from typing import TYPE_CHECKING

from mme.app.life import Address, EndpointFailed
from mme.app.limits import check_limits
from mme.app.listening import warn_of_unused
from mme.app.modes import Mode
from mme.app.multi_model import run_multi_model
from mme.app.single_model import run_single_model
from mme.app.standalone import run_endpoint
from mme.cli.banner import ready_text
from mme.cli.codes import EXIT_FAILED, EXIT_OK, EXIT_USAGE
from mme.core.log import flush_log
from mme.core.settings import SettingsError
from mme.mms import JavaMissingError
from mme.prefork.confinement import be_private

if TYPE_CHECKING:
    from mme.app.modes import Platform
    from mme.app.offered import Offered
    from mme.core.settings import Settings

SWITCH_INTERVAL_S = 0.0005
COLLECT_AFTER = (20_000, 20, 20)
"""Objects that come and stay, and younger collections, before one of each generation."""


def settle() -> None:
    """Keep the garbage collector from what has been loaded by now, and from running all the time.

    A request leaves few cycles behind; looking for them costs more than many a request.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)


def _check_handler(settings: Settings) -> None:
    if not settings.handler.is_file():
        raise SettingsError(f"MME_HANDLER={str(settings.handler)!r}: there is no such file")


async def serve(settings: Settings, platform: Platform) -> int:
    """Run in the mode the platform asks for until told to stop; returns the exit code."""

    def announce(address: Address, offered: Offered) -> None:
        settle()
        print(ready_text(settings, address, offered), flush=True)

    def announce_container(address: Address) -> None:
        settle()
        print(f"The {platform.mode.value} is ready on port {address.port}", flush=True)

    # It may hold credentials: no other process of this user shall look into it.
    be_private()
    # What others of this machine may read and what not is said where it is made.
    os.umask(0o022)
    # Threads download artifacts beside the event loop; it must not wait 5 ms for each of them.
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    if platform.mode is not Mode.STANDALONE:
        warn_of_unused(settings, platform.mode.value)
    try:
        check_limits()
        _check_handler(settings)
        match platform.mode:
            case Mode.MULTI_MODEL:
                await run_multi_model(settings, platform, announce_container)
            case Mode.SINGLE_MODEL:
                await run_single_model(settings, platform, announce_container)
            case Mode.STANDALONE:
                await run_endpoint(settings, announce)
    except (EndpointFailed, JavaMissingError, SettingsError) as error:
        flush_log()
        print(f"mme: {error}", file=sys.stderr)
        return EXIT_USAGE if isinstance(error, SettingsError) else EXIT_FAILED
    return EXIT_OK
