#!/usr/bin/env python3
"""Checks what can be checked of these modules without any provider.

`terraform validate` needs the google provider's plugin; this needs python-hcl2
only. In each folder of .tf files: every var, local and module output that is
referred to is declared, and the other way round; every module call passes
declared variables, and all that have no default; every variable has a type and
a description, every output a description.
"""

import re
import sys
from pathlib import Path

import hcl2

ROOT = Path(__file__).resolve().parent


def name(key):
    return key.strip('"')


class Module:
    """The declarations and references of one folder."""

    def __init__(self, folder):
        self.folder = folder
        self.variables, self.outputs, self.locals, self.calls = {}, {}, set(), {}
        self.text = ""
        for path in sorted(folder.glob("*.tf")):
            text = path.read_text()
            self.text += re.sub(r"(?m)^\s*#.*$", "", text)
            self.take(hcl2.loads(text))

    def take(self, document):
        for kind, into in (("variable", self.variables), ("output", self.outputs), ("module", self.calls)):
            for block in document.get(kind, []):
                into.update({name(key): body for key, body in block.items()})
        for block in document.get("locals", []):
            self.locals.update(name(key) for key in block if not key.startswith("__"))

    def references(self, kind):
        return set(re.findall(rf"(?<![\w.]){kind}\.(\w+)", self.text))

    def module_outputs(self):
        return set(re.findall(r"(?<![\w.])module\.(\w+)(?:\[(?:\d+|\*|each\.key)\])?\.(\w+)", self.text))


def faults(module, modules):
    for variable in module.references("var") ^ set(module.variables):
        yield f"var.{variable} is not both declared and used"
    for local in module.references("local") ^ module.locals:
        yield f"local.{local} is not both declared and used"
    for kind, required in ((module.variables, {"type", "description"}), (module.outputs, {"description"})):
        for key, body in kind.items():
            if missing := required - {name(field) for field in body}:
                yield f"{key} has no {', '.join(sorted(missing))}"
    called = {}
    for key, body in module.calls.items():
        called[key] = modules[(module.folder / name(body["source"])).resolve()]
        passed = {name(field) for field in body if not field.startswith("__")}
        passed -= {"source", "count", "for_each", "depends_on", "providers"}
        variables = called[key].variables
        for field in passed - set(variables):
            yield f"module.{key} is passed {field}, which it does not declare"
        for field in {field for field, body in variables.items() if "default" not in body} - passed:
            yield f"module.{key} is not passed {field}"
    for key, output in module.module_outputs():
        if key not in called or output not in called[key].outputs:
            yield f"module.{key}.{output} is not declared"


def main():
    folders = {path.parent for path in ROOT.rglob("*.tf") if ".terraform" not in path.parts}
    modules = {folder: Module(folder) for folder in sorted(folders)}
    found = [
        f"{folder.relative_to(ROOT)}: {fault}"
        for folder, module in modules.items()
        for fault in sorted(faults(module, modules))
    ]
    print("\n".join(found) or f"{len(modules)} folders: every reference is declared, every declaration used")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
