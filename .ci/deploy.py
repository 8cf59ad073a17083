"""Looks at deploy/ as far as that goes without a daemon or a cluster: the Dockerfile and the compose files keep to what
docs/operations.md promises, the rest is well formed. Names of settings are held by tests/it/deploy.rs, what containers get
of them by settings.py."""

import json
import os
import pathlib
import re
import subprocess
import sys

import pathspec
import yaml
from dockerfile_parse import DockerfileParser

DEPLOY = pathlib.Path("deploy")
# What is sent to the build. The tree itself is half of it.
CONTEXT_BYTES = 10_000_000
# Debian's releases, which images name one way or the other.
RELEASES = {"bullseye": 11, "bookworm": 12, "trixie": 13, "forky": 14}


def context():
    """The build gets the tree, and nothing that was made in it: no secrets of a try, no tools of CI, no other build."""
    lines = [line for line in pathlib.Path(".dockerignore").read_text().splitlines() if line and line[0] != "#"]
    # Docker reads every line from the root.
    ignored = pathspec.GitIgnoreSpec.from_lines("/" + line for line in lines)
    sizes = {}
    for folder, folders, names in os.walk("."):
        below = lambda name: os.path.relpath(os.path.join(folder, name), ".")
        folders[:] = [name for name in folders if not ignored.match_file(below(name))]
        for name in names:
            if not ignored.match_file(below(name)):
                sizes[below(name)] = os.lstat(below(name)).st_size
    git = lambda *words: subprocess.run(["git", "ls-files", "-z", *words], check=True, capture_output=True).stdout
    listed = lambda *words: set(git(*words).decode().split("\0")) - {""}
    made = listed("--others", "--ignored", "--exclude-standard") & set(sizes)
    assert not made, f"the build would get {sorted(made)[:5]}, which git leaves out"
    lost = [name for name in listed("--cached") - set(sizes) if not name.startswith(".ci/") and os.path.exists(name)]
    assert not lost, f"the build would not get {sorted(lost)[:5]}"
    assert sum(sizes.values()) < CONTEXT_BYTES, f"{sum(sizes.values())} bytes go to the build"


def dockerfile():
    parser = DockerfileParser(str(DEPLOY / "Dockerfile"))
    parser.context_dir = "."
    steps = [(step["instruction"], step["value"]) for step in parser.structure]
    last = max(index for index, (name, _) in enumerate(steps) if name == "FROM")
    final = dict(steps[last:])
    stages = [value for name, value in steps if name == "FROM"]
    assert len(stages) >= 2, "it is built in a stage of its own"
    releases = {stage: release(stage) for stage in stages}
    # What is linked against a newer C library does not start on an older one.
    assert len(set(releases.values())) == 1, f"each stage is of the same release of Debian: {releases}"
    health = json.loads(final["HEALTHCHECK"].partition("CMD")[2])
    assert health == ["/usr/local/bin/warp2api", "status", "--ready"], "the binary asks itself"
    user = final.get("USER", "")
    assert user and not user.startswith(("0", "root")), f"it runs as {user or 'root'}"
    assert json.loads(final["ENTRYPOINT"]) == ["/usr/local/bin/warp2api"], "signals reach it without a shell between"
    for name, value in steps:
        assert name != "ADD" and ":latest" not in value, f"{name} {value}"
    for name, value in steps:
        if name == "COPY" and "--from" not in value:
            assert value.split()[0] == ".", f"COPY {value}: what it names must be in the tree"


def release(image):
    named = [number for name, number in RELEASES.items() if name in image]
    numbered = re.findall(r"debian(\d+)", image)
    assert named or numbered, f"{image} names no release of Debian"
    return named[0] if named else int(numbered[0])


def compose(path):
    text = path.read_text()
    document = yaml.safe_load(text)
    # Who types the command at the head of the file is not asked for more.
    head = "".join(re.findall(r"^#.*\n", text, re.MULTILINE))
    for name in re.findall(r"\$\{(\w+):\?", text):
        assert f"{name}=" in head, f"{path}: {name} has to be set, and the head of the file does not say so"
    services, volumes = document["services"], document.get("volumes", {})
    ours = {name: service for name, service in services.items() if service.get("image") == "warp2api"}
    assert ours, f"{path}: no service of ours"
    for name, service in services.items():
        for before in service.get("depends_on", []):
            assert before in services, f"{path}: {name} waits for {before}"
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            known = source in volumes or (path.parent / source).exists()
            assert known, f"{path}: {name} mounts {source}"
        image = service["image"]
        assert service in ours.values() or ":" in image and not image.endswith(":latest"), f"{path}: {image}"
    for name, service in ours.items():
        assert service.get("read_only") is True and service.get("cap_drop") == ["ALL"], f"{path}: {name}"
        drain = sum(int(service["environment"].get(key, 0)) for key in ("W2A_DRAIN_WINDOW", "W2A_DRAIN_TIMEOUT"))
        grace = int(service["stop_grace_period"].removesuffix("s"))
        assert grace > drain, f"{path}: {name} is killed before it has drained"
        assert (path.parent / service["build"]["context"] / service["build"]["dockerfile"]).exists()


def kubernetes(path):
    documents = list(yaml.safe_load_all(path.read_text()))
    settings = next(d["data"] for d in documents if d["kind"] == "ConfigMap")
    drain = int(settings["W2A_DRAIN_WINDOW"]) + int(settings["W2A_DRAIN_TIMEOUT"])
    deployments = {d["metadata"]["name"]: d for d in documents if d["kind"] == "Deployment"}
    budgets = {d["metadata"]["name"] for d in documents if d["kind"] == "PodDisruptionBudget"}
    assert budgets == set(deployments), "each deployment has its budget"
    policies = {d["metadata"]["name"] for d in documents if d["kind"] == "NetworkPolicy"}
    assert policies == set(deployments), "for each deployment it is said who may call it"
    for name, deployment in deployments.items():
        pod = deployment["spec"]["template"]["spec"]
        assert pod["terminationGracePeriodSeconds"] > drain, f"{name} is killed before it has drained"
        assert pod["securityContext"]["runAsNonRoot"], name
        labels = deployment["spec"]["template"]["metadata"]["labels"]
        spread = pod["topologySpreadConstraints"]
        assert all(one["labelSelector"]["matchLabels"] == labels for one in spread), f"{name} spreads itself"
        mounted = {mount["name"] for container in pod["containers"] for mount in container["volumeMounts"]}
        assert mounted == {volume["name"] for volume in pod["volumes"]}, f"{name} mounts what it has"
        for container in pod["containers"]:
            assert container["securityContext"]["readOnlyRootFilesystem"], name
            for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
                # A second, the default, is little where a machine is busy.
                assert container[probe].get("timeoutSeconds", 1) >= 3, f"{name}: {probe}"
            for variable in container["env"]:
                secret = any(word in variable["name"] for word in ("TOKEN_", "_KEY", "DATABASE_URL")) or variable["name"] == "API_TOKEN"
                # The name of a file is no secret; it is mounted from one.
                secret = secret and not variable["name"].endswith("_FILE")
                plain = "value" in variable and not variable["value"].startswith("http")
                assert not (secret and plain), f"{name}: {variable['name']} comes by reference"


if __name__ == "__main__":
    context()
    dockerfile()
    for found in sorted(DEPLOY.glob("compose*.yaml")):
        compose(found)
    kubernetes(DEPLOY / "kubernetes" / "warp2api.yaml")
    print("deploy/ is well formed", file=sys.stderr)
