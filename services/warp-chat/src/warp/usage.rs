//! What a turn cost, from the three places where the upstream may say it. Nothing is estimated.

use warp2api_proto::warp::multi_agent::v1::response_event::StreamFinished;
use warp2api_proto::warp_chat::v1::stream_chat_response::UsageReported;

/// The usage that `finished` reports, `None` if it reports none.
///
/// Best first: token counts by model (their input includes what came from the cache), then the charges of this
/// request (there, cached input is counted apart and belongs to the input), then only a total: that of the
/// conversation, which for a stateless turn is the turn's own.
pub(crate) fn reported(finished: &StreamFinished) -> Option<UsageReported> {
    let mut usage = UsageReported { credits: credits(finished), ..Default::default() };
    if !finished.token_usage.is_empty() {
        let models = &finished.token_usage;
        usage.input_tokens = Some(models.iter().map(|m| i64::from(m.total_input)).sum());
        usage.output_tokens = Some(models.iter().map(|m| i64::from(m.output)).sum());
        usage.cached_input_tokens = Some(models.iter().map(|m| i64::from(m.input_cache_read)).sum());
    } else if let Some(counts) = charged(finished) {
        usage.input_tokens = Some(counts.input + counts.cache_read + counts.cache_write);
        usage.output_tokens = Some(counts.output);
        usage.cached_input_tokens = Some(counts.cache_read);
    }
    usage.total_tokens = match (usage.input_tokens, usage.output_tokens) {
        (Some(input), Some(output)) => Some(input + output),
        _ => conversation_total(finished),
    };
    (usage != UsageReported::default()).then_some(usage)
}

/// The model that answered: `finished` names one, and no other.
pub(crate) fn model(finished: &StreamFinished) -> Option<&str> {
    let counted = finished.token_usage.iter().map(|model| &model.model_id);
    let charges = finished.request_charges.iter().flat_map(|charges| charges.usage_by_category.values());
    let charged = charges.flat_map(|usage| {
        let direct = usage.direct_api_inference_usage.keys();
        direct.chain(usage.byok_inference_usage.keys()).chain(usage.custom_endpoint_inference_usage.keys())
    });
    let mut named = counted.chain(charged).filter(|model| !model.is_empty());
    let first = named.next()?;
    named.all(|model| model == first).then_some(first)
}

#[derive(Default)]
struct Counts {
    input: i64,
    output: i64,
    cache_read: i64,
    cache_write: i64,
}

fn charged(finished: &StreamFinished) -> Option<Counts> {
    let charges = finished.request_charges.as_ref()?;
    let counts: Vec<_> = charges
        .usage_by_category
        .values()
        .flat_map(|usage| {
            let direct = usage.direct_api_inference_usage.values();
            direct
                .chain(usage.byok_inference_usage.values())
                .chain(usage.custom_endpoint_inference_usage.values())
        })
        .filter_map(|inference| inference.token_count.as_ref())
        .collect();
    (!counts.is_empty()).then(|| {
        counts.into_iter().fold(Counts::default(), |sum, count| Counts {
            input: sum.input + i64::from(count.input),
            output: sum.output + i64::from(count.output),
            cache_read: sum.cache_read + i64::from(count.input_cache_read),
            cache_write: sum.cache_write + i64::from(count.input_cache_write),
        })
    })
}

fn conversation_total(finished: &StreamFinished) -> Option<i64> {
    let totals = &finished.conversation_usage_metadata.as_ref()?.warp_token_usage;
    (!totals.is_empty()).then(|| totals.values().map(|model| i64::from(model.total_tokens)).sum())
}

#[expect(deprecated, reason = "the only place where the upstream tells what a request cost")]
fn credits(finished: &StreamFinished) -> Option<f64> {
    let cost = finished.request_cost.as_ref()?;
    Some(f64::from(cost.exact) + f64::from(cost.platform_credits))
}

#[cfg(test)]
mod tests {
    use warp2api_proto::warp::multi_agent::v1::response_event::stream_finished::{
        ChargedUsage, InferenceUsage, RequestCharges, TokenUsage,
    };

    use super::*;

    #[test]
    fn the_model_that_answered_is_the_only_one_that_is_named() {
        let finished = |counted: &[&str], charged: &[&str]| StreamFinished {
            token_usage: counted
                .iter()
                .map(|model| TokenUsage { model_id: (*model).to_owned(), ..Default::default() })
                .collect(),
            request_charges: Some(RequestCharges {
                usage_by_category: charged
                    .iter()
                    .map(|model| {
                        let models = [((*model).to_owned(), InferenceUsage::default())].into_iter().collect();
                        let usage = ChargedUsage { direct_api_inference_usage: models, ..Default::default() };
                        (format!("for {model}"), usage)
                    })
                    .collect(),
            }),
            ..Default::default()
        };
        for (counted, charged, expected) in [
            (&[][..], &[][..], None),
            (&[""], &[], None),
            (&["gpt"], &[], Some("gpt")),
            (&["gpt"], &["gpt"], Some("gpt")),
            (&[], &["gpt"], Some("gpt")),
            (&["gpt"], &["claude"], None),
            (&["gpt", "claude"], &[], None),
        ] {
            assert_eq!(model(&finished(counted, charged)), expected, "{counted:?} {charged:?}");
        }
    }
}
