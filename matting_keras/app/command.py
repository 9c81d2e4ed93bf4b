"""`matting-keras app`: start the web page for one person, on this computer only."""

from __future__ import annotations

import argparse
import http.client
import importlib.util
import socket
import threading
import time
import webbrowser
from collections.abc import Sequence
from pathlib import Path

from matting_keras.errors import InputError
from matting_keras.weights.presets import DEFAULT

ADDRESS = "127.0.0.1"
PORT = 8501
PATIENCE = 60
"""Seconds until the page must have answered before a browser is opened."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments to a parser."""
    parser.add_argument("--port", type=int, default=PORT, metavar="N", help=f"default: {PORT}")
    parser.add_argument("--weights", metavar="FILE|PRESET", help=f"default: {DEFAULT}")
    parser.add_argument("--no-browser", action="store_true", help="only print the address")


def run(flags: argparse.Namespace) -> int:
    """Serve the page until ctrl-C.

    Args:
        flags: port, weights and no_browser, as parsed.

    Returns:
        0.

    Raises:
        InputError: Streamlit is missing or too old, the port is taken, or the weights cannot be
            used. All of that is found out before anything is served.
    """
    if importlib.util.find_spec("streamlit") is None:
        raise InputError(
            "the web page needs Streamlit, which is not installed; pip install "
            "'matting-keras[app]', or in a checkout pip install -e '.[app]'."
        )
    check_port(flags.port)
    weights = [] if flags.weights is None else [_checked(flags.weights)]
    announcer = threading.Thread(
        target=_announce, args=(flags.port, not flags.no_browser), daemon=True
    )
    announcer.start()
    _serve(options(flags.port), weights)
    return 0


def options(port: int) -> list[str]:
    """Streamlit's options: reachable from this computer only, silent towards everybody else.

    Given on the command line, they count for more than a config.toml that lies about.
    """
    from matting_keras.app.look import ACCENT, ACCENT_ON_DARK
    from matting_keras.app.picture import MAX_MEGABYTES

    settings = {
        # What Streamlit takes itself for where it lies outside of site-packages.
        "global.developmentMode": "false",
        "server.address": ADDRESS,
        "server.port": port,
        "server.headless": "true",
        "server.fileWatcherType": "none",
        "server.maxUploadSize": MAX_MEGABYTES,
        "server.enableCORS": "true",
        "server.enableXsrfProtection": "true",
        "browser.serverAddress": ADDRESS,
        "browser.gatherUsageStats": "false",
        "client.toolbarMode": "minimal",
        "client.showErrorDetails": "none",
        "logger.enableRich": "false",
        "logger.level": "warning",
        "logger.hideWelcomeMessage": "true",
        "runner.magicEnabled": "false",
        "theme.light.primaryColor": ACCENT,
        "theme.dark.primaryColor": ACCENT_ON_DARK,
    }
    given = [f"--{name}={value}" for name, value in settings.items()]
    # Another name for this computer would be a web site that points its own name here.
    return [*given, f"--server.allowedHosts={ADDRESS}", "--server.allowedHosts=localhost"]


def check_port(port: int) -> None:
    """Make sure that a port can be listened on.

    Args:
        port: 1..65535.

    Raises:
        InputError: another number, or a port that is taken or not allowed.
    """
    if not 0 < port < 65536:
        raise InputError(f"--port {port}: expected a number in 1..65535.")
    with socket.socket() as trial:
        # As the server does it: a port of a page that has just been ended is free again.
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((ADDRESS, port))
        except OSError as error:
            raise InputError(
                f"--port {port}: cannot be used ({error.strerror}); perhaps the page is open "
                f"already at http://{ADDRESS}:{port}. Else choose another, such as "
                f"--port {port + 1 if port < 65535 else PORT}."
            ) from error


def _checked(weights: str) -> str:
    """Weights as the page takes them, after a trial: a wrong file is an error before the start."""
    from matting_keras.inference.matter import Matter

    Matter(weights)
    return str(Path(weights).resolve()) if Path(weights).is_file() else weights


def _serve(settings: Sequence[str], arguments: Sequence[str]) -> None:
    import click
    from streamlit import __version__
    from streamlit.web import cli

    page = str(Path(__file__).with_name("page.py"))
    try:
        cli.main(["run", *settings, page, "--", *arguments], standalone_mode=False)
    except click.ClickException as error:
        raise InputError(
            f"Streamlit {__version__} does not start the page ({error.format_message()}); "
            "pip install --upgrade 'matting-keras[app]'."
        ) from error


def _announce(port: int, browse: bool) -> None:
    """Wait until the page answers, then print its address and open a browser there."""
    from matting_keras.media.window import has_display

    end = time.monotonic() + PATIENCE
    while not _answers(port):
        if time.monotonic() > end:
            return
        time.sleep(0.1)
    address = f"http://{ADDRESS}:{port}"
    print(f"{address} (ctrl-C ends it)", flush=True)
    if browse and has_display():
        webbrowser.open(address)


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection(ADDRESS, port, timeout=2)
    try:
        connection.request("GET", "/_stcore/health")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
