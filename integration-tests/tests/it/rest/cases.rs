//! What is asked of each annotated method, by gRPC and by REST: the whole request in JSON. A method without a case is
//! a mistake.

use serde_json::{Value, json};
use warp2api_upstream_sim::{Cut, Refusal, Scenario};

/// A call of a method.
pub(crate) struct Case {
    /// For example `codec.v1.Codec/DecodeMessage`.
    pub(crate) method: &'static str,
    pub(crate) request: Value,
    /// What the upstream does, if it is asked.
    pub(crate) script: Vec<Scenario>,
    /// How many messages of a stream are read.
    pub(crate) most: usize,
    /// Whether the call goes well.
    pub(crate) fails: bool,
}

fn call(method: &'static str, request: Value) -> Case {
    Case { method, request, script: Vec::new(), most: usize::MAX, fails: false }
}

impl Case {
    fn fails(mut self) -> Self {
        self.fails = true;
        self
    }

    fn script(mut self, scenario: Scenario) -> Self {
        self.script.push(scenario);
        self
    }
}

/// The calls in the order they are made.
pub(crate) fn all() -> Vec<Case> {
    codec().into_iter().chain(token_pool()).chain(warp_chat()).collect()
}

fn codec() -> Vec<Case> {
    let request = "messageTypes/warp.multi_agent.v1.Request";
    vec![
        call("codec.v1.Codec/ListMessageTypes", json!({})),
        call("codec.v1.Codec/ListMessageTypes", json!({"pageSize": 3, "pageToken": "p5"})),
        call("codec.v1.Codec/ListMessageTypes", json!({"pageSize": -1})).fails(),
        call("codec.v1.Codec/GetMessageType", json!({"name": request})),
        call("codec.v1.Codec/GetMessageType", json!({"name": "messageTypes/no.Such"})).fails(),
        call("codec.v1.Codec/EncodeMessage", json!({"name": request, "json": r#"{"metadata":{}}"#})),
        call("codec.v1.Codec/EncodeMessage", json!({"name": request, "json": "{"})).fails(),
        call("codec.v1.Codec/EncodeMessage", json!({"name": request})).fails(),
        call(
            "codec.v1.Codec/DecodeMessage",
            json!({"name": request, "data": "EgoyCAoGCgQKAmhpIgMKAWM=", "fieldNaming": "FIELD_NAMING_CAMEL_CASE"}),
        ),
        call("codec.v1.Codec/DecodeMessage", json!({"name": request, "data": "EgoyCAoGCgQ="})).fails(),
    ]
}

fn token_pool() -> Vec<Case> {
    let made = json!({"name": "credentials/made-here"});
    let method = |name: &'static str, request: &Value| call(name, request.clone());
    let credential = |more: Value| {
        let mut credential = json!({"secret": "embedded-upstream-refresh-token", "displayName": "made"});
        credential.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        json!({"credential": credential, "credentialId": "made-here"})
    };
    let update = |mask: &str, more: Value| {
        let mut credential = made.clone();
        credential.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        json!({"credential": credential, "updateMask": mask})
    };
    vec![
        call("token_pool.v1.TokenPool/ListCredentials", json!({"pageSize": 1})),
        call("token_pool.v1.TokenPool/ListCredentials", json!({"pageToken": "of another list"})).fails(),
        call("token_pool.v1.TokenPool/GetCredential", json!({"name": "credentials/EMBEDDED"})),
        call("token_pool.v1.TokenPool/GetCredential", json!({"name": "credentials/nobody"})).fails(),
        call(
            "token_pool.v1.TokenPool/CreateCredential",
            credential(json!({"tier": "CREDENTIAL_TIER_SHARED"})),
        ),
        call("token_pool.v1.TokenPool/CreateCredential", credential(json!({}))).fails(),
        call("token_pool.v1.TokenPool/CreateCredential", json!({"credential": {}})).fails(),
        call(
            "token_pool.v1.TokenPool/UpdateCredential",
            update("displayName", json!({"displayName": "new"})),
        ),
        call("token_pool.v1.TokenPool/UpdateCredential", update("", json!({"maxInFlight": 3}))),
        call(
            "token_pool.v1.TokenPool/UpdateCredential",
            update("", json!({"etag": "old", "maxInFlight": 3})),
        )
        .fails(),
        method("token_pool.v1.TokenPool/RefreshCredential", &made),
        method("token_pool.v1.TokenPool/CheckCredential", &made),
        call(
            "token_pool.v1.TokenPool/DisableCredential",
            json!({"name": "credentials/made-here", "reason": "not needed today"}),
        ),
        call(
            "token_pool.v1.TokenPool/ListCredentials",
            json!({"tier": "CREDENTIAL_TIER_SHARED", "state": "CREDENTIAL_STATE_DISABLED"}),
        ),
        method("token_pool.v1.TokenPool/EnableCredential", &made),
        method("token_pool.v1.TokenPool/RecoverCredential", &made),
        call("token_pool.v1.TokenPool/CreateGuestCredential", json!({})),
        call("token_pool.v1.TokenPool/CreateGuestCredential", json!({})),
        Case { most: 4, ..call("token_pool.v1.TokenPool/WatchCredentials", json!({})) },
        call("token_pool.v1.TokenPool/GetPoolStatus", json!({})),
        method("token_pool.v1.TokenPool/DeleteCredential", &made),
        method("token_pool.v1.TokenPool/DeleteCredential", &made).fails(),
        call("token_pool.v1.TokenPool/ListAuditEvents", json!({"credential": "credentials/made-here"})),
        call("token_pool.v1.TokenPool/ListAuditEvents", json!({"pageToken": "?"})).fails(),
        // It would serve the chats below.
        call("token_pool.v1.TokenPool/DisableCredential", json!({"name": "credentials/guest"})),
    ]
}

fn warp_chat() -> Vec<Case> {
    let chat = |text: &str| {
        json!({
            "model": "chatModels/gpt-5 (high reasoning)",
            "messages": [{"role": "ROLE_USER", "parts": [{"text": text}]}],
        })
    };
    let stream = |request| call("warp_chat.v1.WarpChat/StreamChat", request);
    vec![
        call("warp_chat.v1.WarpChat/ListChatModels", json!({})),
        call("warp_chat.v1.WarpChat/GetChatModel", json!({"name": "chatModels/gpt-5 (high reasoning)"})),
        call("warp_chat.v1.WarpChat/GetChatModel", json!({"name": "chatModels/a/b c:d%e?"})).fails(),
        stream(chat("say exactly: one two three")),
        stream(json!({"model": "chatModels/auto", "messages": []})).fails(),
        stream(chat("broken off")).script(Scenario::text("broken off").cut_after(8, Cut::Error)).fails(),
        stream(chat("out of credits")).script(Scenario::refuse(Refusal::out_of_credits())).fails(),
        call("warp_chat.v1.WarpChat/ListExchanges", json!({"filter": {"state": "EXCHANGE_STATE_FAILED"}})),
        call("warp_chat.v1.WarpChat/ListExchanges", json!({"pageToken": "of another list"})).fails(),
        call("warp_chat.v1.WarpChat/GetExchange", json!({"name": "exchanges/1"})),
        call("warp_chat.v1.WarpChat/GetExchange", json!({"name": "exchanges/nobody"})).fails(),
        call("warp_chat.v1.WarpChat/WatchExchanges", json!({"historySize": 2, "snapshotOnly": true})),
        call("warp_chat.v1.WarpChat/WatchExchanges", json!({"progressInterval": "0.001s"})).fails(),
    ]
}
