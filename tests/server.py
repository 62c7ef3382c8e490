"""The built binary on a temporary store, for tests that are not written in Rust."""

import os
import re
import subprocess
import sys
from pathlib import Path


class Server:
    """Serves from a folder, with limits off: a test asks more in a second than a person in a day."""

    def __init__(self, binary, folder):
        self.binary, self.folder = binary, folder
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("PRIMETRADE_")}
        self.environment |= {
            "PRIMETRADE_HTTP__LISTEN": "127.0.0.1:0",
            "PRIMETRADE_ADMIN__LISTEN": "127.0.0.1:0",
            "PRIMETRADE_DATABASE__URL": f"sqlite:{folder}/data",
            "PRIMETRADE_LIMITS__ENABLED": "false",
            "PRIMETRADE_LOG__FORMAT": "json",
        }
        self.log = open(f"{folder}/log", "w")
        self.process = self.start("serve", stdout=subprocess.PIPE, stderr=self.log)
        for line in self.process.stdout:
            if found := re.match(r"PrimeTrade is serving on (\S+)", line):
                self.url = found[1]
                return
        sys.exit(f"the server did not start:\n{self.told()}")

    def start(self, *arguments, **streams):
        return subprocess.Popen([self.binary, *arguments], env=self.environment, cwd=self.folder, text=True, **streams)

    def told(self):
        """The log."""
        return Path(self.log.name).read_text()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        self.log.close()
