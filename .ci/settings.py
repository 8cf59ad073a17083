"""Whether each container of deploy/ gets the settings that its role needs, reaches the others by names that are there, and
is scraped where it answers. The program says of each whole environment what it makes of it; what it cannot know, as a
default would stand in, is looked at here. `docker-compose` without a daemon reads the compose files, and refuses keys that
there are not.

    python3 .ci/settings.py PROGRAM
"""

import collections
import importlib.util
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.parse

import yaml
from dockerfile_parse import DockerfileParser

DEPLOY = pathlib.Path("deploy").resolve()
# What stands for a secret: long enough, and what `openssl rand -hex 32` makes.
SECRET = "0123456789abcdef" * 4
DATABASE = "postgres://user:password@database/warp2api"
# What a role needs to be of use in a container, beyond what the program insists on: it would be alone with its default.
NEEDS = {"gateway": {"W2A_WARP_CHAT"}, "warp-chat": {"W2A_TOKEN_POOL"}}
SHARED_POOL = {"W2A_DATABASE_URL", "W2A_STORE_KEY"}

Container = collections.namedtuple("Container", "name role environment replicas")


def compose_tool():
    """Docker Compose, of the machine or of the requirements here; None where there is none, which CI does not take."""
    for command in (["docker", "compose"], ["docker-compose"]):
        if shutil.which(command[0]) and subprocess.run([*command, "version"], capture_output=True).returncode == 0:
            return command
    # Not the package's own script: that hides the exit code.
    package = importlib.util.find_spec("compose")
    if package and package.origin:
        return [str(pathlib.Path(package.origin).parent / "docker-compose")]
    assert not os.environ.get("CI"), "CI needs a Docker Compose"
    print("no Docker Compose here: the compose files are not resolved", file=sys.stderr)


def in_compose(path, tool):
    """The containers of ours in a compose file, and where services can be reached."""
    asked = re.findall(r"\$\{(\w+):\?", path.read_text())
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent"} | dict.fromkeys(asked, SECRET)
    command = [*tool, "-f", str(path), "config", "--format", "json"]
    answer = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert answer.returncode == 0, f"{path.name}: {answer.stderr}"
    assert not answer.stderr, f"{path.name}: {answer.stderr}"
    services = json.loads(answer.stdout)["services"]
    ours = {name: service for name, service in services.items() if service["image"] == "warp2api"}
    found = [
        Container(name, one["command"][0], one["environment"], one.get("deploy", {}).get("replicas", 1))
        for name, one in ours.items()
    ]
    prometheus = yaml.safe_load((DEPLOY / "prometheus/prometheus.yaml").read_text())
    scraped = {(name, sd["port"]) for job in prometheus["scrape_configs"] for sd in job["dns_sd_configs"] for name in sd["names"]}
    for one in found:
        place = (one.name, port_of(one.environment.get("W2A_METRICS_ADDR")))
        assert place in scraped, f"{path.name}: nobody scrapes {place}"
    gives = [(one.name, port_of(one.environment.get("W2A_GRPC_ADDR"))) for one in found]
    return found, {f"{name}:{port}" for name, port in gives if port}


def in_kubernetes(path):
    documents = list(yaml.safe_load_all(path.read_text()))
    named = lambda kind: {d["metadata"]["name"]: d for d in documents if d["kind"] == kind}
    found, ports = [], {}
    for deployment in named("Deployment").values():
        template = deployment["spec"]["template"]
        for container in template["spec"]["containers"]:
            environment = {}
            for source in container.get("envFrom", []):
                environment |= named("ConfigMap")[source["configMapRef"]["name"]]["data"]
            for variable in container["env"]:
                secret = DATABASE if variable["name"] == "W2A_DATABASE_URL" else SECRET
                environment[variable["name"]] = variable.get("value", secret)
            one = Container(deployment["metadata"]["name"], container["args"][0], environment, deployment["spec"]["replicas"])
            found.append(one)
            opened = {port["name"]: port["containerPort"] for port in container["ports"]}
            ports[template["metadata"]["labels"]["part"]] = opened
            told = template["metadata"]["annotations"]["prometheus.io/port"]
            metrics = port_of(environment.get("W2A_METRICS_ADDR"))
            assert opened["metrics"] == metrics == int(told), f"{one.name}: scraped at {told}, and answers at {metrics}"
            grpc = opened.get("grpc")
            assert grpc is None or grpc == port_of(environment["W2A_GRPC_ADDR"]), f"{one.name}: gRPC is elsewhere"
    for name, policy in named("NetworkPolicy").items():
        part = policy["spec"]["podSelector"]["matchLabels"]["part"]
        let_in = {port["port"] for rule in policy["spec"]["ingress"] for port in rule["ports"]}
        assert let_in == set(ports[part]), f"the policy {name} lets in to {let_in}"
    places = set()
    for name, service in named("Service").items():
        for port in service["spec"]["ports"]:
            # A service without an address of its own shows the pods' ports, whatever it calls its own.
            target = ports[service["spec"]["selector"]["part"]][port["targetPort"]]
            places.add(f"{name}:{target if service['spec'].get('clusterIP') == 'None' else port['port']}")
    return found, places


def port_of(address):
    return int(address.rsplit(":", 1)[1]) if address else None


def look(where, containers, places, program):
    image = DockerfileParser(str(DEPLOY / "Dockerfile")).envs
    for one in containers:
        said = f"{where}: {one.name}"
        wanted = NEEDS.get(one.role, set()) | (SHARED_POOL if one.role == "token-pool" and one.replicas > 1 else set())
        missing = {name for name in wanted | {"W2A_METRICS_ADDR"} if not one.environment.get(name)}
        assert not missing, f"{said} has to have {sorted(missing)}"
        for name in NEEDS.get(one.role, ()):
            place = urllib.parse.urlsplit(one.environment[name]).netloc
            assert place in places, f"{said}: {name} is {place}, and there are {sorted(places)}"
        role = "all" if one.role == "serve" else one.role
        command = [program, "config", "--check", "--role", role]
        with tempfile.TemporaryDirectory() as folder:
            environment = {name: value for name, value in (image | one.environment).items() if value is not None}
            answer = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
        # A name that is no setting is told, and no mistake.
        assert answer.returncode == 0 and not answer.stderr, f"{said}: {answer.stderr}"


def main(program):
    looked = 0
    tool = compose_tool()
    for path in sorted(DEPLOY.glob("compose*.yaml")) if tool else []:
        containers, places = in_compose(path, tool)
        look(path.name, containers, places, program)
        looked += len(containers)
    containers, places = in_kubernetes(DEPLOY / "kubernetes/warp2api.yaml")
    look("kubernetes", containers, places, program)
    print(f"{looked + len(containers)} containers have the settings that they need", file=sys.stderr)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]).resolve())
