"""The manifests: strictly of the published schemas, and true to the code and to each other."""

import functools
import json

import kubernetes_validate

from tree import KILL_MARGIN_S

DIRECTORY = "deploy/kubernetes"
KUBERNETES = "1.35"
NAMESPACE = "shootx"
# Of these there is one in all, or they are held to another schema (schemas.mjs).
CLUSTER_WIDE = {"Namespace"}
PROBES = ("startupProbe", "livenessProbe", "readinessProbe")


def check(tree):
    objects = []
    for path in sorted((tree.root / DIRECTORY).glob("*.yaml")):
        name = f"{DIRECTORY}/{path.name}"
        for document in tree.documents(name):
            is_named = tree.expect({"apiVersion", "kind", "metadata"} <= set(document), f"{name}: an object without a kind")
            objects += [(f"{name}: {document['kind']}", document)] if is_named else []
    for where, document in objects:
        check_schema(tree, where, document)
        if document["kind"] not in CLUSTER_WIDE:
            namespace = document["metadata"].get("namespace")
            tree.expect(namespace == NAMESPACE, f"{where}: its namespace is {namespace}")
    cluster = Cluster(tree, objects)
    for process, kind in (("migrate", "Job"), ("api", "Deployment"), ("worker", "Deployment")):
        check_pods(tree, cluster, process, kind)
    check_references(tree, cluster)
    check_connections(tree, cluster)


def check_schema(tree, where, document):
    if document.get("apiVersion", "").startswith("keda.sh/"):
        return
    breach = breach_of(json.dumps(document))
    tree.expect(breach is None, f"{where}: {breach}")


@functools.cache
def breach_of(document):
    """What in an object, given as JSON, its schema does not allow."""
    try:
        kubernetes_validate.validate(json.loads(document), KUBERNETES, strict=True)
    except kubernetes_validate.ValidationError as error:
        return f"{'.'.join(map(str, error.path))}: {error.message}"
    except kubernetes_validate.SchemaNotFoundError as error:
        return error.message
    return None


class Cluster:
    """The objects by kind and name."""

    def __init__(self, tree, objects):
        self.tree = tree
        self.objects = {(document["kind"], document["metadata"]["name"]): document for _, document in objects}

    def get(self, kind, name):
        found = self.objects.get((kind, name))
        self.tree.expect(found is not None, f"{DIRECTORY}: there is no {kind} {name}")
        return found or {}

    def of(self, kind):
        return [document for (of, _), document in self.objects.items() if of == kind]

    def environment(self, container):
        """The names and plain values that a container is given; of secrets the names alone."""
        given = []
        for source in container.get("envFrom", []):
            if "configMapRef" in source:
                given += self.get("ConfigMap", source["configMapRef"]["name"]).get("data", {}).items()
            if "secretRef" in source:
                secret = self.get("Secret", source["secretRef"]["name"])
                given += [(name, None) for name in secret.get("stringData", {})]
        return given + [(one["name"], one.get("value")) for one in container.get("env", [])]


def check_pods(tree, cluster, process, kind):
    name = f"shootx-{process}"
    where = f"{DIRECTORY}: {kind} {name}"
    spec = cluster.get(kind, name).get("spec", {})
    pod = spec.get("template", {}).get("spec", {})
    security = pod.get("securityContext", {})
    tree.expect(security.get("runAsNonRoot") and security.get("runAsUser", 0) > 0, f"{where}: it may run as root")
    tree.expect(security.get("seccompProfile"), f"{where}: no seccompProfile")
    tree.expect(pod.get("automountServiceAccountToken") is False, f"{where}: it is given a token of the cluster")
    for container in pod.get("containers", []):
        check_container(tree, where, container)
        given = cluster.environment(container)
        tree.check_settings(where, process, [setting for setting, _ in given])
        if process != "migrate":
            check_service(tree, where, process, pod, container, dict(given))


def check_container(tree, where, container):
    security = container.get("securityContext", {})
    tree.expect(security.get("allowPrivilegeEscalation") is False, f"{where}: it may gain privileges")
    tree.expect(security.get("readOnlyRootFilesystem"), f"{where}: its files can be written")
    tree.expect(security.get("capabilities", {}).get("drop") == ["ALL"], f"{where}: it keeps capabilities")
    for bound in ("requests", "limits"):
        found = set(container.get("resources", {}).get(bound, {}))
        tree.expect({"cpu", "memory"} <= found, f"{where}: no {bound} of cpu and memory")
    image = container["image"].rsplit(":", 1)
    tree.expect(image[-1] == tree.version, f"{where}: its image is not that of version {tree.version}")


def check_service(tree, where, process, pod, container, env):
    ports = {port["name"]: port["containerPort"] for port in container.get("ports", [])}
    metrics = tree.ports[f"{process} metrics"]
    tree.check_bind(where, env, "METRICS_BIND", metrics)
    tree.expect(ports.get("metrics") == metrics, f"{where}: its metrics are on port {metrics}")
    if process == "api":
        tree.check_bind(where, env, "API_BIND", tree.ports["http"])
        tree.expect(ports.get("http") == tree.ports["http"], f"{where}: it listens on port {tree.ports['http']}")
    for probe in PROBES:
        ready = tree.ready if probe == "readinessProbe" else tree.live
        wanted = ("http", ready) if process == "api" else ("metrics", tree.worker_live)
        asked = container.get(probe, {}).get("httpGet", {})
        found = (asked.get("port"), asked.get("path"))
        tree.expect(found == wanted, f"{where}: its {probe} asks {found}, not {wanted}")
    pause = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
    wanted = pause + tree.grace_s + KILL_MARGIN_S
    grace = pod.get("terminationGracePeriodSeconds", 30)
    tree.expect(grace >= wanted, f"{where}: terminationGracePeriodSeconds is {grace}, less than {wanted}")


def check_references(tree, cluster):
    labels = {
        document["metadata"]["name"]: document["spec"]["template"]["metadata"]["labels"]
        for document in cluster.of("Deployment") + cluster.of("Job")
    }

    def selected(selector):
        return [name for name, of in labels.items() if (selector or {}).items() <= of.items()]

    budgets = [selected(budget["spec"]["selector"]["matchLabels"]) for budget in cluster.of("PodDisruptionBudget")]
    for deployment in cluster.of("Deployment"):
        name = deployment["metadata"]["name"]
        tree.expect([name] in budgets, f"{DIRECTORY}: no PodDisruptionBudget of {name} alone")
        tree.expect(selected(deployment["spec"]["selector"]["matchLabels"]) == [name], f"{DIRECTORY}: {name} selects others")
    for service in cluster.of("Service"):
        tree.expect(selected(service["spec"]["selector"]), f"{DIRECTORY}: Service {service['metadata']['name']} selects nothing")
    for policy in cluster.of("NetworkPolicy"):
        chosen = selected(policy["spec"]["podSelector"].get("matchLabels"))
        tree.expect(chosen, f"{DIRECTORY}: NetworkPolicy {policy['metadata']['name']} selects nothing")
    for kind in ("HorizontalPodAutoscaler", "ScaledObject"):
        for scaler in cluster.of(kind):
            cluster.get("Deployment", scaler["spec"]["scaleTargetRef"]["name"])
    for scaler in cluster.of("ScaledObject"):
        for trigger in scaler["spec"]["triggers"]:
            cluster.get("TriggerAuthentication", trigger["authenticationRef"]["name"])
    for trigger in cluster.of("TriggerAuthentication"):
        for reference in trigger["spec"]["secretTargetRef"]:
            keys = cluster.get("Secret", reference["name"]).get("stringData", {})
            tree.expect(reference["key"] in keys, f"{DIRECTORY}: Secret {reference['name']} has no {reference['key']}")
    for secret in cluster.of("Secret"):
        filled = [key for key, value in secret.get("stringData", {}).items() if value] + list(secret.get("data", {}))
        tree.expect(not filled, f"{DIRECTORY}: Secret {secret['metadata']['name']} has values: {', '.join(filled)}")


def check_connections(tree, cluster):
    """All replicas at once, and those of a rollout, stay within what the database admits; 2: migration and scaler."""
    needed = 2
    maxima = {scaler["spec"]["scaleTargetRef"]["name"]: scaler["spec"]["maxReplicas"] for scaler in cluster.of("HorizontalPodAutoscaler")}
    maxima |= {scaler["spec"]["scaleTargetRef"]["name"]: scaler["spec"]["maxReplicaCount"] for scaler in cluster.of("ScaledObject")}
    for deployment in cluster.of("Deployment"):
        name = deployment["metadata"]["name"]
        surge = deployment["spec"]["strategy"]["rollingUpdate"]["maxSurge"]
        env = dict(cluster.environment(deployment["spec"]["template"]["spec"]["containers"][0]))
        pool = int(env.get("DATABASE_POOL_MAX") or tree.template["DATABASE_POOL_MAX"][1])
        tree.expect(name in maxima, f"{DIRECTORY}: nothing scales {name}")
        needed += (maxima.get(name, 1) + surge) * pool
    said = cluster.get("ConfigMap", "shootx").get("metadata", {}).get("annotations", {}).get("shootx/database-connections-max", 0)
    tree.expect(needed <= int(said), f"{DIRECTORY}: up to {needed} connections to the database, more than {said}")
