//! Models as OpenAI lists them, with the keys the original bridge adds.

use serde::Serialize;
use warp2api_proto::warp_chat::v1::ChatModel;

/// The body of `GET /v1/models`.
pub fn list(models: &[ChatModel]) -> Vec<u8> {
    #[derive(Serialize)]
    struct List<'a> {
        object: &'a str,
        data: Vec<Model<'a>>,
    }
    let list = List { object: "list", data: models.iter().map(Model::from).collect() };
    serde_json::to_vec(&list).expect("writing to memory does not fail")
}

/// The body of `GET /v1/models/{id}`.
pub fn one(model: &ChatModel) -> Vec<u8> {
    serde_json::to_vec(&Model::from(model)).expect("writing to memory does not fail")
}

/// The resource name to ask the service for, from the id or alias in the path.
pub fn resource_name(id: &str) -> String {
    format!("chatModels/{id}")
}

#[derive(Serialize)]
struct Model<'a> {
    id: &'a str,
    object: &'a str,
    created: i64,
    owned_by: &'a str,
    display_name: &'a str,
    description: &'a str,
    vision_supported: bool,
    categories: &'a [String],
}

impl<'a> From<&'a ChatModel> for Model<'a> {
    fn from(model: &'a ChatModel) -> Self {
        Self {
            id: &model.model_id,
            object: "model",
            created: model.create_time.as_ref().map_or(0, |time| time.seconds),
            owned_by: if model.provider.is_empty() { "warp" } else { &model.provider },
            display_name: &model.display_name,
            description: &model.description,
            vision_supported: model.vision_supported,
            categories: &model.categories,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model() -> ChatModel {
        ChatModel {
            name: "chatModels/gpt-5 (high reasoning)".to_owned(),
            model_id: "gpt-5 (high reasoning)".to_owned(),
            display_name: "GPT-5".to_owned(),
            description: "Thinks \"hard\"".to_owned(),
            provider: "openai".to_owned(),
            vision_supported: true,
            aliases: vec!["gpt-5-high".to_owned()],
            categories: vec!["planning".to_owned()],
            create_time: Some(prost_types::Timestamp { seconds: 1_754_000_000, nanos: 5 }),
        }
    }

    #[test]
    fn a_model_has_openais_keys_and_the_originals() {
        let expected = concat!(
            r#"{"id":"gpt-5 (high reasoning)","object":"model","created":1754000000,"owned_by":"openai","#,
            r#""display_name":"GPT-5","description":"Thinks \"hard\"","vision_supported":true,"#,
            r#""categories":["planning"]}"#
        );

        assert_eq!(String::from_utf8(one(&model())).unwrap(), expected);
        assert_eq!(
            String::from_utf8(list(&[model(), model()])).unwrap(),
            format!(r#"{{"object":"list","data":[{expected},{expected}]}}"#)
        );
    }

    #[test]
    fn an_empty_list_is_a_list() {
        assert_eq!(list(&[]), br#"{"object":"list","data":[]}"#);
    }

    #[test]
    fn a_model_without_a_maker_or_a_date_is_still_valid() {
        let body = String::from_utf8(one(&ChatModel::default())).unwrap();

        assert!(body.contains(r#""created":0,"owned_by":"warp""#), "{body}");
    }
}
