//! Which exchanges a reader wants. Pure.

use warp2api_proto::warp_chat::v1::{ExchangeFilter, ExchangeKind, ExchangeState};
use warp2api_rpc::Failure;

use super::live::Live;
use super::ring::{Entry, What};

/// The exchanges that are wanted. What is empty does not matter.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filter {
    model: String,
    state: Option<ExchangeState>,
    credential: String,
    request_id: String,
    trace_id: String,
    kind: Option<ExchangeKind>,
}

impl Filter {
    /// Reads a filter.
    ///
    /// # Errors
    /// When a value is none of its enum.
    pub(crate) fn parse(filter: Option<ExchangeFilter>) -> Result<Self, Failure> {
        let filter = filter.unwrap_or_default();
        let unknown = |field: &str| Failure::invalid(format!("filter.{field}"), "is not a known value");
        let state = ExchangeState::try_from(filter.state).map_err(|_| unknown("state"))?;
        let kind = ExchangeKind::try_from(filter.kind).map_err(|_| unknown("kind"))?;
        Ok(Self {
            model: filter.model,
            state: Some(state).filter(|state| *state != ExchangeState::Unspecified),
            credential: filter.credential,
            request_id: filter.request_id,
            trace_id: filter.trace_id,
            kind: Some(kind).filter(|kind| *kind != ExchangeKind::Unspecified),
        })
    }

    /// Whether an exchange is wanted as it is now.
    pub(crate) fn wants(&self, live: &Live) -> bool {
        self.wants_call(live)
            && self.wants_credential(live)
            && self.state.is_none_or(|state| live.record().state() == state)
    }

    /// Whether something that happened is wanted.
    pub(super) fn wants_entry(&self, entry: &Entry) -> bool {
        let live = &entry.live;
        if !self.wants_call(live) || !self.wants_credential(live) {
            return false;
        }
        let Some(state) = self.state else { return true };
        match entry.what {
            What::Ended => live.record().state() == state,
            _ => match state {
                ExchangeState::Succeeded | ExchangeState::Failed | ExchangeState::Cancelled => false,
                state => state_after(&entry.what) == state,
            },
        }
    }

    fn wants_call(&self, live: &Live) -> bool {
        let fits = |wanted: &str, is: &str| wanted.is_empty() || wanted == is;
        fits(&self.model, &live.about.model)
            && fits(&self.request_id, &live.about.request_id)
            && fits(&self.trace_id, &live.about.trace_id)
            && self.kind.is_none_or(|kind| kind == live.about.kind)
    }

    fn wants_credential(&self, live: &Live) -> bool {
        let wanted = &self.credential;
        wanted.is_empty()
            || live.record().credentials.iter().any(|is| is.name == *wanted || is.display_name == *wanted)
    }
}

fn state_after(what: &What) -> ExchangeState {
    match what {
        What::Started | What::Leased { .. } => ExchangeState::Leasing,
        What::Sent { .. } | What::AttemptFailed { .. } => ExchangeState::Awaiting,
        What::FirstEvent { .. } | What::Event(_) => ExchangeState::Streaming,
        What::Ended => ExchangeState::Unspecified,
    }
}
