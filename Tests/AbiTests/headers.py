"""Reads the declarations of include/pellucid: functions with types and Since tags, structs, callbacks, enumerators."""

import re
import subprocess
import tempfile
from pathlib import Path
from typing import Dict, List, NamedTuple, Tuple

ROOT = Path(__file__).resolve().parents[2]
INCLUDE = ROOT / "include"
#: The headers that pellucid.h includes, and the one for plugins.
LIBRARY = ["status.h", "tensor.h", "runtime.h", "model.h", "explain.h", "evaluate.h", "image.h"]
PLUGIN = ["backend.h"]


class Function(NamedTuple):
    """An exported function: C types without parameter names."""

    name: str
    result: str
    arguments: List[str]
    since: str
    comment: str


class Declarations(NamedTuple):
    """What a set of headers declares."""

    functions: Dict[str, Function]
    structs: Dict[str, List[Tuple[str, str]]]  #: name → (field, type); "callback" for function pointers
    callbacks: Dict[str, Tuple[str, List[str]]]
    enumerators: Dict[str, int]


def parse(headers=LIBRARY) -> Declarations:
    """Parses headers of include/pellucid."""
    text = "\n".join((INCLUDE / "pellucid" / header).read_text() for header in headers)
    since, comments = _since(text), _comments(text)
    code = re.sub(r"/\*.*?\*/", " ", text, flags=re.S)
    code = re.sub(r"^\s*#.*?(?<!\\)$", "", code, flags=re.M)
    return Declarations(_functions(code, since, comments), _structs(code), _callbacks(code), _enumerators(code))


def _since(text: str) -> Dict[str, str]:
    """Version in the comment right before each declaration."""
    pattern = r"Since (\d+\.\d+)\s*\*/\s*PELLUCID_API\s[^;(]*?(pellucid_\w+)\s*\("
    return {name: version for version, name in re.findall(pattern, text)}


def _comments(text: str) -> Dict[str, str]:
    """The comment right before each declaration, on one line."""
    pattern = r"/\*((?:(?!\*/).)*)\*/\s*PELLUCID_API\s[^;(]*?(pellucid_\w+)\s*\("
    return {name: " ".join(re.sub(r"^ \*", " ", text, flags=re.M).split()) for text, name in re.findall(pattern, text, re.S)}


def _functions(code: str, since: Dict[str, str], comments: Dict[str, str]) -> Dict[str, Function]:
    found = {}
    for result, name, arguments in re.findall(r"PELLUCID_API\s+([^;()]*?)(pellucid_\w+)\s*\(([^;]*?)\)\s*;", code):
        found[name] = Function(name, _type(result), _arguments(arguments), since.get(name, ""), comments.get(name, ""))
    return found


def _structs(code: str) -> Dict[str, List[Tuple[str, str]]]:
    found = {}
    for body, name in re.findall(r"typedef\s+struct\s+\w+\s*\{(.*?)\}\s*(\w+)\s*;", code, flags=re.S):
        fields = []
        for member in filter(None, map(str.strip, re.split(r";", body))):
            pointer = re.search(r"\(\s*\*\s*(\w+)\s*\)\s*\(", member)
            fields.append((pointer.group(1), "callback") if pointer else _named(member))
        found[name] = fields
    return found


def _callbacks(code: str) -> Dict[str, Tuple[str, List[str]]]:
    pattern = r"typedef\s+([^;(){}]*?)\(\s*\*\s*(pellucid_\w+_fn)\s*\)\s*\(([^;]*?)\)\s*;"
    return {name: (_type(result), _arguments(arguments)) for result, name, arguments in re.findall(pattern, code)}


def _enumerators(code: str) -> Dict[str, int]:
    found = {}
    for body in re.findall(r"\benum\s*\{(.*?)\}", code, flags=re.S):
        found.update({name: int(value) for name, value in re.findall(r"(\w+)\s*=\s*(-?\d+)", body)})
    return found


def _arguments(text: str) -> List[str]:
    arguments = [part.strip() for part in text.split(",")]
    return [] if arguments == ["void"] else [_named(argument)[1] for argument in arguments]


def _named(declaration: str) -> Tuple[str, str]:
    """Splits "const char *name" into ("name", "const char *")."""
    match = re.fullmatch(r"(.*?)(\w+)", declaration.strip(), flags=re.S)
    return match.group(2), _type(match.group(1))


def _type(text: str) -> str:
    return re.sub(r"\s*\*\s*", " *", " ".join(text.split())).replace("* *", "**").strip()


def layout(structs: Dict[str, List[Tuple[str, str]]], compiler: str = "cc") -> List[str]:
    """Lines "struct size" and "struct.field offset size", measured by a C program."""
    lines = ["#include <stdio.h>", "#include <pellucid/pellucid.h>", "#include <pellucid/backend.h>", "int main(void) {"]
    for name, fields in structs.items():
        lines.append(f'    printf("{name} %zu\\n", sizeof({name}));')
        for field, _ in fields:
            numbers = f"offsetof({name}, {field}), sizeof((({name} *)0)->{field})"
            lines.append(f'    printf("{name}.{field} %zu %zu\\n", {numbers});')
    lines += ["    return 0;", "}", ""]
    with tempfile.TemporaryDirectory() as folder:
        source, program = Path(folder, "layout.c"), Path(folder, "layout")
        source.write_text("\n".join(lines))
        subprocess.run([compiler, f"-I{INCLUDE}", "-o", str(program), str(source)], check=True)
        return subprocess.run([str(program)], check=True, capture_output=True, text=True).stdout.splitlines()
