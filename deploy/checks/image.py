"""The image: what it is built from, what may enter it, and what the reader of deploy/README.md must be told."""

import re

FILE = "deploy/Dockerfile"


def check(tree):
    text = re.sub(r"\\\n\s*", " ", tree.text(FILE))
    compiler = tree.found("rust-toolchain.toml", r'channel = "([^"]+)"')
    tree.expect(f"FROM rust:{compiler}-" in text, f"{FILE}: it is not built by Rust {compiler}")
    tree.expect(f"RUSTUP_TOOLCHAIN={compiler}" in text, f"{FILE}: RUSTUP_TOOLCHAIN is not {compiler}")
    for wanted in ("--locked", "--release", "SQLX_OFFLINE=true"):
        tree.expect(wanted in text, f"{FILE}: no {wanted}")
    stages = re.split(r"(?m)^FROM ", text)[1:]
    for process in ("api", "worker"):
        stage = next((stage for stage in stages if re.match(rf"\S+ AS {process}\n", stage)), "")
        metrics = tree.ports[f"{process} metrics"]
        ports = [tree.ports["http"], metrics] if process == "api" else [metrics]
        tree.expect(f"METRICS_BIND=0.0.0.0:{metrics}" in stage, f"{FILE}: {process}: METRICS_BIND is not port {metrics}")
        tree.expect(f"EXPOSE {' '.join(map(str, ports))}\n" in stage, f"{FILE}: {process}: it does not expose {ports}")
        tree.expect(f'"/usr/local/bin/shootx-{process}", "healthcheck"' in stage, f"{FILE}: {process}: no HEALTHCHECK")
    base = next((stage for stage in stages if " AS base\n" in stage), "")
    tree.expect(re.search(r"(?m)^USER [1-9]\d*:[1-9]\d*$", base), f"{FILE}: its user is not a number other than root's")
    tree.expect(f"API_BIND=0.0.0.0:{tree.ports['http']}" in base, f"{FILE}: API_BIND is not port {tree.ports['http']}")
    check_context(tree)


def check_context(tree):
    where = ".dockerignore"
    lines = [line for line in tree.text(where).splitlines() if line and not line.startswith("#")]
    tree.expect(lines[:1] == ["*"], f"{where}: it does not begin with nothing")
    admitted = {line[1:] for line in lines if line.startswith("!")}
    members = re.findall(r'"([^"]+)"', tree.found("Cargo.toml", r"(?m)^members = \[([^\]]+)\]"))
    needed = {member.split("/")[0] for member in members} | {"Cargo.toml", "Cargo.lock", ".sqlx", "migrations"}
    for path in sorted(needed - admitted):
        tree.problems.append(f"{where}: the build needs {path}")
    for path in sorted(admitted - needed):
        tree.problems.append(f"{where}: {path} is not needed by the build")
    tree.expect("**/.env*" in lines and "**/target" in lines, f"{where}: builds and settings that lie about may enter")


def check_guide(tree):
    where = "deploy/README.md"
    text = tree.text(where)
    for name, (is_required, _) in tree.template.items():
        tree.expect(not is_required or name in text, f"{where}: it does not name {name}")
    for name in sorted(set(re.findall(r"`([A-Z][A-Z0-9]*_[A-Z0-9_]+)`", text)) - set(tree.template)):
        tree.problems.append(f"{where}: {name} is no setting (deploy/env.template)")
    # The file of settings that compose.yaml reads has none of the secrets, which are files of their own.
    cut = re.search(r"sed -E '/\^\(([A-Z_|]+)\)=/d' env\.template", text)
    cut = set(cut.group(1).split("|")) if cut else set()
    secret = tree.required_by("worker") & tree.secrets()
    tree.expect(cut == secret, f"{where}: it takes {sorted(cut)} out of the template, not {sorted(secret)}")
