//! Exchanges for those who ask later: a list, and one with all that is kept of it.

use tokio::time::Instant;
use warp2api_proto::error::v1::ErrorReason;
use warp2api_proto::warp_chat::v1::{GetExchangeResponse, ListExchangesRequest, ListExchangesResponse};
use warp2api_rpc::Failure;

use super::convert;
use super::feed::Feed;
use super::filter::Filter;

const DEFAULT_PAGE_SIZE: usize = 50;
const MAX_PAGE_SIZE: usize = 1000;

/// A page of the exchanges that are kept, the latest first. Tokens name an id, so exchanges that begin meanwhile do not
/// shift the pages.
///
/// # Errors
/// When a field of the request is wrong; the failure names it.
pub(crate) fn list(feed: &Feed, request: ListExchangesRequest) -> Result<ListExchangesResponse, Failure> {
    let filter = Filter::parse(request.filter)?;
    let size = match usize::try_from(request.page_size) {
        Ok(0) => DEFAULT_PAGE_SIZE,
        Ok(size) => size.min(MAX_PAGE_SIZE),
        Err(_) => return Err(Failure::invalid("page_size", "must not be negative")),
    };
    let below = match request.page_token.as_str() {
        "" => Some(u64::MAX),
        token => token.strip_prefix("below-").and_then(|id| id.parse().ok()),
    };
    let below = below.ok_or_else(|| Failure::invalid("page_token", "is not a token of an earlier page"))?;
    let now = Instant::now();
    let latest = feed.latest(below);
    let mut wanted = latest.iter().filter(|live| filter.wants(live)).peekable();
    let mut exchanges = Vec::new();
    let mut last = 0;
    while exchanges.len() < size
        && let Some(live) = wanted.next()
    {
        last = live.id;
        exchanges.push(convert::exchange(live, now));
    }
    let next_page_token = wanted.peek().map(|_| format!("below-{last}")).unwrap_or_default();
    Ok(ListExchangesResponse { exchanges, next_page_token })
}

/// One exchange, with what is kept of its events.
///
/// # Errors
/// When there is none of that name, or none any more.
pub(crate) fn get(feed: &Feed, name: &str) -> Result<GetExchangeResponse, Failure> {
    let Some(id) = name.strip_prefix(convert::COLLECTION) else {
        return Err(Failure::invalid("name", "must begin with `exchanges/`"));
    };
    let live = id.parse().ok().and_then(|id| feed.find(id)).ok_or_else(|| {
        let words = format!("no exchange `{}` is kept", super::live::cut(id, 32));
        Failure::new(ErrorReason::ExchangeNotFound, words)
    })?;
    let (events, request) = feed.contents(&live);
    let mut exchange = convert::exchange(&live, Instant::now());
    let had = exchange.progress.as_ref().map_or(0, |progress| progress.event_count);
    exchange.stream_events = events.iter().map(|event| convert::stream_event(event, true)).collect();
    exchange.stream_events_dropped = had > convert::signed(events.len() as u64);
    exchange.upstream_request = convert::allowed(request.as_ref(), true);
    Ok(GetExchangeResponse { exchange: Some(exchange) })
}
