"""Command line of `hack/programs/build`."""

import argparse
import sys

import programs
from buildcache.failures import BuildError
from programs.catalogue import CATALOGUE


def main() -> int:
    """Build the named programs and print where each lies."""
    parser = argparse.ArgumentParser(
        prog="hack/programs/build",
        description="Build Go programs of the test cluster into the cache and print their paths.",
    )
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--list", action="store_true", help="list the known programs")
    options = parser.parse_args()
    if options.list:
        for program in CATALOGUE.values():
            print(
                f"{program.name:26} {program.package if program.package != '.' else 'own source'}"
            )
        return 0
    if not options.names:
        parser.error("name at least one program, or --list")
    try:
        built = programs.ensure(options.names)
    except BuildError as error:
        print(f"hack/programs/build: {error}", file=sys.stderr)
        return 1
    for path in built.values():
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
