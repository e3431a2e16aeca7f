//! AWS on loopback, for `scrip`: it answers only requests that are signed as AWS asks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use serde_json::{Value, json};
use tokio::net::TcpListener;

pub(super) use super::signatures::{KEY, REGION, SECRET, verified};

/// A message of a queue.
#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) id: String,
    pub(super) body: String,
    pub(super) hidden: bool,
}

/// What the services have, and what they were asked.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) outputs: BTreeMap<String, String>,
    pub(super) parameters: BTreeMap<String, String>,
    /// Name in the template, type, physical id.
    pub(super) resources: Vec<(String, String, String)>,
    /// By the queue's address.
    pub(super) queues: BTreeMap<String, Vec<Message>>,
    pub(super) secrets: BTreeMap<String, String>,
    /// When they were written, in seconds.
    pub(super) written_s: i64,
    /// The values of metrics, by name: the latest first, with their times.
    pub(super) metrics: BTreeMap<String, Vec<(String, String)>>,
    /// Answers to reads of Lambda, by path.
    pub(super) lambda: BTreeMap<String, Value>,
    /// The subscriptions of every topic: protocol and ARN.
    pub(super) subscriptions: Vec<(String, String)>,
    /// Invocations: path, type, payload.
    pub(super) invoked: Vec<(String, String, Value)>,
    /// The answer of invocations that are waited for.
    pub(super) answer: Value,
    pub(super) events: Vec<Value>,
    /// The services that were asked.
    pub(super) services: BTreeSet<String>,
    /// The type of resources that the region does not have.
    pub(super) missing: Option<String>,
    /// The action that the caller may not do.
    pub(super) denied: Option<String>,
}

#[derive(Clone)]
pub(super) struct FakeAws {
    pub(super) base: String,
    known: Arc<Mutex<Known>>,
}

impl FakeAws {
    /// The services, at an address, with a stack of this name and nothing in it.
    pub(super) async fn start() -> FakeAws {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let base = format!("http://{}", listener.local_addr().expect("an address"));
        let fake = FakeAws { base, known: Arc::default() };
        let served = Router::new().fallback(answer).with_state(fake.clone());
        tokio::spawn(async move { axum::serve(listener, served).await });
        fake
    }

    pub(super) fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().expect("no one panics with the lock")
    }

    /// Adds a queue. Returns its address.
    pub(super) fn queue(&self, name: &str) -> String {
        let url = format!("{}/000000000000/{name}", self.base);
        let mut known = self.known();
        known.resources.push((name.to_owned(), "AWS::SQS::Queue".to_owned(), url.clone()));
        known.queues.insert(url.clone(), Vec::new());
        url
    }

    /// Adds a function, whose name begins with the stack's.
    pub(super) fn function(&self, name: &str) {
        let (kind, id) = ("AWS::Lambda::Function", format!("scrip-test-{name}-1A2B"));
        self.known().resources.push((name.to_owned(), kind.to_owned(), id));
    }

    /// Puts a message into a queue.
    pub(super) fn put(&self, url: &str, id: &str, body: &Value) {
        let message = Message { id: id.to_owned(), body: body.to_string(), hidden: false };
        self.known().queues.get_mut(url).expect("a queue").push(message);
    }

    /// The ids of the messages of a queue, and whether they are hidden.
    pub(super) fn left(&self, url: &str) -> Vec<(String, bool)> {
        let known = self.known();
        known.queues[url].iter().map(|message| (message.id.clone(), message.hidden)).collect()
    }
}

async fn answer(State(fake): State<FakeAws>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, 1 << 20).await.expect("a body");
    let uri = format!("{}{}", fake.base, parts.uri.path_and_query().expect("a path"));
    let service = match verified(parts.method.as_str(), &uri, &parts.headers, &body) {
        Ok(service) => service,
        Err(error) => return said(403, xml_error("SignatureDoesNotMatch", &error)),
    };
    let mut known = fake.known();
    known.services.insert(service.clone());
    let target = parts.headers.get("x-amz-target").and_then(|value| value.to_str().ok());
    let (status, text) = match target.and_then(|target| target.split_once('.')) {
        Some((_, action)) if known.denied.as_deref() == Some(action) => {
            (400, json!({ "__type": "AccessDeniedException", "message": "not you" }).to_string())
        }
        Some((_, action)) => {
            let body = serde_json::from_slice(&body).expect("JSON");
            let (status, answer) = known.json(action, &body);
            (status, answer.to_string())
        }
        None if service == "lambda" => {
            let path = parts.uri.path_and_query().expect("a path").to_string();
            let kind = parts.headers.get("x-amz-invocation-type");
            let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
            known.lambda(parts.method.as_str(), path, kind, &body)
        }
        None => {
            let form = std::str::from_utf8(&body).expect("text");
            let form: BTreeMap<String, String> = form
                .split('&')
                .filter_map(|pair| pair.split_once('='))
                .map(|(name, value)| (decoded(name), decoded(value)))
                .collect();
            known.query(&form)
        }
    };
    said(status, text)
}

impl Known {
    /// SQS, Secrets Manager, EventBridge.
    fn json(&mut self, action: &str, body: &Value) -> (u16, Value) {
        let url = body["QueueUrl"].as_str().unwrap_or_default();
        match action {
            "GetSecretValue" => {
                let arn = body["SecretId"].as_str().unwrap_or_default();
                match self.secrets.get(arn) {
                    Some(text) => {
                        let at = self.written_s;
                        (200, json!({ "ARN": arn, "SecretString": text, "CreatedDate": at }))
                    }
                    None => (400, json!({ "__type": "ResourceNotFoundException", "message": arn })),
                }
            }
            "PutSecretValue" => {
                let [arn, text] = ["SecretId", "SecretString"].map(|name| body[name].as_str());
                let (arn, text) = (arn.expect("an ARN"), text.expect("a text"));
                self.secrets.insert(arn.to_owned(), text.to_owned());
                (200, json!({ "ARN": arn }))
            }
            "PutEvents" => {
                let entries = body["Entries"].as_array().expect("entries").clone();
                let taken: Vec<Value> = entries.iter().map(|_| json!({ "EventId": "1" })).collect();
                self.events.extend(entries);
                (200, json!({ "FailedEntryCount": 0, "Entries": taken }))
            }
            _ => {
                let Some(queue) = self.queues.get_mut(url) else {
                    let code = "com.amazonaws.sqs#QueueDoesNotExist";
                    return (400, json!({ "__type": code, "message": url }));
                };
                (200, of_queue(queue, action, body))
            }
        }
    }

    fn lambda(&mut self, method: &str, path: String, kind: &str, body: &[u8]) -> (u16, String) {
        if method == "GET" {
            return match self.lambda.get(&path) {
                Some(answer) => (200, answer.to_string()),
                None => (404, json!({ "Message": path }).to_string()),
            };
        }
        let payload = serde_json::from_slice(body).expect("a payload");
        self.invoked.push((path, kind.to_owned(), payload));
        match kind {
            "Event" => (202, String::new()),
            _ => (200, self.answer.to_string()),
        }
    }

    fn query(&self, form: &BTreeMap<String, String>) -> (u16, String) {
        let action = form["Action"].as_str();
        if self.denied.as_deref() == Some(action) {
            return (403, xml_error("AccessDenied", "not you"));
        }
        let fields = |fields: &[(&str, &str)]| -> String {
            fields.iter().map(|(name, value)| format!("<{name}>{value}</{name}>")).collect()
        };
        let pairs = |map: &BTreeMap<String, String>, name: &str| -> String {
            let pair = |(key, value): (&String, &String)| {
                let (k, v) = (format!("{name}Key"), format!("{name}Value"));
                format!("<member>{}</member>", fields(&[(&k, key), (&v, value)]))
            };
            map.iter().map(pair).collect()
        };
        let result = match action {
            "DescribeStacks" if form["StackName"] != "scrip-test" => {
                let message = format!("Stack with id {} does not exist", form["StackName"]);
                return (400, xml_error("ValidationError", &message));
            }
            "DescribeStacks" => format!(
                "<Stacks><member><StackName>scrip-test</StackName><Outputs>{}</Outputs>\
                 <StackStatus>UPDATE_COMPLETE</StackStatus><Parameters>{}</Parameters></member>\
                 </Stacks>",
                pairs(&self.outputs, "Output"),
                pairs(&self.parameters, "Parameter"),
            ),
            // Two pages.
            "ListStackResources" => {
                let half = self.resources.len() / 2;
                let (page, next) = match form.get("NextToken") {
                    None => (&self.resources[..half], "<NextToken>second</NextToken>"),
                    Some(token) => {
                        assert_eq!(token, "second");
                        (&self.resources[half..], "")
                    }
                };
                let page: String = page
                    .iter()
                    .map(|(name, kind, id)| {
                        let names = [
                            ("LogicalResourceId", name.as_str()),
                            ("PhysicalResourceId", id),
                            ("ResourceType", kind),
                        ];
                        format!("<member>{}</member>", fields(&names))
                    })
                    .collect();
                format!("<StackResourceSummaries>{page}</StackResourceSummaries>{next}")
            }
            "DescribeType" if self.missing.as_ref() == form.get("TypeName") => {
                return (404, xml_error("TypeNotFoundException", "no such type"));
            }
            "DescribeType" => fields(&[("TypeName", &form["TypeName"])]),
            "GetCallerIdentity" => fields(&[
                ("Arn", "arn:aws:sts::000000000000:assumed-role/Operator/ada"),
                ("Account", "000000000000"),
            ]),
            "GetMetricData" => {
                let name = &form["MetricDataQueries.member.1.MetricStat.Metric.MetricName"];
                let data = self.metrics.get(name).map(Vec::as_slice).unwrap_or_default();
                let list = |name: &str, of: &dyn Fn(&(String, String)) -> &str| {
                    let members: String =
                        data.iter().map(|d| format!("<member>{}</member>", of(d))).collect();
                    format!("<{name}>{members}</{name}>")
                };
                format!(
                    "<MetricDataResults><member><Id>m</Id>{}{}</member></MetricDataResults>",
                    list("Timestamps", &|data| &data.0),
                    list("Values", &|data| &data.1),
                )
            }
            "ListSubscriptionsByTopic" => {
                let members: String = self
                    .subscriptions
                    .iter()
                    .map(|(protocol, arn)| {
                        let named = [("Protocol", protocol.as_str()), ("SubscriptionArn", arn)];
                        format!("<member>{}</member>", fields(&named))
                    })
                    .collect();
                format!("<Subscriptions>{members}</Subscriptions>")
            }
            other => panic!("nothing is known of {other}"),
        };
        let text = format!(
            "<{action}Response xmlns=\"http://aws.example/doc/\"><{action}Result>{result}\
             </{action}Result></{action}Response>"
        );
        (200, text)
    }
}

fn of_queue(queue: &mut Vec<Message>, action: &str, body: &Value) -> Value {
    let handle = body["ReceiptHandle"].as_str().and_then(|handle| handle.strip_prefix("r-"));
    match action {
        "ReceiveMessage" => {
            let visible = queue.iter_mut().filter(|message| !message.hidden).take(10);
            let messages = visible.map(|message| {
                message.hidden = true;
                json!({
                    "MessageId": message.id, "ReceiptHandle": format!("r-{}", message.id),
                    "Body": message.body, "Attributes": { "SentTimestamp": "1795000000000" },
                })
            });
            let messages: Vec<Value> = messages.collect();
            if messages.is_empty() { json!({}) } else { json!({ "Messages": messages }) }
        }
        "ChangeMessageVisibility" => {
            assert_eq!(body["VisibilityTimeout"], 0);
            let message = queue.iter_mut().find(|message| Some(&*message.id) == handle);
            message.expect("a message").hidden = false;
            json!({})
        }
        "DeleteMessage" => {
            queue.retain(|message| Some(&*message.id) != handle);
            json!({})
        }
        "SendMessage" => {
            let body = body["MessageBody"].as_str().expect("a body").to_owned();
            queue.push(Message { id: "sent".to_owned(), body, hidden: false });
            json!({ "MessageId": "sent" })
        }
        "GetQueueAttributes" => {
            let hidden = queue.iter().filter(|message| message.hidden).count();
            let visible = queue.len() - hidden;
            json!({ "Attributes": {
                "ApproximateNumberOfMessages": visible.to_string(),
                "ApproximateNumberOfMessagesNotVisible": hidden.to_string(),
            } })
        }
        other => panic!("nothing is known of {other}"),
    }
}

fn said(status: u16, text: String) -> Response {
    Response::builder().status(status).body(Body::from(text)).expect("an answer")
}

fn xml_error(code: &str, message: &str) -> String {
    format!(
        "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code>\
         <Message>{message}</Message></Error></ErrorResponse>"
    )
}

/// A value of a form.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let hex = [rest.next(), rest.next()].map(|byte| byte.expect("two digits"));
                let hex = std::str::from_utf8(&hex).expect("digits");
                u8::from_str_radix(hex, 16).expect("a byte")
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).expect("text")
}
