#!/usr/bin/python3
"""Goal: Skald runs the conformance test kit of the Open Workflow Specification, unedited.

Method: behave (Debian's python3-behave) on a copy of the kit's features with the step bodies of this folder; each scenario is run by
`skald run`. What the kit asks for and Skald does not run yet is listed in environment.py, and must be refused when it is deployed.
Skipped without SKALD_CONFORMANCE_DIR. Usage: run.py BIN_FOLDER
"""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile


def main():
    bin_folder = sys.argv[1]
    if "SKALD_CONFORMANCE_DIR" not in os.environ:
        print("skipped: SKALD_CONFORMANCE_DIR is not set")
        return 77
    features = pathlib.Path(os.environ["SKALD_CONFORMANCE_DIR"]) / "ctk"
    here = pathlib.Path(__file__).resolve().parent
    with tempfile.TemporaryDirectory() as folder:
        for feature in features.glob("*.feature"):
            shutil.copy(feature, folder)
        for name in ("environment.py", "steps"):
            os.symlink(here / name, os.path.join(folder, name))
        return subprocess.run([sys.executable, "-m", "behave", "--no-color", "--no-timings", "--format", "progress3",
                               "-D", f"skald={os.path.abspath(bin_folder)}/skald", folder],
                              env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
