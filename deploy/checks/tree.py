"""What is checked, and the constants of the code that it must agree with."""

import re
from pathlib import Path

import yaml

# What a supervisor must wait beyond the services' own grace: for closing connections, on a machine that is busy.
KILL_MARGIN_S = 10


class Loader(yaml.SafeLoader):
    """YAML in which a key that stands twice is a fault."""


def _mapping(loader, node, deep=False):
    keys = [key.value for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
    twice = {key for key in keys if keys.count(key) > 1}
    if twice:
        raise yaml.constructor.ConstructorError(None, None, f"twice: {', '.join(sorted(twice))}", node.start_mark)
    loader.flatten_mapping(node)
    return yaml.SafeLoader.construct_mapping(loader, node, deep)


Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


class Tree:
    """A checkout, or a copy of its parts that matter here; problems are collected."""

    def __init__(self, root):
        self.root = Path(root)
        self.problems = []
        self.grace_s = max(
            self.number("api/src/stopping.rs", r"STOP_GRACE: Duration = Duration::from_secs\((\d+)\)"),
            self.number("worker/src/queue.rs", r"grace: Duration::from_secs\((\d+)\)"),
        )
        rules = "shared/src/config/rules.rs"
        self.ports = {
            "http": self.number(rules, r'API_BIND: &str = "[^"]*:(\d+)"'),
            "api metrics": self.number(rules, r'METRICS_BIND_API: &str = "[^"]*:(\d+)"'),
            "worker metrics": self.number(rules, r'METRICS_BIND_WORKER: &str = "[^"]*:(\d+)"'),
        }
        health = self.text("api/src/endpoints/health.rs")
        self.live, self.ready = (self.literal(health, path) for path in ("/livez", "/readyz"))
        self.worker_live = self.literal(self.text("worker/src/main.rs"), "/health")
        self.version = self.found("Cargo.toml", r'(?m)^version = "([^"]+)"')
        self.template = self._template()

    def text(self, path):
        return (self.root / path).read_text()

    def found(self, path, pattern):
        match = re.search(pattern, self.text(path))
        if match is None:
            raise SystemExit(f"{path} no longer has {pattern}: change deploy/checks/tree.py with it")
        return match.group(1)

    def number(self, path, pattern):
        return int(self.found(path, pattern))

    def literal(self, text, path):
        """`path`, as the code itself writes it."""
        self.expect(f'"{path}"' in text, f"the code no longer answers {path}")
        return path

    def documents(self, path):
        try:
            return [document for document in yaml.load_all(self.text(path), Loader) if document is not None]
        except yaml.YAMLError as error:
            self.problems.append(f"{path}: {' '.join(str(error).split())}")
            return []

    def expect(self, holds, problem):
        if not holds:
            self.problems.append(problem)
        return holds

    def _template(self):
        """Each setting with whether it must be set: what is commented out has a default, or may be absent."""
        lines = re.findall(r"(?m)^(#?)([A-Z][A-Z0-9_]*)=(.*)$", self.text("deploy/env.template"))
        return {name: (mark == "", value) for mark, name, value in lines}

    def required_by(self, process):
        """Settings without which `process` (api, worker or migrate) does not start."""
        if process == "migrate":
            return {"MIGRATION_DATABASE_URL"}
        required = {name for name, (is_required, _) in self.template.items() if is_required}
        return required - ({"RUNPOD_API_KEY"} if process == "api" else set())

    def secrets(self):
        """Settings that are kept from files which others may read."""
        return {name for name in self.template if re.search(r"SECRET|KEY$|DATABASE_URL$", name)}

    def check_settings(self, where, process, names):
        """`names` are settings that exist, given once, and all that `process` needs is among them."""
        plain = [name.removesuffix("_FILE") if name not in self.template else name for name in names]
        for name in sorted(set(plain) - set(self.template)):
            self.problems.append(f"{where}: {name} is no setting (deploy/env.template)")
        for name in sorted({name for name in plain if plain.count(name) > 1}):
            self.problems.append(f"{where}: {name} is set twice")
        for name in sorted(self.required_by(process) - set(plain)):
            self.problems.append(f"{where}: {name} is not set")

    def check_bind(self, where, env, name, port):
        """The settings listen where the manifests and the code's defaults say."""
        value = str(env.get(name, ""))
        self.expect(value.endswith(f":{port}"), f"{where}: {name} is {value or 'not set'}, the code's port is {port}")


def seconds(text):
    """`40s`, `15min`, `1m30s` as seconds."""
    units = {"s": 1, "m": 60, "min": 60, "h": 3600}
    parts = re.findall(r"(\d+)(min|[smh])", str(text))
    return sum(int(count) * units[unit] for count, unit in parts)
