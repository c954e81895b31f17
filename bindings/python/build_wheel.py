#!/usr/bin/env python3
"""Builds the wheel: the package, libpellucid.so and the shared libraries that it needs from outside the system's base.

A script (`python3 build_wheel.py [FOLDER]`) and at the same time the PEP 517 backend that pip calls. Standard library
only, Python 3.11 or newer. Needs `patchelf`, and `readelf` from binutils. The library is taken from
PELLUCID_LIBRARY, else from build/ of the repository.

Bundled libraries get private names, so that a process which has loaded another version of one keeps both.
"""

import base64
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from pathlib import Path
from typing import Dict, Iterable, List

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SONAME = "libpellucid.so.0"
#: Libraries that the manylinux policy expects on every system.
SYSTEM = re.compile(r"(ld-linux.*|libc|libm|libdl|librt|libpthread|libgcc_s|libstdc\+\+|libz)\.so(\.\d+)*")
#: Backend plugins, which the library looks for beside itself.
PLUGINS = "libpellucid-backend-*.so"
#: Debian package whose code is linked into the library; its licence goes into the wheel, and Swift's with it.
LINKED_IN = ["libopenblas-dev", "libpng-dev", "libjpeg62-turbo-dev", "zlib1g-dev", "libwebp-dev"]
#: The oldest glibc (2.x) whose manylinux policy has this libstdc++ (GLIBCXX_3.4.x), as auditwheel's policies say.
GLIBC_OF_GLIBCXX = {19: 17, 24: 24, 25: 27, 26: 28, 28: 31, 29: 34, 30: 35, 32: 38, 33: 39}


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None) -> str:
    """Writes the wheel into a folder and returns its file name. PEP 517."""
    project = tomllib.loads((HERE / "pyproject.toml").read_text())["project"]
    library = Path(os.environ.get("PELLUCID_LIBRARY") or ROOT / "build" / SONAME)
    if not library.exists():
        sys.exit(f"{library} does not exist: run 'make build' first, or set PELLUCID_LIBRARY")
    with tempfile.TemporaryDirectory() as scratch:
        bundled = bundle(library, Path(scratch))
        tag = f"py3-none-{platform_tag(bundled.values())}"
        info = f"{project['name']}-{project['version']}.dist-info"
        content = package_files()
        content.update({f"pellucid/{name}": path.read_bytes() for name, path in bundled.items()})
        texts = licences(library)
        content[f"{info}/METADATA"] = metadata(project, texts).encode()
        content[f"{info}/WHEEL"] = f"Wheel-Version: 1.0\nGenerator: pellucid\nRoot-Is-Purelib: false\nTag: {tag}\n".encode()
        content.update({f"{info}/licenses/{name}": text for name, text in texts.items()})
    name = f"{project['name']}-{project['version']}-{tag}.whl"
    write_wheel(Path(wheel_directory) / name, content, f"{info}/RECORD")
    return name


def package_files() -> Dict[str, bytes]:
    """The Python files."""
    paths = sorted((HERE / "pellucid").glob("*.py")) + [HERE / "pellucid" / "py.typed"]
    return {f"pellucid/{path.name}": path.read_bytes() for path in paths}


def bundle(library: Path, folder: Path) -> Dict[str, Path]:
    """Copies of the library and of what it needs, which find each other in one folder."""
    main = folder / SONAME
    shutil.copyfile(library, main)
    subprocess.run(["strip", "--strip-unneeded", str(main)], check=True)
    found = outside_libraries(library)
    private = {name: f"libpellucid-{name.removeprefix('lib')}" for name in found}
    for name, path in found.items():
        shutil.copyfile(path, folder / private[name])
        patch(folder / private[name], private, soname=private[name])
    patch(main, private, soname=SONAME)
    for plugin in sorted(library.resolve().parent.glob(PLUGINS)):
        # What a plugin needs besides, as the driver of a device, is the system's.
        shutil.copyfile(plugin, folder / plugin.name)
        patch(folder / plugin.name, private, soname=plugin.name)
    return {path.name: path for path in sorted(folder.iterdir())}


def patch(path: Path, private: Dict[str, str], soname: str) -> None:
    """Lets a library look for its private neighbours in its own folder."""
    arguments = ["--set-rpath", "$ORIGIN", "--set-soname", soname]
    for name in needed(path):
        if name in private:
            arguments += ["--replace-needed", name, private[name]]
    path.chmod(0o755)
    subprocess.run(["patchelf", *arguments, str(path)], check=True)


def outside_libraries(library: Path) -> Dict[str, Path]:
    """Where the loader finds each library, needed directly or indirectly, that not every system has."""
    listed = subprocess.run(["ldd", str(library)], check=True, capture_output=True, text=True).stdout
    places = dict(re.findall(r"^\s*(\S+) => (/\S+)", listed, flags=re.M))
    found: Dict[str, Path] = {}
    pending = needed(library)
    while pending:
        name = pending.pop()
        if name in found or SYSTEM.fullmatch(name):
            continue
        if name not in places:
            sys.exit(f"{name} is not installed")
        found[name] = Path(places[name])
        pending += needed(found[name])
    return found


def needed(path: Path) -> List[str]:
    """Names of the shared libraries that a file asks for."""
    listed = subprocess.run(["readelf", "-dW", str(path)], check=True, capture_output=True, text=True).stdout
    return re.findall(r"\(NEEDED\).*\[(.*)\]", listed)


def platform_tag(files: Iterable[Path]) -> str:
    """The manylinux tag of the newest glibc that the files ask for, themselves or by their libstdc++."""
    newest = 17
    for path in files:
        listed = subprocess.run(["readelf", "-VW", str(path)], check=True, capture_output=True, text=True).stdout
        newest = max([newest, *map(int, re.findall(r"Name: GLIBC_2\.(\d+)", listed))])
        for version in map(int, re.findall(r"Name: GLIBCXX_3\.4\.(\d+)", listed)):
            newest = max(newest, next((glibc for known, glibc in GLIBC_OF_GLIBCXX.items() if known >= version), version))
    return f"manylinux_2_{newest}_{os.uname().machine}"


def metadata(project: dict, licence_files: Iterable[str]) -> str:
    """The METADATA file, as the core metadata specification wants it."""
    lines = ["Metadata-Version: 2.4", f"Name: {project['name']}", f"Version: {project['version']}"]
    lines += [f"Summary: {project['description']}", f"Requires-Python: {project['requires-python']}"]
    lines += [f"License-Expression: {project['license']}"] + [f"License-File: {name}" for name in licence_files]
    lines += [f"Classifier: {classifier}" for classifier in project["classifiers"]]
    lines += [f"Requires-Dist: {requirement}" for requirement in project["dependencies"]]
    for extra, requirements in project["optional-dependencies"].items():
        lines.append(f"Provides-Extra: {extra}")
        lines += [f"Requires-Dist: {requirement}; extra == '{extra}'" for requirement in requirements]
    lines += ["Description-Content-Type: text/markdown", "", (HERE / project["readme"]).read_text()]
    return "\n".join(lines)


def licences(library: Path) -> Dict[str, bytes]:
    """The project's licence, and those that Debian records for what is inside."""
    found = {"LICENSE": (ROOT / "LICENSE").read_bytes()}
    packages = LINKED_IN + [package_of(path) for path in outside_libraries(library).values()]
    for package in filter(None, packages):
        text = Path("/usr/share/doc", package, "copyright")
        if text.exists():
            found[f"{package}.txt"] = text.read_bytes()
    swift = swift_licence()
    if swift.exists():
        found["swift.txt"] = swift.read_bytes()
    return found


def swift_licence() -> Path:
    """The licence of the Swift runtime, which is linked in."""
    compiler = Path(shutil.which("swift") or "/usr/bin/swift").resolve()
    return compiler.parents[1] / "share" / "swift" / "LICENSE.txt"


def package_of(path: Path) -> str:
    """The Debian package that a file belongs to; empty when there is none."""
    if not shutil.which("dpkg-query"):
        return ""
    listed = subprocess.run(["dpkg-query", "-S", f"*/{path.resolve().name}"], capture_output=True, text=True).stdout
    return listed.split(":")[0]


def write_wheel(path: Path, content: Dict[str, bytes], record: str) -> None:
    """Writes the archive with its RECORD; equal content gives equal bytes."""
    rows = []
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in sorted(content.items()):
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            rows.append(f"{name},sha256={digest},{len(data)}")
            write_member(archive, name, data)
        write_member(archive, record, "\n".join([*rows, f"{record},,", ""]).encode())


def write_member(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    """Adds a file with a fixed date."""
    member = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
    member.compress_type = zipfile.ZIP_DEFLATED
    member.external_attr = (0o755 if ".so" in name else 0o644) << 16
    archive.writestr(member, data)


if __name__ == "__main__":
    target = Path(sys.argv[1] if len(sys.argv) > 1 else "dist")
    target.mkdir(parents=True, exist_ok=True)
    print(target / build_wheel(target))
