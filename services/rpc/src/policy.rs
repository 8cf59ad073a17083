//! Who may call which method: one table over every method of the contract.
//!
//! It says what kind of caller a method is for. Whether a given request is from such a caller is decided by
//! [`guard`](crate::guard).

/// The callers a method is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Whoever can reach the listener.
    Open,
    /// Programs with a token for it, services of the house and those who run it, and whoever can reach a listener that
    /// others cannot: it spends a credential, and shows none.
    Chat,
    /// Those who run the house: they have an admin key, or sit on the machine of a house that has none.
    Admin,
    /// Other services of the house: what they get is a secret, or spends one.
    Service,
}

/// Every method of the contract, in its order. A test holds it against the descriptors.
pub const METHODS: &[(&str, Access)] = &[
    ("/warp2api.codec.v1.Codec/ListMessageTypes", Access::Open),
    ("/warp2api.codec.v1.Codec/GetMessageType", Access::Open),
    ("/warp2api.codec.v1.Codec/EncodeMessage", Access::Open),
    ("/warp2api.codec.v1.Codec/DecodeMessage", Access::Open),
    ("/warp2api.codec.v1.Codec/DecodeStream", Access::Open),
    ("/warp2api.token_pool.v1.TokenPool/AcquireCredential", Access::Service),
    ("/warp2api.token_pool.v1.TokenPool/ReportCredentialOutcome", Access::Service),
    ("/warp2api.token_pool.v1.TokenPool/RenewLeases", Access::Service),
    ("/warp2api.token_pool.v1.TokenPool/ListCredentials", Access::Admin),
    ("/warp2api.token_pool.v1.TokenPool/GetCredential", Access::Admin),
    ("/warp2api.token_pool.v1.TokenPool/CreateCredential", Access::Admin),
    ("/warp2api.token_pool.v1.TokenPool/UpdateCredential", Access::Admin),
    ("/warp2api.token_pool.v1.TokenPool/DeleteCredential", Access::Admin),
    ("/warp2api.token_pool.v1.TokenPool/RefreshCredential", Access::Admin),
    ("/warp2api.token_pool.v1.TokenPool/RecoverCredential", Access::Admin),
    ("/warp2api.token_pool.v1.TokenPool/DisableCredential", Access::Admin),
    ("/warp2api.token_pool.v1.TokenPool/EnableCredential", Access::Admin),
    ("/warp2api.token_pool.v1.TokenPool/CheckCredential", Access::Admin),
    ("/warp2api.token_pool.v1.TokenPool/CreateGuestCredential", Access::Admin),
    ("/warp2api.token_pool.v1.TokenPool/WatchCredentials", Access::Admin),
    ("/warp2api.token_pool.v1.TokenPool/ListAuditEvents", Access::Admin),
    ("/warp2api.token_pool.v1.TokenPool/RotateStoreKey", Access::Admin),
    ("/warp2api.token_pool.v1.TokenPool/GetPoolStatus", Access::Admin),
    ("/warp2api.warp_chat.v1.WarpChat/StreamChat", Access::Chat),
    ("/warp2api.warp_chat.v1.WarpChat/StreamWarp", Access::Service),
    ("/warp2api.warp_chat.v1.WarpChat/ListChatModels", Access::Open),
    ("/warp2api.warp_chat.v1.WarpChat/GetChatModel", Access::Open),
    ("/warp2api.warp_chat.v1.WarpChat/WatchExchanges", Access::Admin),
    ("/warp2api.warp_chat.v1.WarpChat/ListExchanges", Access::Admin),
    ("/warp2api.warp_chat.v1.WarpChat/GetExchange", Access::Admin),
];

/// The method at this path, `package.Service/Method`, if it is one of the contract.
pub fn method(path: &str) -> Option<&'static str> {
    METHODS.iter().find(|(known, _)| *known == path).map(|(known, _)| known.trim_start_matches('/'))
}

/// The callers the method at this path is for. `None` for methods that are not ours, such as health and reflection.
/// One of ours that is not in the table is for nobody but admins.
pub fn access(path: &str) -> Option<Access> {
    let ours = path.starts_with("/warp2api.");
    ours.then(|| {
        METHODS.iter().find(|(known, _)| *known == path).map_or(Access::Admin, |(_, access)| *access)
    })
}

#[cfg(test)]
mod tests {
    use prost::Message as _;
    use prost_types::FileDescriptorSet;
    use warp2api_proto::FILE_DESCRIPTOR_SET;

    use super::*;

    /// The paths of every method of our own packages.
    fn contract() -> Vec<String> {
        let set = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).unwrap();
        let ours = set.file.iter().filter(|file| file.package().starts_with("warp2api."));
        let paths = ours.flat_map(|file| {
            file.service.iter().flat_map(move |service| {
                let prefix = format!("/{}.{}", file.package(), service.name());
                service.method.iter().map(move |method| format!("{prefix}/{}", method.name()))
            })
        });
        paths.collect()
    }

    #[test]
    fn every_method_of_the_contract_has_its_callers_and_nothing_else_has() {
        let known: Vec<_> = METHODS.iter().map(|(path, _)| (*path).to_owned()).collect();

        assert_eq!(known, contract());
        let method = "warp2api.codec.v1.Codec/DecodeStream";
        assert_eq!(super::method(&format!("/{method}")), Some(method));
        assert_eq!(super::method("/warp2api.codec.v1.Codec/Unheard"), None);
    }

    #[test]
    fn what_changes_or_shows_credentials_is_for_admins() {
        for path in contract().iter().filter(|path| path.contains(".TokenPool/")) {
            let leases = ["/AcquireCredential", "/ReportCredentialOutcome", "/RenewLeases"];
            let is_of_leases = leases.iter().any(|method| path.ends_with(method));
            let expected = if is_of_leases { Access::Service } else { Access::Admin };
            assert_eq!(access(path), Some(expected), "{path}");
        }
    }

    #[test]
    fn a_method_nobody_wrote_down_is_for_admins_and_one_of_others_is_not_ours() {
        assert_eq!(access("/warp2api.token_pool.v1.TokenPool/Unheard"), Some(Access::Admin));
        for path in ["/grpc.health.v1.Health/Check", "/", "/v1/credentials", ""] {
            assert_eq!(access(path), None, "{path}");
        }
    }
}
