"""A stack as its callers see it: one on this machine, or one in an AWS account."""

import hashlib
import hmac
import http.client
import json
import random
import statistics
import time
import urllib.parse

TRIES = 8  # of a request that is answered 429: 25 s at most
LOCAL_WEBHOOK_SECRET = "whsec_local"  # what the local Stripe signs with


class NotTried(Exception):
    """Why a check cannot be made here."""


def expect(so, wanted, answered):
    if not so:
        shown = vars(answered) if isinstance(answered, Reply) else answered
        raise SystemExit(f"FAILED  expected {wanted}, was answered {shown}")


def waits():
    """How long to wait after each try that was throttled, in seconds; None after the last."""
    for number in range(TRIES - 1):
        yield 0.2 * 2**number * random.uniform(0.5, 1)
    yield None


class Reply:
    def __init__(self, status, headers, text):
        self.status, self.headers, self.text = status, headers, text
        json_like = "json" in headers.get("content-type", "")
        self.body = json.loads(text) if json_like and text else None


class Local:
    """A stack that wants no signatures."""

    signs = False

    def __init__(self, url):
        self.url = urllib.parse.urlsplit(url)
        self.origin, self.stripe, self.stage = url, True, None
        self.webhook_secret = LOCAL_WEBHOOK_SECRET

    def must_be_deployed(self):
        if not self.signs:
            raise NotTried("it needs a deployed stack")

    def send(self, method, path, body=None, headers=None, signed=True):
        data = b"" if body is None else json.dumps(body).encode()
        headers = {**(headers or {}), **({"Content-Type": "application/json"} if data else {})}
        sign = self.sign if signed and self.signs else None
        return self.exchange(method, path, data, headers, sign)

    def tell(self, event, secret):
        """Sends an event to the webhook, signed as Stripe signs."""
        at, body = int(time.time()), json.dumps(event).encode()
        signed = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
        headers = {
            "Content-Type": "application/json",
            "Stripe-Signature": f"t={at},v1={signed}",
        }
        return self.exchange("POST", "/v1/stripe/webhook", body, headers)

    def press(self, link):
        """Presses the button of a link's page, as a browser does."""
        headers = {
            "Origin": f"{link.scheme}://{link.netloc}",
            "Content-Type": "application/x-www-form-urlencoded",
        }
        return self.exchange("POST", link.path, link.query.encode(), headers)

    def exchange(self, method, path, data, headers, sign=None):
        """The reply; after a 429 that of the next try, with another signature."""
        for wait in waits():
            signed = sign(method, path, data, headers) if sign else headers
            reply = self.exchange_once(method, path, data, signed)
            if reply.status != 429 or wait is None:
                return reply
            time.sleep(wait)

    def exchange_once(self, method, path, data, headers):
        connect = {"https": http.client.HTTPSConnection, "http": http.client.HTTPConnection}
        connection = connect[self.url.scheme](self.url.netloc, timeout=30)
        try:
            connection.request(method, path, data, headers)
            answer = connection.getresponse()
            named = {name.lower(): value for name, value in answer.getheaders()}
            return Reply(answer.status, named, answer.read().decode())
        finally:
            connection.close()


class Deployed(Local):
    """A stack in an AWS account."""

    signs = True

    def __init__(self, name):
        import boto3  # only here: the local stack is asked with what Python has

        self.name, self.session = name, boto3.Session()
        described = self.session.client("cloudformation").describe_stacks(StackName=name)
        (stack,) = described["Stacks"]
        self.outputs = {one["OutputKey"]: one["OutputValue"] for one in stack["Outputs"]}
        self.given = {one["ParameterKey"]: one["ParameterValue"] for one in stack["Parameters"]}
        super().__init__(self.outputs["ApiUrl"])
        self.origin = next(filter(None, self.given["AllowedOrigins"].split(",")), None)
        tags = {tag["Key"]: tag["Value"] for tag in stack.get("Tags", [])}
        self.stage = tags.get("stage")
        arn = self.given.get("StripeWebhookSecretArn")
        self.stripe, self.webhook_secret = bool(arn), self.secret(arn) if arn else None
        self.dead = self.dead_letters()
        self.begun = int(time.time() * 1000)

    def secret(self, arn):
        """The first signing secret, which is the newest."""
        client = self.session.client("secretsmanager")
        secrets = client.get_secret_value(SecretId=arn)["SecretString"].split()
        fine = secrets and secrets[0].startswith("whsec_")
        expect(fine, "a signing secret, whsec_..., in StripeWebhookSecretArn", "another text")
        return secrets[0]

    def sign(self, method, path, data, headers):
        from botocore import auth, awsrequest

        credentials = self.session.get_credentials().get_frozen_credentials()
        signer = auth.SigV4Auth(credentials, "execute-api", self.session.region_name)
        request = awsrequest.AWSRequest(method, self.url.geturl() + path, headers, data)
        signer.add_auth(request)
        return dict(request.headers)

    def resource(self, logical):
        """What CloudFormation called a resource of the template."""
        client = self.session.client("cloudformation")
        asked = {"StackName": self.name, "LogicalResourceId": logical}
        return client.describe_stack_resource(**asked)["StackResourceDetail"]["PhysicalResourceId"]

    def invoke(self, function, event):
        """Invokes a function by its name or ARN."""
        from botocore.config import Config

        # The longest may run for 15 minutes; asked a second time meanwhile, it would run twice.
        patient = Config(read_timeout=910, retries={"max_attempts": 0})
        client = self.session.client("lambda", config=patient)
        asked = {"FunctionName": function, "Payload": json.dumps(event)}
        for wait in waits():
            try:
                answer = client.invoke(**asked)
                break
            except client.exceptions.TooManyRequestsException:
                if wait is None:
                    raise
                time.sleep(wait)
        payload = json.loads(answer["Payload"].read())
        expect("FunctionError" not in answer, "no error of the function", payload)
        return payload

    def resources(self, kind):
        """The resources of one type: physical ids by logical ones."""
        pages = self.session.client("cloudformation").get_paginator("list_stack_resources")
        listed = pages.paginate(StackName=self.name)
        found = (one for page in listed for one in page["StackResourceSummaries"])
        found = (one for one in found if one["ResourceType"] == kind)
        return {one["LogicalResourceId"]: one["PhysicalResourceId"] for one in found}

    def dead_letters(self):
        """How many messages each dead-letter queue has."""
        name, client = "ApproximateNumberOfMessages", self.session.client("sqs")
        counts = {}
        for queue, url in self.resources("AWS::SQS::Queue").items():
            if queue.endswith("DeadLetters"):
                asked = client.get_queue_attributes(QueueUrl=url, AttributeNames=[name])
                counts[queue] = int(asked["Attributes"][name])
        return counts

    def subscribers(self):
        """How many confirmed subscriptions the topics of the alarms have."""
        topics = set(self.resources("AWS::SNS::Topic").values())
        topics |= {self.given.get("AlarmTopicArn")} - {None, ""}
        pages = self.session.client("sns").get_paginator("list_subscriptions_by_topic")
        listed = (page for topic in topics for page in pages.paginate(TopicArn=topic))
        subscriptions = (one for page in listed for one in page["Subscriptions"])
        # One that waits for its confirmation has no ARN.
        return sum(one["SubscriptionArn"].startswith("arn:") for one in subscriptions)

    def starts(self):
        """Cold starts of `debit` during this run, from the reports that Lambda writes."""
        time.sleep(10)  # logs are late by some seconds
        client = self.session.client("logs")
        asked = {
            "logGroupName": self.resource("DebitLogs"),
            "startTime": self.begun,
            "filterPattern": '{ $.type = "platform.report" }',
        }
        pages = client.get_paginator("filter_log_events").paginate(**asked)
        events = (event for page in pages for event in page["events"])
        reports = [json.loads(event["message"])["record"]["metrics"] for event in events]
        starts = [report["initDurationMs"] for report in reports if "initDurationMs" in report]
        took = statistics.median(report["durationMs"] for report in reports)
        memory = max(report["maxMemoryUsedMB"] for report in reports)
        return f"{len(reports)} invocations, median {took} ms, {memory} MB; starts in ms: {starts}"
