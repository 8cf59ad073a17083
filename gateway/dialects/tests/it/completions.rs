//! Legacy completions.

mod strict;

use proptest::prelude::*;
use serde_json::Value;
use warp2api_dialects::completions::{CompletionRequest, Completions, PARAMETERS, Plan};
use warp2api_dialects::{Dialect as _, FetchedImages, Request as _};
use warp2api_proto::error::v1::ErrorReason;
use warp2api_proto::warp_chat::v1::part;

use crate::dialects::Tested;
use crate::support::accept;

impl Tested for Completions {
    const FILES: &'static str = "completions";
    const PATH: &'static str = "/v1/completions";
    const PLAIN: &'static str = r#"{"prompt":"hi"}"#;
    const DEFAULTS: &'static str = r#"{"temperature":1,"top_p":1.0,"n":1,"best_of":1,"presence_penalty":0,
        "frequency_penalty":0,"logit_bias":{},"suffix":"","user":"","echo":false,
        "stream_options":{"include_usage":false,"include_obfuscation":false}}"#;
    const REFERENCE: &'static str = "model prompt best_of echo frequency_penalty logit_bias logprobs max_tokens n \
        presence_penalty seed stop stream stream_options suffix temperature top_p user";

    fn plan() -> Plan {
        Plan { model: "gpt-5".to_owned(), include_usage: false, echo: None }
    }

    fn any_plan() -> BoxedStrategy<Plan> {
        let plans = (any::<bool>(), proptest::option::of(".{0,9}"), ".{0,9}");
        plans.prop_map(|(include_usage, echo, model)| Plan { include_usage, echo, model }).boxed()
    }

    fn telling_all(plan: Plan) -> Plan {
        Plan { include_usage: true, ..plan }
    }

    fn read_stream(bytes: &[u8], plan: &Plan) -> Result<(Value, Result<(), Value>), String> {
        strict::stream(bytes, plan.include_usage)
    }

    fn read_whole(bytes: &[u8], _: &Plan) -> Result<Value, String> {
        strict::whole(bytes)
    }

    fn describe(plan: &Plan) -> String {
        format!("include_usage: {}, echo: {:?}", plan.include_usage, plan.echo)
    }
}

#[test]
fn what_is_wrong_is_named_by_its_path() {
    let (invalid, unsupported) = (ErrorReason::InvalidField, ErrorReason::UnsupportedField);
    let one = "expected a string or an array with one string";
    for (body, reason, param, description) in [
        ("{}", invalid, "prompt", one),
        (r#"{"prompt":[]}"#, invalid, "prompt", one),
        (r#"{"prompt":7}"#, invalid, "prompt", "expected a string or an array, got a number"),
        (r#"{"prompt":[1,2]}"#, unsupported, "prompt", "only one prompt of text is answered in a request"),
        (r#"{"prompt":[1]}"#, unsupported, "prompt", "tokens are not read; send the text itself"),
        (r#"{"prompt":[[1]]}"#, unsupported, "prompt", "tokens are not read; send the text itself"),
        (r#"{"prompt":"a","max_tokens":0}"#, invalid, "max_tokens", "expected at least 1"),
        (r#"{"prompt":"a","stop":["1","2","3","4","5"]}"#, invalid, "stop", "expected at most 4 strings"),
        (
            r#"{"prompt":"a","logit_bias":{"1":"x"}}"#,
            invalid,
            "logit_bias.1",
            "expected a number, got a string",
        ),
        (r#"{"prompt":"a","logprobs":2}"#, unsupported, "logprobs", "the upstream gives no probabilities"),
    ] {
        let rejection = accept::<Completions>(body).unwrap_err();
        let found = (rejection.reason, rejection.param.as_deref(), rejection.description.as_str());
        assert_eq!(found, (reason, Some(param), description), "{body}");
    }
}

proptest! {
    #[test]
    fn a_prompt_of_any_text_is_what_the_person_says(text in ".*") {
        for prompt in [serde_json::json!(text), serde_json::json!([text])] {
            let body = serde_json::json!({ "prompt": prompt }).to_string();
            let accepted = Completions::parse(body.as_bytes()).unwrap().accept(&FetchedImages::default()).unwrap();
            let said = accepted.request.messages[0].parts[0].content.clone();
            prop_assert_eq!(said, Some(part::Content::Text(text.clone())));
        }
    }

    #[test]
    fn any_bytes_are_read_or_rejected(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Err(rejection) = CompletionRequest::parse(&bytes) {
            prop_assert_eq!(rejection.reason, ErrorReason::InvalidField);
        }
    }

    #[test]
    fn any_word_or_number_may_stand_for_any_parameter(
        value in prop_oneof![any::<f64>().prop_map(Value::from), ".*".prop_map(Value::from), Just(Value::from(vec![1]))],
        index in 0..PARAMETERS.len(),
    ) {
        let name = PARAMETERS[index].name.split('.').next().unwrap();
        let mut body = serde_json::json!({ "prompt": "hi" });
        body[name] = value;
        if let Err(rejection) = accept::<Completions>(&body.to_string()) {
            let param = rejection.param.unwrap();
            prop_assert!(param.starts_with(name), "{param} for {name}");
        }
    }
}
