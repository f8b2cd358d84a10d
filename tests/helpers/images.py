"""Images that buildah builds and runc runs, on a base with this machine's Python.

So they need no registry, but root or `sudo`.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tools.template import run

from .serving import report_missing

AS_ROOT = [] if os.geteuid() == 0 else ["sudo", "--non-interactive"]
#: Parts of the standard library that no service uses.
UNUSED = ("__pycache__", "config-*", "idlelib", "site-packages", "test", "tkinter", "turtledemo")
#: The programs that the Dockerfile runs, besides Python and pip.
PROGRAMS = {"sh": "sh", "chmod": "chmod", "install": "install"}
#: Shared libraries that wheels load, besides those of Python and of the programs.
LIBRARIES = "libpthread.so.0 libdl.so.2 librt.so.1 libm.so.6 libgcc_s.so.1 libstdc++.so.6"
#: How pip reaches the package index on this machine.
PIP_FILES = ("/etc/pip.conf", "/etc/ssl/certs")


def require_programs() -> None:
    """Skip the test without the programs for containers, or fail it in CI."""
    path = f"{os.environ['PATH']}{os.pathsep}/usr/sbin"
    missing = [name for name in ("buildah", "runc") if shutil.which(name, path=path) is None]
    if missing:
        report_missing(f"{' and '.join(missing)} missing: run `.ci/install`")


def make_base(root: Path) -> None:
    """Write a file system with a shell, this Python and pip, like that of `python:3.13-slim`."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    library = Path(sys.base_prefix) / "lib" / version
    python = Path(sys.base_prefix) / "bin" / version
    copy = root / "usr/local/lib" / version
    shutil.copytree(library, copy, ignore=shutil.ignore_patterns(*UNUSED))
    pip = importlib.util.find_spec("pip")
    assert pip
    assert pip.origin
    shutil.copytree(Path(pip.origin).parent, copy / "site-packages" / "pip")
    for folder in ("bin", "usr/local/bin", "tmp", "etc", "proc", "dev", "sys", "run"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    (root / "tmp").chmod(0o1777)
    shutil.copy(python, root / "usr/local/bin/python")
    script = root / "usr/local/bin/pip"
    script.write_text('#!/bin/sh\nexec python -m pip "$@"\n')
    script.chmod(0o755)
    programs = {name: str(shutil.which(program)) for name, program in PROGRAMS.items()}
    for name, program in programs.items():
        shutil.copy(program, root / "bin" / name)

    known = run(["/sbin/ldconfig", "-p"], root)
    libraries = {
        path
        for name in LIBRARIES.split()
        for path in re.findall(rf"^\s{re.escape(name)} .*x86-64.* => (\S+)$", known, re.MULTILINE)
        or re.findall(rf"^\s{re.escape(name)} .* => (\S+)$", known, re.MULTILINE)
    }
    needy = [*programs.values(), str(python), *map(str, (library / "lib-dynload").glob("*.so"))]
    libraries |= set(re.findall(r"(/\S+\.so\S*) \(0x", run(["ldd", *needy], root)))
    for each in libraries:
        (root / each[1:]).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(each, root / each[1:])


@dataclass
class Image:
    """An image in a separate storage."""

    folder: Path
    name: str = "my-app"

    def buildah(self, *arguments: str, cwd: Path | None = None) -> str:
        """Run buildah on the storage, in a way that also works inside another container."""
        storage = ["--root", f"{self.folder}/storage", "--runroot", f"{self.folder}/run"]
        command = [*AS_ROOT, "buildah", *storage, "--storage-driver", "vfs", *arguments]
        return run(command, cwd or self.folder)

    def build(self, project: Path) -> None:
        """Build a project's Dockerfile unchanged, on a base without a registry."""
        make_base(self.folder / "base")
        container = self.buildah("from", "scratch").strip()
        mounted = self.buildah("mount", container).strip()
        run([*AS_ROOT, "cp", "-a", f"{self.folder}/base/.", mounted], self.folder)
        self.buildah("config", "--env", "PATH=/usr/local/bin:/bin", container)
        self.buildah("commit", "--quiet", container, "base")
        self.buildah("rm", container)
        shutil.rmtree(self.folder / "base")
        # Containers in some CI systems may not create namespaces.
        build = ["build", "--isolation", "chroot", "--format", "docker", "--from", "localhost/base"]
        volumes = [f"--volume={path}:{path}:ro" for path in PIP_FILES if Path(path).exists()]
        self.buildah(*build, *volumes, "--tag", self.name, ".", cwd=project)

    def remove(self) -> None:
        """Remove the image and its storage."""
        self.buildah("rm", "--all")
        self.buildah("rmi", "--all", "--force")
        run([*AS_ROOT, "rm", "-rf", f"{self.folder}/storage", f"{self.folder}/run"], self.folder)

    @property
    def config(self) -> dict[str, Any]:
        """The image's own settings: Env, Cmd, User, WorkingDir."""
        inspected = json.loads(self.buildah("inspect", "--type", "image", self.name))
        config: dict[str, Any] = inspected["OCIv1"]["config"]
        return config

    @cached_property
    def files(self) -> Path:
        """The files of a container."""
        files = Path(self.buildah("mount", self.buildah("from", self.name).strip()).strip())
        # Only root may enter the storage, but the tests look at the files.
        folders = [each for each in files.parents if each.is_relative_to(self.folder / "storage")]
        run([*AS_ROOT, "chmod", "a+x", *map(str, folders)], self.folder)
        return files

    def command(self, name: str, arguments: list[str], variables: dict[str, str]) -> list[str]:
        """Return the command that runs a container in the foreground, as Kubernetes runs a pod.

        Its root is read-only, except for `/tmp`. It has no capabilities, and can't get any. It uses
        this machine's network.
        """
        config = self.config
        user, group = map(int, config["User"].split(":"))
        bundle = self.folder / name
        bundle.mkdir()
        run(["runc", "spec"], bundle)
        spec = json.loads((bundle / "config.json").read_text())
        given = [f"{key}={value}" for key, value in variables.items()]
        spec["process"] |= {
            "terminal": False,
            "user": {"uid": user, "gid": group},
            "args": arguments,
            "env": [*config["Env"], *given],
            "cwd": config["WorkingDir"],
            "capabilities": {},
            "noNewPrivileges": True,
        }
        spec["root"] = {"path": str(self.files), "readonly": True}
        temporary = {"destination": "/tmp", "type": "tmpfs", "source": "tmpfs"}  # noqa: S108  # in the image
        spec["mounts"].append(temporary | {"options": ["nosuid", "nodev", "mode=1777"]})
        hosts = {"destination": "/etc/hosts", "type": "bind", "source": "/etc/hosts"}
        spec["mounts"].append(hosts | {"options": ["bind", "ro"]})
        namespaces = spec["linux"]["namespaces"]
        spec["linux"]["namespaces"] = [each for each in namespaces if each["type"] != "network"]
        (bundle / "config.json").write_text(json.dumps(spec))
        return [*self.runc, "run", "--bundle", str(bundle), name]

    @property
    def runc(self) -> list[str]:
        """The beginning of all commands of runc."""
        return [*AS_ROOT, "runc", "--root", f"{self.folder}/runc"]
