"""Command line of `hack/images/build`."""

import argparse
import sys

import images
from buildcache.failures import BuildError
from images.catalogue import CATALOGUE


def main() -> int:
    """Build the named images and print their references and archives."""
    parser = argparse.ArgumentParser(
        prog="hack/images/build",
        description="Build container images into the cache; print reference, versions and archive.",
    )
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--list", action="store_true", help="list the known images")
    parser.add_argument(
        "--refresh", action="store_true", help="fetch Debian packages anew, in today's versions"
    )
    options = parser.parse_args()
    if options.list:
        for recipe in CATALOGUE.values():
            print(f"{recipe.name:24} {recipe.content.value}")
        return 0
    if not options.names:
        parser.error("name at least one image, or --list")
    try:
        built = images.ensure(options.names, refresh=options.refresh)
    except BuildError as error:
        print(f"hack/images/build: {error}", file=sys.stderr)
        return 1
    for image in built.values():
        versions = ",".join(f"{name}={version}" for name, version in image.versions.items())
        print(image.reference, versions or "-", image.archive, sep="\t")
    return 0


if __name__ == "__main__":
    sys.exit(main())
