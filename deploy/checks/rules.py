"""rules.py ROOT...: what breaks the rules of deploy/ in each ROOT, one line each; exit 1 if there is anything."""

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
    found = {root: problems(root) for root in sys.argv[1:]}
    for root, of_it in found.items():
        for problem in of_it:
            print(f"{root}: {problem}" if len(found) > 1 else problem)
    sys.exit(1 if any(found.values()) else 0)
