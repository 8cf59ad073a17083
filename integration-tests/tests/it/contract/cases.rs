//! A case is a method, a request, perhaps a script for the upstream, and what is to come back.

use serde_json::Value;
use tonic::Code;
use warp2api_upstream_sim::Scenario;

use super::rig::{Rig, Way};
use crate::dynamic::{self, Answer, Refusal};

/// One call and what it brings.
#[derive(Clone)]
pub(crate) struct Case {
    method: &'static str,
    request: Value,
    script: Vec<Scenario>,
    messages: Vec<Value>,
    refusal: Option<ExpectedRefusal>,
}

#[derive(Clone)]
struct ExpectedRefusal {
    code: Code,
    reason: &'static str,
    fields: Vec<&'static str>,
    metadata: Vec<(&'static str, &'static str)>,
    wait: bool,
}

/// A call of `method`, for example `codec.v1.Codec/DecodeMessage`.
pub(crate) fn call(method: &'static str, request: Value) -> Case {
    Case { method, request, script: Vec::new(), messages: Vec::new(), refusal: None }
}

impl Case {
    /// The upstream answers like this, in turn.
    pub(crate) fn script(mut self, scenarios: impl IntoIterator<Item = Scenario>) -> Self {
        self.script.extend(scenarios);
        self
    }

    /// These messages come. Keys that are not mentioned do not matter; of a list, `"..."` stands for the rest.
    pub(crate) fn gives(mut self, messages: impl IntoIterator<Item = Value>) -> Self {
        self.messages.extend(messages);
        self
    }

    /// The call fails, after the messages if there are any.
    pub(crate) fn fails(mut self, code: Code, reason: &'static str) -> Self {
        let (fields, metadata) = (Vec::new(), Vec::new());
        self.refusal = Some(ExpectedRefusal { code, reason, fields, metadata, wait: false });
        self
    }

    /// The call fails because of this field.
    pub(crate) fn refuses_field(self, field: &'static str) -> Self {
        self.fails(Code::InvalidArgument, "INVALID_FIELD").naming(field)
    }

    /// The failure names this field.
    pub(crate) fn naming(mut self, field: &'static str) -> Self {
        self.expected().fields.push(field);
        self
    }

    /// The failure has this in its metadata, in the order of the keys.
    pub(crate) fn with(mut self, key: &'static str, value: &'static str) -> Self {
        self.expected().metadata.push((key, value));
        self
    }

    /// The failure says when to come back.
    pub(crate) fn until_later(mut self) -> Self {
        self.expected().wait = true;
        self
    }

    fn expected(&mut self) -> &mut ExpectedRefusal {
        self.refusal.as_mut().expect("`fails` comes first")
    }

    fn check(&self, answer: &Answer, way: Way) {
        let Self { method, request, .. } = self;
        let what = format!("{method} {request} over {way:?} gave {answer:#?}");
        assert!(fits(&Value::from(self.messages.clone()), &Value::from(answer.messages.clone())), "{what}");
        match (&self.refusal, &answer.refusal) {
            (None, None) => {}
            (Some(expected), Some(refusal)) => expected.check(refusal, &what),
            (None, Some(_)) | (Some(_), None) => panic!("{what}"),
        }
    }
}

impl ExpectedRefusal {
    fn check(&self, refusal: &Refusal, what: &str) {
        assert_eq!((refusal.code, refusal.reason), (self.code, self.reason), "{what}");
        assert_eq!(refusal.fields, self.fields, "{what}");
        let metadata = refusal.metadata.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        assert!(metadata.eq(self.metadata.iter().copied()), "{what}");
        assert_eq!(refusal.wait, self.wait, "{what}");
        assert!(!refusal.message.is_empty(), "{what}");
    }
}

/// Runs every case in every way, each on services of its own.
pub(crate) async fn hold(cases: impl IntoIterator<Item = Case>) {
    for case in cases {
        let mut first: Option<Answer> = None;
        for way in Way::ALL {
            let rig = Rig::start(*way).await;
            for scenario in &case.script {
                rig.simulator.enqueue(scenario.clone());
            }
            let mut answer = dynamic::call(rig.endpoint(case.method), case.method, &case.request).await;
            assert_eq!(rig.simulator.queued(), 0, "{}: the script was not used up over {way:?}", case.method);
            rig.stop().await;
            case.check(&answer, *way);
            answer.messages.iter_mut().for_each(blank);
            match &first {
                None => first = Some(answer),
                Some(first) => assert_eq!(first, &answer, "{} differs over {way:?}", case.method),
            }
        }
    }
}

/// Whether everything that `expected` mentions is in `given`.
fn fits(expected: &Value, given: &Value) -> bool {
    match (expected, given) {
        (Value::Object(expected), Value::Object(given)) => {
            expected.iter().all(|(key, value)| given.get(key).is_some_and(|given| fits(value, given)))
        }
        (Value::Array(expected), Value::Array(given)) => {
            let (expected, open) = match expected.split_last() {
                Some((last, rest)) if last == "..." => (rest, true),
                _ => (expected.as_slice(), false),
            };
            (expected.len() == given.len() || open && expected.len() <= given.len())
                && expected.iter().zip(given).all(|(expected, given)| fits(expected, given))
        }
        _ => expected == given,
    }
}

/// Takes out what is different each time: names of leases and times.
fn blank(value: &mut Value) {
    match value {
        Value::Object(object) => {
            object.retain(|key, _| key != "leaseId" && key != "etag" && !key.ends_with("Time"));
            object.values_mut().for_each(blank);
        }
        Value::Array(array) => array.iter_mut().for_each(blank),
        _ => {}
    }
}

#[test]
fn a_mention_is_looked_for_at_its_place() {
    use serde_json::json;
    let given = json!({"a": [{"b": 1, "c": 2}, {"b": 3}], "d": null});
    for (expected, whether) in [
        (json!({}), true),
        (json!({"a": [{"b": 1}, {}]}), true),
        (json!({"a": [{"b": 1}, "..."]}), true),
        (json!({"a": [{"b": 1}]}), false),
        (json!({"a": [{"b": 2}, "..."]}), false),
        (json!({"e": null}), false),
        (json!({"d": null}), true),
    ] {
        assert_eq!(fits(&expected, &given), whether, "{expected}");
    }
}
