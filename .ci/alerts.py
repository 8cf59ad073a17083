"""What Prometheus makes of the program and of deploy/: `promtool` looks at a real scrape, and a real Prometheus scrapes it
under some load, evaluates every alert and answers every query of the dashboard. Takes some fifteen seconds.

    python3 .ci/alerts.py PROGRAM FOLDER-OF-PROMTOOL-AND-PROMETHEUS
"""

import json
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request

DEPLOY = pathlib.Path("deploy").resolve()
PATIENCE = 60
# Names of metrics, ours and those we have from libraries.
METRIC = re.compile(r"\b(?:warp2api|http_server|rpc_server|gen_ai_client|otel_sdk|process)_\w+(?=[{\[ )]|$)")


def get(url):
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=PATIENCE) as answer:
        return answer.read().decode()


def chat(base, text, stream=True, leave=False):
    body = {"model": "auto", "stream": stream, "messages": [{"role": "user", "content": text}]}
    headers = {"content-type": "application/json"}
    request = urllib.request.Request(f"{base}/chat/completions", json.dumps(body).encode(), headers)
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=PATIENCE) as answer:
            answer.read(1 if leave else -1)
    except urllib.error.HTTPError as error:
        error.read()


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


def queries():
    """Every query of the dashboard, as Grafana would send it."""
    dashboard = json.loads((DEPLOY / "grafana/warp2api.json").read_text())
    found = [(panel["title"], target["expr"]) for panel in dashboard["panels"] for target in panel.get("targets", [])]
    found += [(note["name"], note["expr"]) for note in dashboard["annotations"]["list"]]
    return [(title, expr.replace("$__rate_interval", "10s").replace("$instance", ".*")) for title, expr in found]


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
    empty = []
    for title, expr in queries():
        answer = json.loads(get(f"{prometheus}/api/v1/query?" + urllib.parse.urlencode({"query": expr})))
        assert answer["status"] == "success", f"{title}: {expr}: {answer}"
        # What has not happened is not counted yet.
        if not answer["data"]["result"] and all(name in names for name in METRIC.findall(expr)):
            empty.append(f"{title}: {expr}")
    # Nothing starts anew and nothing fires.
    unexpected = [line for line in empty if not line.startswith(("Starts", "Alerts"))]
    assert not unexpected, "the dashboard shows nothing of what is there:\n" + "\n".join(unexpected)
    groups = json.loads(get(f"{prometheus}/api/v1/rules"))["data"]["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    for rule in rules:
        assert rule["health"] == "ok", rule
        assert rule["state"] != "firing", f"{rule['name']} fires while all is well"
    return len(queries()), len(rules)


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
            (folder / "prometheus.yaml").write_text(
                "global: {scrape_interval: 1s, evaluation_interval: 1s}\n"
                f"rule_files: [{json.dumps(str(DEPLOY / 'prometheus/rules.yaml'))}]\n"
                f"scrape_configs: [{{job_name: warp2api, static_configs: [{{targets: [{json.dumps(target)}]}}]}}]\n"
            )
            command = [f"{bin_folder}/prometheus", f"--config.file={folder}/prometheus.yaml"]
            command += [f"--storage.tsdb.path={folder}/data", f"--web.listen-address=127.0.0.1:{port}"]
            with open(folder / "prometheus.log", "w") as log:
                running.append(subprocess.Popen(command, cwd=folder, stderr=log))
            prometheus = f"http://127.0.0.1:{port}"
            wait_for("Prometheus", lambda: get(f"{prometheus}/-/ready"))
            asked, rules = look(base, metrics, bin_folder, prometheus)
            print(f"Prometheus answers {asked} queries of the dashboard and evaluates {rules} alerts", file=sys.stderr)
        finally:
            for process in running:
                process.terminate()
            for process in running:
                process.wait(PATIENCE)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]).resolve(), sys.argv[2])
