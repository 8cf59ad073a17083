//! `WarpChat` as a gRPC service: check the message, run the turn, hand over its stream.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::SystemTime;

use prost::Message as _;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;
use tonic::{Request, Response, Status};
use warp2api_proto::error::v1::ErrorReason;
use warp2api_proto::token_pool::v1::token_pool_client::TokenPoolClient;
use warp2api_proto::warp::multi_agent::v1 as warp;
use warp2api_proto::warp_chat::v1::stream_chat_response::Started;
use warp2api_proto::warp_chat::v1::tool_choice::Mode;
use warp2api_proto::warp_chat::v1::warp_chat_server::WarpChat;
use warp2api_proto::warp_chat::v1::{
    GetChatModelRequest, GetChatModelResponse, GetExchangeRequest, GetExchangeResponse,
    ListChatModelsRequest, ListChatModelsResponse, ListExchangesRequest, ListExchangesResponse,
    StreamChatRequest, Tool, ToolChoice, WatchExchangesRequest,
};
use warp2api_proto::{opaque, value};
use warp2api_rpc::context::CREDENTIAL;
use warp2api_rpc::meter::Reader;
use warp2api_rpc::serve::Shutdown;
use warp2api_rpc::trace;
use warp2api_rpc::{CallContext, Failure, GrpcEndpoint, HttpEndpoint, Live, MAX_MESSAGE_BYTES};

use crate::arrange::arrange;
use crate::config::{ChatConfig, Clocks};
use crate::content::Asked;
use crate::conversation;
use crate::exchange::{self, About, Exchange, Feed, Watch, Wish};
use crate::holding::Holding;
use crate::lease::{Lender, Wanted};
use crate::limits::Limiter;
use crate::models::Models;
use crate::projection::{ChatProjection, Projection, WarpProjection};
use crate::resume::{self, Conversations, Keeping, KeptChat};
use crate::turn::{Model, OnCredential, Sending, TurnStream, Turns};
use crate::upstream::{Upstream, UpstreamConfigError};
use crate::warp::events::Reducer;
use crate::warp::request::{self, OfferedTool};

/// What the resource names of models begin with.
const COLLECTION: &str = "chatModels/";

/// The service.
#[derive(Debug, Clone)]
pub struct WarpChatService {
    turns: Live<Turns>,
    models: Arc<Models>,
    conversations: Conversations,
    feed: Feed,
}

impl WarpChatService {
    /// A service that runs turns on `upstream` with credentials from `token_pool`. What outlives a call, the report
    /// of a lease, runs on `tasks`.
    ///
    /// # Errors
    /// When the upstream's address or a header of the client is unusable.
    pub fn new(
        config: ChatConfig,
        upstream: HttpEndpoint,
        token_pool: GrpcEndpoint,
        tasks: TaskTracker,
    ) -> Result<Self, UpstreamConfigError> {
        let upstream = Upstream::new(upstream, &config)?;
        let pool = TokenPoolClient::new(token_pool)
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .max_encoding_message_size(MAX_MESSAGE_BYTES);
        let lender = Lender { pool, tasks, holding: Holding::new(config.lease_life) };
        let conversations = Conversations::new(config.resume);
        let feed = Feed::new(config.feed);
        let turns = Turns { config: Arc::new(config), upstream, lender };
        Ok(Self { turns: Live::new(turns), models: Arc::new(Models::built_in()), conversations, feed })
    }

    /// What operators get to see of exchanges.
    pub fn feed(&self) -> &Feed {
        &self.feed
    }

    /// Leases credentials for a short while from now on, and tells the pool that they are still held, until it is to drain
    /// and the last turn has ended, or it is to abort. Without this a lease is for as long as a turn may take.
    pub async fn keep_leases(self, shutdown: Shutdown) {
        let Lender { pool, holding, .. } = self.turns.get().lender.clone();
        drop(self);
        let Shutdown { drain, abort, .. } = shutdown;
        holding.keep(pool, drain, abort).await;
    }

    /// Goes on with other rules for turns: history, tools, quota, the preamble, the clocks of an answer. Turns that have
    /// begun keep theirs. Everything else, such as where the upstream is, is settled at the start.
    pub fn reconfigure(&self, config: &ChatConfig) {
        let Turns { config: settled, upstream, lender } = &*self.turns.get();
        let clocks = Clocks { lifetime: settled.clocks.lifetime, ..config.clocks };
        let config = ChatConfig {
            history: config.history,
            tools: config.tools,
            on_quota: config.on_quota,
            server_preamble: config.server_preamble,
            clocks,
            ..ChatConfig::clone(settled)
        };
        self.turns.set(Turns {
            config: Arc::new(config),
            upstream: upstream.clone(),
            lender: lender.clone(),
        });
    }

    fn begin(&self, turns: &Turns, context: &CallContext, about: About) -> Exchange {
        let (request_id, trace_id) = (context.request_id(), context.trace_id());
        let upstream = &turns.config.upstream_label;
        self.feed.begin(about.along_with(
            request_id.unwrap_or_default(),
            trace_id.unwrap_or_default(),
            upstream,
        ))
    }

    fn prepare(&self, config: &ChatConfig, chat: StreamChatRequest) -> Result<Prepared, Failure> {
        let limiter = chat.limits.clone();
        // Once for the checks; each attempt has its own.
        Limiter::new(limiter.clone())?;
        let tools = offered_tools(chat.tools, chat.tool_choice)?;
        let parsed = conversation::parse(chat.messages)?;
        let delivery = warp2api_proto::warp_chat::v1::Delivery::try_from(chat.delivery)
            .map_err(|_| Failure::invalid("delivery", "is not a known value"))?;
        let asked = chat.model.strip_prefix(COLLECTION).unwrap_or(&chat.model);
        let model = self.models.resolve(asked, &chat.reasoning_effort).to_owned();
        let context = request::Context {
            config,
            model: &model,
            tools,
            parallel_tool_calls: chat.parallel_tool_calls.unwrap_or(true),
            now: prost_types::Timestamp::from(SystemTime::now()),
            next_id: || uuid::Uuid::new_v4().to_string(),
        };
        let arranged = arrange(parsed);
        let keeping = match chat.resume {
            Some(resume) => {
                let session = self.conversations.begin(resume::name(resume)?)?;
                Some(Keeping::new(session, &arranged, &context))
            }
            None => None,
        };
        let message = request::build(arranged, context).encode_to_vec().into();
        let started = Started { model, upstream: config.upstream_label.clone(), ..Default::default() };
        Ok(Prepared { message, keeping, limiter, delivery, started })
    }
}

/// Whether whoever asked reads; nobody knows where no connection of theirs was seen.
fn reader_of<T>(request: &Request<T>) -> Reader {
    request.extensions().get().cloned().unwrap_or_default()
}

struct Prepared {
    /// The whole conversation.
    message: bytes::Bytes,
    keeping: Option<Keeping>,
    limiter: Option<warp2api_proto::warp_chat::v1::Limits>,
    delivery: warp2api_proto::warp_chat::v1::Delivery,
    started: Started,
}

type ChatStream = TurnStream<KeptChat>;
type WarpStream = TurnStream<WarpProjection>;

#[tonic::async_trait]
impl WarpChat for WarpChatService {
    type StreamChatStream = ChatStream;
    type StreamWarpStream = WarpStream;
    type WatchExchangesStream = Watch;

    async fn stream_chat(
        &self,
        request: Request<StreamChatRequest>,
    ) -> Result<Response<Self::StreamChatStream>, Status> {
        let context = CallContext::from_metadata(request.metadata(), Instant::now());
        let reader = reader_of(&request);
        let chat = request.into_inner();
        let turns = self.turns.get();
        let asked = Some(&chat).filter(|_| turns.config.trace_content && trace::is_recorded());
        let asked = asked.map(Asked::of);
        let remembers = asked.is_some();
        let exchange = self.begin(&turns, &context, About::chat(&chat));
        let prepared = self.prepare(&turns.config, chat).inspect_err(|failure| exchange.failed(failure))?;
        let Prepared { message, keeping, limiter, delivery, started } = prepared;
        let wanted = keeping.as_ref().map_or_else(Wanted::default, |keeping| Wanted {
            preferred: keeping.credential().to_owned(),
            affinity_key: keeping.affinity_key(),
        });
        let model = started.model.clone();
        let plan = move |credential: OnCredential<'_>| {
            let limiter = Limiter::new(limiter.clone()).unwrap_or_default();
            let going_on = keeping.as_ref().filter(|_| !credential.afresh);
            let going_on = going_on.and_then(|keeping| keeping.message(credential.name));
            let resumed = going_on.is_some();
            let message = going_on.unwrap_or_else(|| message.clone());
            let started = Started { resumed, ..started.clone() };
            let chat = ChatProjection::new(Reducer::new(delivery, started), limiter);
            let chat = if remembers { chat.remembering() } else { chat };
            let recorder =
                keeping.as_ref().map(|keeping| keeping.recorder(credential.name, &message, resumed));
            let projection = KeptChat { chat, recorder: recorder.map(Box::new) };
            Sending { message, projection, resumed }
        };
        let model = Model { name: &model, known: self.models.get(&model).is_some(), asked, reader: &reader };
        let stream = turns.open(context, model, wanted, exchange, plan).await?;
        Ok(answered(stream))
    }

    async fn stream_warp(
        &self,
        request: Request<opaque::Request>,
    ) -> Result<Response<Self::StreamWarpStream>, Status> {
        let context = CallContext::from_metadata(request.metadata(), Instant::now());
        let reader = reader_of(&request);
        let message = request.into_inner().bytes;
        let decoded = warp::Request::decode(message.clone());
        let turns = self.turns.get();
        let about = About::warp(decoded.as_ref().ok(), message.len());
        let model = about.model.clone();
        let exchange = self.begin(&turns, &context, about);
        if decoded.is_err() {
            let words = "the message is not a warp.multi_agent.v1.Request";
            let failure = Failure::new(ErrorReason::MalformedMessage, words);
            exchange.failed(&failure);
            return Err(failure.into());
        }
        let plan = move |_: OnCredential<'_>| {
            let projection = WarpProjection::default();
            Sending { message: message.clone(), projection, resumed: false }
        };
        let model =
            Model { name: &model, known: self.models.get(&model).is_some(), asked: None, reader: &reader };
        let stream = turns.open(context, model, Wanted::default(), exchange, plan).await?;
        Ok(answered(stream))
    }

    async fn list_chat_models(
        &self,
        request: Request<ListChatModelsRequest>,
    ) -> Result<Response<ListChatModelsResponse>, Status> {
        let ListChatModelsRequest { page_size, page_token } = request.into_inner();
        let page = warp2api_rpc::page::Page::parse(page_size, &page_token, 1000, 1000)?;
        let (chat_models, next_page_token) = page.cut(self.models.list());
        Ok(Response::new(ListChatModelsResponse { chat_models, next_page_token }))
    }

    async fn get_chat_model(
        &self,
        request: Request<GetChatModelRequest>,
    ) -> Result<Response<GetChatModelResponse>, Status> {
        let name = request.into_inner().name;
        let Some(id) = name.strip_prefix(COLLECTION) else {
            return Err(Failure::invalid("name", "must begin with `chatModels/`").into());
        };
        let chat_model = self.models.get(id).ok_or_else(|| {
            Failure::new(ErrorReason::ModelNotFound, format!("no model named `{id}` is known"))
                .with_metadata("model", id)
        })?;
        Ok(Response::new(GetChatModelResponse { chat_model: Some(chat_model) }))
    }

    async fn watch_exchanges(
        &self,
        request: Request<WatchExchangesRequest>,
    ) -> Result<Response<Self::WatchExchangesStream>, Status> {
        let wish = Wish::parse(request.into_inner())?;
        Ok(Response::new(self.feed.watch(wish)?))
    }

    async fn list_exchanges(
        &self,
        request: Request<ListExchangesRequest>,
    ) -> Result<Response<ListExchangesResponse>, Status> {
        Ok(Response::new(exchange::list(&self.feed, request.into_inner())?))
    }

    async fn get_exchange(
        &self,
        request: Request<GetExchangeRequest>,
    ) -> Result<Response<GetExchangeResponse>, Status> {
        Ok(Response::new(exchange::get(&self.feed, &request.get_ref().name)?))
    }
}

/// A stream, and on which credential it runs.
fn answered<P: Projection>(stream: TurnStream<P>) -> Response<TurnStream<P>> {
    let credential = stream.credential().parse();
    let mut response = Response::new(stream);
    if let Ok(credential) = credential {
        response.metadata_mut().insert(CREDENTIAL, credential);
    }
    response
}

/// The tools that the choice leaves, in the order they were given.
fn offered_tools(tools: Vec<Tool>, choice: Option<ToolChoice>) -> Result<Vec<OfferedTool>, Failure> {
    let mut offered = Vec::with_capacity(tools.len());
    let mut names = HashSet::new();
    for (index, tool) in tools.into_iter().enumerate() {
        let path = format!("tools[{index}]");
        if tool.name.is_empty() {
            return Err(Failure::invalid(format!("{path}.name"), "must be set"));
        }
        if !names.insert(tool.name.clone()) {
            return Err(Failure::invalid(format!("{path}.name"), "is the name of another tool too"));
        }
        let mut schema =
            conversation::json_object(&tool.parameters_json, &format!("{path}.parameters_json"))?;
        if schema.fields.is_empty() {
            schema = no_arguments();
        }
        offered.push(OfferedTool { name: tool.name, description: tool.description, schema });
    }
    let Some(choice) = choice else { return Ok(offered) };
    for (index, name) in choice.tool_names.iter().enumerate() {
        if !names.contains(name) {
            let path = format!("tool_choice.tool_names[{index}]");
            return Err(Failure::invalid(path, "is not the name of an offered tool"));
        }
    }
    match choice.mode() {
        Mode::None => offered.clear(),
        Mode::Required => {
            let words = "the upstream cannot be made to call a tool";
            return Err(Failure::new(ErrorReason::UnsupportedField, format!("tool_choice.mode: {words}"))
                .with_field("tool_choice.mode", words));
        }
        Mode::Unspecified | Mode::Auto => {
            if !choice.tool_names.is_empty() {
                offered.retain(|tool| choice.tool_names.contains(&tool.name));
            }
        }
    }
    Ok(offered)
}

/// The schema of a tool that takes none: an object without properties.
fn no_arguments() -> value::Struct {
    let text = |text: &str| Some(value::Value { kind: Some(value::Kind::String(text.to_owned())) });
    let empty = Some(value::Value { kind: Some(value::Kind::Struct(value::Struct::default())) });
    value::Struct {
        fields: vec![
            value::Field { key: "type".to_owned(), value: text("object") },
            value::Field { key: "properties".to_owned(), value: empty },
        ],
    }
}
