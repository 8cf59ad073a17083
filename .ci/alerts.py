"""What Prometheus makes of the program and of deploy/: `promtool` looks at a real scrape, and a real Prometheus scrapes it
under some load, as one process and as the pod that deploy/prometheus/kubernetes.yaml finds, evaluates every alert, answers
every query of the dashboard, and still sees the program while that drains. Takes some twenty-five seconds.

    python3 .ci/alerts.py PROGRAM FOLDER-OF-PROMTOOL-AND-PROMETHEUS
"""

import json
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import urllib.request

import yaml

DEPLOY = pathlib.Path("deploy").resolve()
PATIENCE = 60
# Names of metrics, ours and those we have from libraries.
METRIC = re.compile(r"\b(?:warp2api|http_server|rpc_server|gen_ai_client|otel_sdk|process)_\w+(?=[{\[ )]|$)")


def get(url):
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=PATIENCE) as answer:
        return answer.read().decode()


def chat(base, text, stream=True, leave=False):
    """The answer, as far as it was read."""
    body = {"model": "auto", "stream": stream, "messages": [{"role": "user", "content": text}]}
    headers = {"content-type": "application/json"}
    request = urllib.request.Request(f"{base}/chat/completions", json.dumps(body).encode(), headers)
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=PATIENCE) as answer:
            return answer.read(1 if leave else -1)
    except urllib.error.HTTPError as error:
        return error.read()


def wait_for(what, ask):
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            found = ask()
        except OSError:
            found = None
        if found:
            return found
        time.sleep(0.1)
    sys.exit(f"{what}: not within {PATIENCE} s")


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def pods(target):
    """The scrape of deploy/prometheus/kubernetes.yaml, with what a cluster would tell it: a pod that is to be scraped, and
    what is to be left out. Debian's Prometheus cannot ask a cluster, and none is here."""
    config = yaml.safe_load((DEPLOY / "prometheus/kubernetes.yaml").read_text())["scrape_configs"][0]
    assert config.pop("kubernetes_sd_configs") == [{"role": "pod", "selectors": [{"role": "pod", "label": "app=warp2api"}]}]
    port = target.rsplit(":")[-1]
    pod = {"pod_phase": "Running", "pod_annotation_prometheus_io_scrape": "true", "pod_annotation_prometheus_io_port": port}
    pod |= {"pod_annotation_prometheus_io_path": "/metrics", "pod_container_port_number": port, "pod_label_part": "gateway"}
    pod |= {"namespace": "default", "pod_name": "warp2api-gateway-1"}
    told = [(target, {}), ("left.out:1", {"pod_container_port_number": "28889"}), ("left.out:2", {"pod_phase": "Pending"})]
    told += [("left.out:3", {"pod_phase": "Succeeded"}), ("left.out:4", {"pod_annotation_prometheus_io_scrape": ""})]
    label = lambda values: {f"__meta_kubernetes_{name}": value for name, value in values.items()}
    found = [{"targets": [address], "labels": label(pod | other)} for address, other in told]
    return config | {"job_name": "kubernetes-pods", "static_configs": found}


def ask(prometheus, expr):
    answer = json.loads(get(f"{prometheus}/api/v1/query?" + urllib.parse.urlencode({"query": expr})))
    assert answer["status"] == "success", f"{expr}: {answer}"
    return answer["data"]["result"]


def queries(service, instance):
    """Every query of the dashboard, as Grafana would send it."""
    dashboard = json.loads((DEPLOY / "grafana/warp2api.json").read_text())
    found = [(panel["title"], target["expr"]) for panel in dashboard["panels"] for target in panel.get("targets", [])]
    found += [(note["name"], note["expr"]) for note in dashboard["annotations"]["list"]]
    values = {"$__rate_interval": "10s", "$service": service, "$instance": instance}
    for name, value in values.items():
        found = [(title, expr.replace(name, value)) for title, expr in found]
    return found


def look(base, metrics, bin_folder, prometheus):
    """Load for some seconds, then questions."""
    end = time.monotonic() + 6
    while time.monotonic() < end:
        chat(base, "stream 20 chunks of 8 bytes every 5 ms")
        chat(base, "say exactly: fine", stream=False)
        chat(base, "stream 500 chunks of 8 bytes every 20 ms", leave=True)
        chat(base, None)
    scrape = get(metrics)
    subprocess.run([f"{bin_folder}/promtool", "check", "metrics"], input=scrape.encode(), check=True)
    names = set(re.findall(r"^([a-z]\w+)[{ ]", scrape, re.MULTILINE))
    time.sleep(2)
    targets = json.loads(get(f"{prometheus}/api/v1/targets?state=active"))["data"]["activeTargets"]
    found = [target["labels"] for target in targets if target["scrapePool"] == "kubernetes-pods"]
    pod = {"service": "gateway", "namespace": "default", "pod": "warp2api-gateway-1", "job": "kubernetes-pods"}
    assert [labels | pod for labels in found] == found and len(found) == 1, f"of the pods these are scraped: {found}"
    # All, where nothing has a label `service`; and a part.
    asked = queries(".*", "127[.].*") + queries("gateway", ".*")
    empty = []
    for title, expr in asked:
        # What has not happened is not counted yet.
        if not ask(prometheus, expr) and all(name in names for name in METRIC.findall(expr)):
            empty.append(f"{title}: {expr}")
    # Nothing starts anew and nothing fires.
    unexpected = [line for line in empty if not line.startswith(("Starts", "Alerts"))]
    assert not unexpected, "the dashboard shows nothing of what is there:\n" + "\n".join(unexpected)
    groups = json.loads(get(f"{prometheus}/api/v1/rules"))["data"]["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    for rule in rules:
        assert rule["health"] == "ok", rule
        assert rule["state"] != "firing", f"{rule['name']} fires while all is well"
    return len(asked), len(rules)


def drain(program, base, metrics, prometheus):
    """A program that was told to stop, and whose other ports are closed, is still seen until its stream is over."""
    answers = []
    stream = threading.Thread(target=lambda: answers.append(chat(base, "stream 400 chunks of 8 bytes every 20 ms")))
    stream.start()
    wait_for("the stream", lambda: re.search(r"^warp2api_chat_active [1-9]", get(metrics), re.MULTILINE))
    program.terminate()

    def is_closed():
        try:
            get(f"{base}/models")
        except urllib.error.URLError as error:
            return isinstance(error.reason, ConnectionRefusedError)

    wait_for("the end of the window in which others still come in", is_closed)
    # Twice as often as is scraped, for some scrapes.
    for _ in range(6):
        assert stream.is_alive(), "the stream is to outlast the looks at it"
        assert re.search(r"^warp2api_draining 1$", get(metrics), re.MULTILINE), "the scrape tells that it drains"
        get(metrics.replace("/metrics", "/livez"))
        time.sleep(0.5)
    assert ask(prometheus, 'warp2api_draining{job="warp2api"} == 1'), "Prometheus knows that it drains"
    assert ask(prometheus, 'min_over_time(up{job="warp2api"}[5s]) == 1'), "Prometheus never missed it"
    stream.join(PATIENCE)
    assert answers and b"[DONE]" in answers[0], f"the stream ended with {answers and answers[0][-200:]}"
    assert program.wait(PATIENCE) == 0, "the program stopped as it should"


def main(program, bin_folder):
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        environment = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "PORT": "0", "W2A_GRPC_ADDR": "127.0.0.1:0"}
        environment |= {"W2A_UPSTREAM": "embedded", "W2A_METRICS_ADDR": "127.0.0.1:0", "W2A_LOG": "warn"}
        port, running = free_port(), []
        try:
            with open(folder / "banner", "w") as banner:
                running.append(subprocess.Popen([program], cwd=folder, env=environment, stdout=banner))
            shown = lambda name: re.search(rf"^ *{name} +(http\S+)", (folder / "banner").read_text(), re.MULTILINE)
            base = wait_for("the program", lambda: shown("base URL")).group(1)
            metrics = wait_for("the program", lambda: shown("metrics")).group(1)
            target = urllib.parse.urlsplit(metrics).netloc
            config = {"global": {"scrape_interval": "1s", "evaluation_interval": "1s"}}
            config["rule_files"] = [str(DEPLOY / "prometheus/rules.yaml")]
            alone = {"job_name": "warp2api", "static_configs": [{"targets": [target]}]}
            # By another name of the same address, so that each is a process of its own to Prometheus.
            config["scrape_configs"] = [alone, pods(target.replace("127.0.0.1", "localhost"))]
            (folder / "prometheus.yaml").write_text(yaml.safe_dump(config))
            command = [f"{bin_folder}/prometheus", f"--config.file={folder}/prometheus.yaml"]
            command += [f"--storage.tsdb.path={folder}/data", f"--web.listen-address=127.0.0.1:{port}"]
            with open(folder / "prometheus.log", "w") as log:
                running.append(subprocess.Popen(command, cwd=folder, stderr=log))
            prometheus = f"http://127.0.0.1:{port}"
            wait_for("Prometheus", lambda: get(f"{prometheus}/-/ready"))
            asked, rules = look(base, metrics, bin_folder, prometheus)
            print(f"Prometheus answers {asked} queries of the dashboard and evaluates {rules} alerts", file=sys.stderr)
            drain(running[0], base, metrics, prometheus)
            print("Prometheus sees a drain to its end", file=sys.stderr)
        finally:
            for process in running:
                process.terminate()
            for process in running:
                process.wait(PATIENCE)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]).resolve(), sys.argv[2])
