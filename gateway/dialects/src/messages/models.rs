//! Models as Anthropic lists them.

use serde::Serialize;
use warp2api_proto::warp_chat::v1::ChatModel;

use crate::rejection::Rejection;

/// The most models on a page, and how many there are where the caller does not say. Anthropic's own default is 20; who
/// does not ask for pages gets all there is.
const MAX_LIMIT: usize = 1000;

/// Which part of a list is asked for: the query of the URL, decoded.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// How many at most, as it was written.
    pub limit: Option<String>,
    /// Only models that follow this id.
    pub after_id: Option<String>,
    /// Only models that come before this id.
    pub before_id: Option<String>,
}

/// The body of `GET /v1/models`.
///
/// # Errors
/// When the page makes no sense.
pub fn list(models: &[ChatModel], page: &Page) -> Result<Vec<u8>, Rejection> {
    #[derive(Serialize)]
    struct List<'a> {
        data: Vec<Model<'a>>,
        has_more: bool,
        first_id: Option<&'a str>,
        last_id: Option<&'a str>,
    }
    let limit = limit(page.limit.as_deref())?;
    let place = |id: &str, param| {
        let place = models.iter().position(|model| model.model_id == id);
        place.ok_or_else(|| Rejection::invalid(param, "expected the id of a model in the list"))
    };
    let (shown, has_more) = match (&page.after_id, &page.before_id) {
        (Some(_), Some(_)) => {
            return Err(Rejection::invalid("before_id", "expected nothing beside after_id"));
        }
        (None, Some(id)) => {
            // The nearest ones before it.
            let before = &models[..place(id, "before_id")?];
            let from = before.len().saturating_sub(limit);
            (&before[from..], from > 0)
        }
        (after, None) => {
            let from = after.as_ref().map(|id| place(id, "after_id")).transpose()?;
            let after = &models[from.map_or(0, |place| place + 1)..];
            (&after[..limit.min(after.len())], after.len() > limit)
        }
    };
    let list = List {
        data: shown.iter().map(Model::from).collect(),
        has_more,
        first_id: shown.first().map(|model| model.model_id.as_str()),
        last_id: shown.last().map(|model| model.model_id.as_str()),
    };
    Ok(serde_json::to_vec(&list).expect("writing to memory does not fail"))
}

/// The body of `GET /v1/models/{id}`.
pub fn one(model: &ChatModel) -> Vec<u8> {
    serde_json::to_vec(&Model::from(model)).expect("writing to memory does not fail")
}

fn limit(written: Option<&str>) -> Result<usize, Rejection> {
    let Some(written) = written.filter(|written| !written.is_empty()) else { return Ok(MAX_LIMIT) };
    let limit = written.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit));
    limit.ok_or_else(|| Rejection::invalid("limit", format!("expected an integer from 1 to {MAX_LIMIT}")))
}

#[derive(Serialize)]
struct Model<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    id: &'a str,
    display_name: &'a str,
    created_at: String,
}

impl<'a> From<&'a ChatModel> for Model<'a> {
    fn from(model: &'a ChatModel) -> Self {
        Self {
            kind: "model",
            id: &model.model_id,
            display_name: &model.display_name,
            created_at: model.create_time.unwrap_or_default().to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn models(count: i64) -> Vec<ChatModel> {
        let models = (0..count).map(|number| ChatModel {
            model_id: format!("m{number}"),
            display_name: format!("Model {number}"),
            create_time: Some(prost_types::Timestamp { seconds: 1_754_006_400 + number, nanos: 0 }),
            ..ChatModel::default()
        });
        models.collect()
    }

    fn page(limit: &str, after_id: &str, before_id: &str) -> Page {
        let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Page { limit: given(limit), after_id: given(after_id), before_id: given(before_id) }
    }

    fn shown(page: &Page) -> (Vec<String>, bool, Value, Value) {
        let list: Value = serde_json::from_slice(&list(&models(5), page).unwrap()).unwrap();
        let ids =
            list["data"].as_array().unwrap().iter().map(|model| model["id"].as_str().unwrap().to_owned());
        let has_more = list["has_more"].as_bool().unwrap();
        (ids.collect(), has_more, list["first_id"].clone(), list["last_id"].clone())
    }

    #[test]
    fn a_model_has_anthropics_keys() {
        assert_eq!(
            String::from_utf8(one(&models(1)[0])).unwrap(),
            r#"{"type":"model","id":"m0","display_name":"Model 0","created_at":"2025-08-01T00:00:00Z"}"#
        );
        assert_eq!(
            list(&[], &Page::default()).unwrap(),
            br#"{"data":[],"has_more":false,"first_id":null,"last_id":null}"#
        );
    }

    #[test]
    fn pages_lie_one_after_the_other_in_both_directions() {
        for (limit, after, before, ids, more) in [
            ("", "", "", "m0 m1 m2 m3 m4", false),
            ("5", "", "", "m0 m1 m2 m3 m4", false),
            ("2", "", "", "m0 m1", true),
            ("2", "m1", "", "m2 m3", true),
            ("2", "m3", "", "m4", false),
            ("2", "m4", "", "", false),
            ("2", "", "m4", "m2 m3", true),
            ("2", "", "m2", "m0 m1", false),
            ("2", "", "m0", "", false),
        ] {
            let (found, has_more, first, last) = shown(&page(limit, after, before));
            assert_eq!((found.join(" ").as_str(), has_more), (ids, more), "{limit} {after} {before}");
            assert_eq!(first.as_str(), found.first().map(String::as_str));
            assert_eq!(last.as_str(), found.last().map(String::as_str));
        }
    }

    #[test]
    fn pages_without_sense_are_named() {
        for (page, param) in [
            (page("0", "", ""), "limit"),
            (page("1001", "", ""), "limit"),
            (page("x", "", ""), "limit"),
            (page("", "none", ""), "after_id"),
            (page("", "", "none"), "before_id"),
            (page("", "m1", "m2"), "before_id"),
        ] {
            assert_eq!(list(&models(5), &page).unwrap_err().param.as_deref(), Some(param));
        }
    }
}
