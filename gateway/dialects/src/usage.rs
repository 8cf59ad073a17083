//! Token counts as the upstream reported them, for every dialect to say in its words.

use warp2api_proto::warp_chat::v1::stream_chat_response::UsageReported;

/// What a turn cost in tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tokens {
    /// Tokens the model read, cached ones included.
    pub(crate) input: i64,
    /// Tokens the model wrote.
    pub(crate) output: i64,
    /// Of the input, those read from a cache, where that is known.
    pub(crate) cached: Option<i64>,
}

impl Tokens {
    /// What the upstream reported, if it is enough: nothing is estimated, and SDKs want whole numbers everywhere.
    pub(crate) fn from_report(report: &UsageReported) -> Option<Self> {
        let known = |tokens: Option<i64>| tokens.filter(|tokens| *tokens >= 0);
        let (input, output) = (known(report.input_tokens)?, known(report.output_tokens)?);
        Some(Self { input, output, cached: known(report.cached_input_tokens) })
    }

    /// Both together.
    pub(crate) fn total(self) -> i64 {
        self.input.saturating_add(self.output)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_is_whole_or_absent() {
        let report = |input, output, cached| UsageReported {
            input_tokens: input,
            output_tokens: output,
            cached_input_tokens: cached,
            total_tokens: Some(99),
            credits: Some(0.5),
        };

        assert_eq!(Tokens::from_report(&report(None, Some(1), None)), None);
        assert_eq!(Tokens::from_report(&report(Some(1), None, None)), None);
        assert_eq!(Tokens::from_report(&report(Some(-1), Some(1), None)), None);
        assert_eq!(Tokens::from_report(&report(Some(i64::MAX), Some(1), None)).unwrap().total(), i64::MAX);
        let tokens = Tokens::from_report(&report(Some(3), Some(4), Some(2))).unwrap();
        assert_eq!(tokens, Tokens { input: 3, output: 4, cached: Some(2) });
    }
}
