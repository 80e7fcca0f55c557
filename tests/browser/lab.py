"""Start JupyterLab on a free port and drive it with an installed Chromium: no browser is downloaded."""

import contextlib
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import nbformat
from playwright.sync_api import Page, sync_playwright

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--disable-sync"]

EXTENSION = Path(__file__).resolve().parents[2] / "notebooks" / "jupyterlab" / "extension"

# The promise of a page that waits for an answer (which kernel?) never ends, and `evaluate` knows no timeout.
IN_TIME = """async milliseconds => {
    const late = new Promise((_, reject) => setTimeout(() => reject(new Error('JupyterLab: timeout')), milliseconds));
    const app = window.jupyterapp;
    const run = async () => {
        await app.restored;
        const session = app.shell.currentWidget.sessionContext;
        await session.ready;
        await session.session.kernel.info;
        %s;
    };
    await Promise.race([run(), late]);
}"""
ERRORS = """() => [...window.jupyterapp.shell.currentWidget.content.model.cells]
    .filter(cell => cell.type === 'code').flatMap(cell => cell.outputs.toJSON())
    .filter(output => output.output_type === 'error').map(output => output.ename + ': ' + output.evalue)"""


@contextlib.contextmanager
def running_lab(root: Path) -> Iterator[tuple[str, str]]:
    """A JupyterLab with settings of its own that serves ``root``; yields its address and token."""
    with tempfile.TemporaryDirectory() as home:
        settings = Path(home, "settings/@jupyterlab/apputils-extension")
        settings.mkdir(parents=True)
        (settings / "notification.jupyterlab-settings").write_text(json.dumps({"fetchNews": "false"}))
        port, token, log = _free_port(), secrets.token_hex(16), Path(home, "lab.log")
        places = {"LAB_SETTINGS": "settings", "LAB_WORKSPACES": "workspaces", "_RUNTIME": "runtime"}
        own = {f"JUPYTER{name}_DIR": f"{home}/{place}" for name, place in places.items()} | {
            "JUPYTER_PATH": home,
            "COURSE_HOME": home,
        }
        shutil.copytree(EXTENSION, Path(home, "labextensions", "equivariance-from-scratch"))
        options = ["--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}", "--ServerApp.port_retries=0"]
        options += [f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={root}"]
        # The command registry on the page: menu clicks are flaky.
        options += ["--LabApp.expose_app_in_browser=True"]
        with log.open("w") as output:
            command = [sys.executable, "-m", "jupyterlab", *options]
            server = subprocess.Popen(command, env={**os.environ, **own}, stdout=output, stderr=output)
        try:
            _wait_for(server, f"http://127.0.0.1:{port}/api/status?token={token}", log)
            yield f"http://127.0.0.1:{port}", token
        finally:
            server.terminate()
            server.wait(20)


@contextlib.contextmanager
def browser_page(offline: bool = False) -> Iterator[Page]:
    """A page of a fresh headless browser."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        context = browser.new_context(viewport={"width": 1400, "height": 1000}, offline=offline)
        try:
            yield context.new_page()
        finally:
            browser.close()


def write_notebook(path: Path, *codes: str) -> None:
    """A notebook of these cells that names its kernel, so that JupyterLab does not ask for it."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code) for code in codes])
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, path)


def open_notebook(page: Page, address: str, token: str, notebook: str, timeout: float = 240) -> None:
    """Open a notebook and wait until its kernel, a new one unless it has one already, has said what it is."""
    page.set_default_timeout(timeout * 1000)
    page.goto("about:blank")
    page.goto(f"{address}/lab/tree/{notebook}?token={token}&reset")
    page.wait_for_function("() => window.jupyterapp?.shell?.currentWidget?.content?.widgets?.length")
    _in_time(page, "", timeout)


def open_and_run(page: Page, address: str, token: str, notebook: str, timeout: float = 240) -> list[str]:
    """Open a notebook and run all cells with JupyterLab's own command; returns the errors among the outputs."""
    open_notebook(page, address, token, notebook, timeout)
    _in_time(page, "await app.commands.execute('notebook:run-all-cells')", timeout)
    return page.evaluate(ERRORS)


def save_and_stop(page: Page) -> None:
    """Save the open notebook, then stop its kernel."""
    _in_time(page, "await app.commands.execute('docmanager:save'); await session.shutdown()")


def restart(page: Page) -> None:
    """Restart the open notebook's kernel, and run nothing."""
    _in_time(page, "await session.session.kernel.restart()")


def is_unsaved(page: Page) -> bool:
    return page.evaluate("() => window.jupyterapp.shell.currentWidget.content.model.dirty")


def _in_time(page: Page, code: str, timeout: float = 240) -> None:
    """Run JavaScript on ``app`` and the notebook's ``session``, once its kernel is there."""
    page.evaluate(IN_TIME % code, timeout * 1000)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _wait_for(server: subprocess.Popen[bytes], address: str, log: Path) -> None:
    for _ in range(480):
        if server.poll() is not None:
            raise RuntimeError(f"JupyterLab ended with {server.returncode}:\n{log.read_text()}")
        try:
            urllib.request.urlopen(address, timeout=2)
            return
        except OSError:
            time.sleep(0.25)
    raise TimeoutError(f"JupyterLab did not answer within two minutes:\n{log.read_text()}")
