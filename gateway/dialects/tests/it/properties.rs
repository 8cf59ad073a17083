//! What holds for any body and any script of events.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use warp2api_dialects::parameters::PARAMETERS;
use warp2api_dialects::{AnswerHead, CallStyle, ChatCompletionRequest, Problem};
use warp2api_proto::error::v1::ErrorReason;
use warp2api_proto::warp_chat::v1::stream_chat_response::{Event, Finished, UsageReported};

use crate::support::script::{Script, called, said, started, thought};
use crate::support::{accept, head, strict};

/// Keys that mean something somewhere, so that random bodies get deep into the mapping.
const KEYS: &[&str] = &[
    "messages",
    "role",
    "content",
    "type",
    "text",
    "image_url",
    "url",
    "detail",
    "tool_calls",
    "function",
    "id",
    "name",
    "arguments",
    "tool_call_id",
    "tools",
    "parameters",
    "tool_choice",
    "allowed_tools",
    "mode",
    "stop",
    "function_call",
    "functions",
    "stream",
    "stream_options",
    "reasoning",
    "refusal",
    "logit_bias",
    "n",
    "model",
];
const WORDS: &[&str] = &[
    "user",
    "assistant",
    "tool",
    "system",
    "developer",
    "function",
    "text",
    "image_url",
    "refusal",
    "thinking",
    "auto",
    "none",
    "required",
    "allowed_tools",
    "data:image/png;base64,R0lGODlh",
    "https://a/b",
    "{}",
    "{",
    "",
];

fn any_json() -> impl Strategy<Value = Value> {
    let key = || prop_oneof![4 => prop::sample::select(KEYS).prop_map(str::to_owned), 1 => ".*"];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        prop::sample::select(WORDS).prop_map(Value::from),
        ".*".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 60, 6, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Value::from),
            vec((key(), inner), 0..6).prop_map(|entries| Value::from(Map::from_iter(entries))),
        ]
    })
}

fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        1 => "[a-z]{0,3}".prop_map(|model| started(&model)),
        5 => ".{0,12}".prop_map(|text| said(&text)),
        3 => ".{0,12}".prop_map(|text| thought(&text)),
        3 => ("(a|b|a_1|)", ".{0,5}", prop_oneof![Just(""), Just("{}"), Just(r#"{"k":"\n"}"#)])
            .prop_map(|(id, name, arguments)| called(&id, &name, arguments)),
        1 => (option::of(any::<i64>()), option::of(any::<i64>()), option::of(any::<i64>())).prop_map(
            |(input_tokens, output_tokens, cached_input_tokens)| Event::UsageReported(UsageReported {
                input_tokens,
                output_tokens,
                cached_input_tokens,
                ..UsageReported::default()
            })
        ),
        1 => (0..5).prop_map(|reason| Event::Finished(Finished { reason, ..Finished::default() })),
    ]
}

fn any_script() -> impl Strategy<Value = Script> {
    let outcome = prop_oneof![
        3 => Just(Ok(())),
        1 => ".{0,9}".prop_map(|message| Err(Problem::new(ErrorReason::UpstreamTimeout, message))),
    ];
    (vec(any_event(), 0..12), outcome).prop_map(|(events, outcome)| Script { events, outcome })
}

fn any_head() -> impl Strategy<Value = AnswerHead> {
    let style = prop_oneof![3 => Just(CallStyle::Tools), 1 => Just(CallStyle::Function)];
    (any::<bool>(), style, ".{0,9}").prop_map(|(include_usage, call_style, model)| AnswerHead {
        include_usage,
        call_style,
        model,
        ..head()
    })
}

proptest! {
    #[test]
    fn any_value_is_mapped_or_rejected_with_reason(value in any_json()) {
        let bodies = [
            value.clone(),
            json!({ "messages": value }),
            json!({ "messages": [value] }),
            json!({ "messages": [{ "role": "user", "content": value }] }),
            json!({ "messages": [{ "role": "assistant", "tool_calls": value }] }),
            json!({ "messages": [{ "role": "user" }], "tools": value, "tool_choice": value }),
        ];
        for body in bodies {
            match accept(&body.to_string()) {
                Ok(accepted) => prop_assert!(!accepted.request.messages.is_empty()),
                Err(rejection) => prop_assert!(matches!(
                    rejection.reason,
                    ErrorReason::InvalidField | ErrorReason::UnsupportedField
                )),
            }
        }
    }

    #[test]
    fn any_value_may_stand_for_any_parameter(value in any_json(), index in 0..PARAMETERS.len()) {
        let name = PARAMETERS[index].name.split(['.', '[']).next().unwrap();
        let mut body = json!({ "messages": [{ "role": "user", "content": "hi" }] });
        body[name] = value;
        if let Err(rejection) = accept(&body.to_string()) {
            let param = rejection.param.unwrap();
            prop_assert!(param.starts_with(name), "{param} for {name}");
        }
    }

    #[test]
    fn any_bytes_are_read_or_rejected(bytes in vec(any::<u8>(), 0..200)) {
        if let Err(rejection) = ChatCompletionRequest::parse(&bytes) {
            prop_assert_eq!(rejection.reason, ErrorReason::InvalidField);
        }
    }

    #[test]
    fn a_body_that_was_cut_off_is_rejected(text in ".*", cut in any::<prop::sample::Index>()) {
        let body = json!({ "messages": [{ "role": "user", "content": text }] }).to_string().into_bytes();
        let cut = &body[..cut.index(body.len())];

        let rejection = ChatCompletionRequest::parse(cut).unwrap_err();

        prop_assert_eq!(rejection.param, None);
    }

    #[test]
    fn any_script_gives_a_valid_stream(script in any_script(), head in any_head()) {
        let include_usage = head.include_usage;
        let (answer, end) = strict::stream(&script.stream(head), include_usage).unwrap();

        let finished = script.events.iter().any(|event| matches!(event, Event::Finished(_)));
        prop_assert_eq!(answer.finish_reason.is_some(), finished);
        prop_assert_eq!(end.is_ok(), finished && script.outcome.is_ok());
    }

    #[test]
    fn a_stream_and_the_whole_are_the_same_answer(script in any_script(), head in any_head()) {
        // Asked for usage, so that it can be compared.
        let streamed = script.stream(AnswerHead { include_usage: true, ..head.clone() });
        let (streamed, end) = strict::stream(&streamed, true).unwrap();

        match script.collect(head) {
            Ok(whole) => {
                prop_assert_eq!(end, Ok(()));
                prop_assert_eq!(streamed, strict::whole(&whole).unwrap());
            }
            Err(problem) => {
                let body: Value = serde_json::from_slice(&problem.body()).unwrap();
                prop_assert_eq!(end.unwrap_err(), body["error"].clone());
            }
        }
    }

    #[test]
    fn text_of_any_kind_goes_through_both_ways(text in ".*") {
        let body = json!({ "messages": [{ "role": "user", "content": text }] }).to_string();
        let mapped = accept(&body).unwrap().request.messages.remove(0).parts.remove(0);
        prop_assert_eq!(
            mapped.content.unwrap(),
            warp2api_proto::warp_chat::v1::part::Content::Text(text.clone())
        );

        let finished = Event::Finished(Finished::default());
        let bytes = Script::of([said(&text), finished]).stream(head());
        prop_assert_eq!(strict::stream(&bytes, false).unwrap().0.content, text);
    }
}
