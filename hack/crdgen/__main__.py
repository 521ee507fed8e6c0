"""``python -m crdgen DIRECTORY`` writes one file per kind; the same types give the same bytes."""

import argparse
import sys
from pathlib import Path
from typing import Final

import yaml

from crdgen.definitions import definition_of, resources
from crdgen.schema import NotStructural

HEADER: Final = (
    "# Written by hack/update-crds.sh from operator/autoglm_api; edit the types instead.\n"
)


class _Plain(yaml.SafeDumper):
    """Writes equal parts out in full: anchors read badly, and not every tool follows them."""

    def ignore_aliases(self, data: object) -> bool:
        """No part is ever an alias."""
        del data
        return True


def write(directory: Path) -> list[Path]:
    """Write all definitions, and return the files."""
    directory.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    for resource in resources():
        kind = resource.definition.kind
        path = directory / f"{kind.group}_{kind.plural}.yaml"
        path.write_text(
            HEADER
            + yaml.dump(definition_of(resource), Dumper=_Plain, width=100, allow_unicode=True)
        )
        written.append(path)
    return written


def main() -> int:
    """Write into the directory that the command line names."""
    parser = argparse.ArgumentParser(
        prog="crdgen", description="Write the CustomResourceDefinitions."
    )
    parser.add_argument("directory", type=Path)
    try:
        write(parser.parse_args().directory)
    except NotStructural as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
