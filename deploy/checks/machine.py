"""One machine: the compose file, what it mounts, and the units of systemd."""

import configparser
import re

from tree import KILL_MARGIN_S, seconds

COMPOSE = "deploy/compose.yaml"
OURS = ("migrate", "api", "worker")
UNITS = {"shootx-migrate.service": "migrate", "shootx-api.service": "api", "shootx-worker@.service": "worker"}


def check_compose(tree):
    compose = (tree.documents(COMPOSE) or [{}])[0]
    services = compose.get("services", {})
    for name in OURS:
        if tree.expect(name in services, f"{COMPOSE}: no service {name}"):
            check_ours(tree, compose, name, services[name])
    for name, service in services.items():
        check_bounds(tree, compose, name, service)
    proxies = services.get("api", {}).get("environment", {}).get("TRUSTED_PROXIES")
    subnets = [part["subnet"] for network in compose.get("networks", {}).values() for part in network["ipam"]["config"]]
    tree.expect(proxies in subnets, f"{COMPOSE}: TRUSTED_PROXIES is {proxies}, the network is {subnets}")
    check_scrapes(tree, services)


def check_ours(tree, compose, name, service):
    where = f"{COMPOSE}: {name}"
    user = str(service.get("user", "0"))
    tree.expect(re.fullmatch(r"[1-9]\d*:[1-9]\d*", user), f"{where}: its user is {user}, not a number other than root's")
    wanted = tree.grace_s + KILL_MARGIN_S
    grace = seconds(service.get("stop_grace_period", "10s"))
    tree.expect(grace >= wanted, f"{where}: stop_grace_period is {grace} s, less than {wanted}")
    env = service.get("environment", {})
    # What is no secret comes from a file that README.md has made of the template, without its secrets.
    filed = tree.required_by("worker") - tree.secrets()
    tree.check_settings(where, name, [*env, *(filed if "env_file" in service else [])])
    for setting, value in env.items():
        if setting.endswith("_FILE"):
            mounted = str(value).removeprefix("/run/secrets/")
            tree.expect(mounted in service.get("secrets", []), f"{where}: {setting} names a secret it is not given")
    if name == "api":
        tree.check_bind(where, env, "API_BIND", tree.ports["http"])
    if name != "migrate":
        tree.check_bind(where, env, "METRICS_BIND", tree.ports[f"{name} metrics"])
        asked = service.get("healthcheck", {}).get("test", [])
        tree.expect(asked == ["CMD", f"/usr/local/bin/shootx-{name}", "healthcheck"], f"{where}: its healthcheck is {asked}")


def check_bounds(tree, compose, name, service):
    where = f"{COMPOSE}: {name}"
    tree.expect(service.get("read_only"), f"{where}: its files can be written")
    tree.expect(service.get("cap_drop") == ["ALL"], f"{where}: it keeps capabilities")
    tree.expect("no-new-privileges:true" in service.get("security_opt", []), f"{where}: it may gain privileges")
    tree.expect("healthcheck" in service, f"{where}: no healthcheck")
    for bound in ("mem_limit", "cpus", "pids_limit"):
        tree.expect(bound in service, f"{where}: no {bound}")
    for secret in service.get("secrets", []):
        tree.expect(secret in compose.get("secrets", {}), f"{where}: there is no secret {secret}")
    for other in service.get("depends_on", {}):
        tree.expect(other in compose["services"], f"{where}: it depends on {other}, which is not there")
    for volume in service.get("volumes", []):
        source = volume.split(":")[0]
        there = (tree.root / "deploy" / source).exists() if source.startswith(".") else source in compose.get("volumes", {})
        tree.expect(there, f"{where}: {source} is not there")


def check_scrapes(tree, services):
    where = "deploy/prometheus/prometheus.yml"
    jobs = {job["job_name"]: job for document in tree.documents(where) for job in document.get("scrape_configs", [])}
    for name in ("api", "worker"):
        for target in jobs.get(f"shootx-{name}", {}).get("dns_sd_configs", [{}]):
            found = (target.get("names"), target.get("port"))
            wanted = ([name], tree.ports[f"{name} metrics"])
            tree.expect(found == wanted, f"{where}: shootx-{name} is looked for at {found}, not {wanted}")
            tree.expect(name in services, f"{where}: {name} is no service of {COMPOSE}")


def check_units(tree):
    for name, process in UNITS.items():
        where = f"deploy/systemd/{name}"
        unit = configparser.ConfigParser(strict=False, interpolation=None, delimiters=("=",))
        unit.optionxform = str
        unit.read_string(tree.text(where))
        service = unit["Service"]
        if process == "migrate":
            continue
        wanted = tree.grace_s + KILL_MARGIN_S
        stop = seconds(service.get("TimeoutStopSec", "0s"))
        tree.expect(stop >= wanted, f"{where}: TimeoutStopSec is {stop} s, less than {wanted}")
        tree.expect(service.get("Restart") == "always", f"{where}: it is not restarted")
        if process == "api":
            files = int(service.get("LimitNOFILE", "1024"))
            needed = int(tree.template["CONNECTIONS_MAX"][1]) + 200
            tree.expect(files >= needed, f"{where}: LimitNOFILE is {files}, less than {needed}")
        else:
            port = str(tree.ports["worker metrics"])[:-1]
            bind = service.get("Environment", "")
            tree.expect(bind.endswith(f":{port}%i"), f"{where}: instances listen on {bind}, not on port {port}%i")
