"""rules.py ROOT: what breaks the rules of deploy/ in ROOT, one line each; exit 1 if there is anything."""

import sys

import image
import kubernetes
import machine
from tree import Tree


def problems(root):
    tree = Tree(root)
    kubernetes.check(tree)
    machine.check_compose(tree)
    machine.check_units(tree)
    image.check(tree)
    image.check_guide(tree)
    return tree.problems


if __name__ == "__main__":
    found = problems(sys.argv[1])
    print("\n".join(found), end="\n" if found else "")
    sys.exit(1 if found else 0)
