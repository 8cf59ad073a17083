//! The requests of admins, read and checked. Pure; what cannot be read is a [`Failure`] that names the field.

use warp2api_proto::token_pool::v1 as proto;
use warp2api_rpc::Failure;

use crate::admin::{Addition, Edit};
use crate::convert;
use crate::credential::{CredentialId, Kind, NewCredential, Secret, Tier};
use crate::import;
use crate::settings::is_label;

const MAX_REQUEST_ID: usize = 128;
const MAX_IN_FLIGHT: i32 = 10_000;
const EDITABLE: [&str; 4] = ["display_name", "tier", "max_in_flight", "secret"];

/// A credential to be added.
pub(super) fn addition(request: proto::CreateCredentialRequest) -> Result<Addition, Failure> {
    let proto::CreateCredentialRequest { credential, credential_id, request_id, validate_only } = request;
    let credential = credential.ok_or_else(|| Failure::invalid("credential", "is required"))?;
    let kind = match convert::read_kind(credential.kind, "credential.kind")? {
        Some(Kind::Embedded) => {
            return Err(Failure::invalid(
                "credential.kind",
                "the embedded upstream brings its own credential",
            ));
        }
        kind => kind,
    };
    let (kind, secret) = secret(&credential.secret, kind)?;
    let tier = convert::read_tier(credential.tier, "credential.tier")?.unwrap_or(Tier::Personal);
    let display_name = Some(label(&credential.display_name)?).filter(|name| !name.is_empty());
    Ok(Addition {
        max_in_flight: max_in_flight(credential.max_in_flight)?,
        new: NewCredential { tier, kind, display_name, secret },
        id: chosen_id(&credential_id)?,
        request_id: checked_request_id(request_id)?,
        guest: false,
        validate_only,
    })
}

/// What is to be changed about which credential.
pub(super) fn edit(request: proto::UpdateCredentialRequest) -> Result<(CredentialId, Edit), Failure> {
    let credential = request.credential.ok_or_else(|| Failure::invalid("credential", "is required"))?;
    let id = convert::credential_id(&credential.name, "credential.name")?;
    let fields = fields(&request.update_mask.unwrap_or_default().paths, &credential)?;
    let has = |name: &str| fields.contains(&name);
    let tier = || match convert::read_tier(credential.tier, "credential.tier")? {
        Some(tier) => Ok(tier),
        None => Err(Failure::invalid("credential.tier", "is required when it is to be changed")),
    };
    let new_secret = || match credential.secret.as_str() {
        "" => Err(Failure::invalid("credential.secret", "is required when it is to be changed")),
        text => checked_secret(text),
    };
    let edit = Edit {
        display_name: has("display_name").then(|| label(&credential.display_name)).transpose()?,
        tier: has("tier").then(tier).transpose()?,
        max_in_flight: has("max_in_flight").then(|| max_in_flight(credential.max_in_flight)).transpose()?,
        secret: has("secret").then(new_secret).transpose()?,
        etag: Some(credential.etag).filter(|etag| !etag.is_empty()),
    };
    Ok((id, edit))
}

/// The fields a mask names, or those that are set if it names none. Paths may be written as JSON writes them.
fn fields(mask: &[String], credential: &proto::Credential) -> Result<Vec<&'static str>, Failure> {
    let set = |name: &&str| match *name {
        "display_name" => !credential.display_name.is_empty(),
        "tier" => credential.tier != 0,
        "max_in_flight" => credential.max_in_flight != 0,
        _ => !credential.secret.is_empty(),
    };
    if mask.is_empty() {
        return Ok(EDITABLE.into_iter().filter(set).collect());
    }
    let mut named = Vec::new();
    for path in mask {
        match path.as_str() {
            // What was read has no secret: without one it stays.
            "*" => named.extend(EDITABLE.into_iter().filter(|name| *name != "secret" || set(name))),
            "displayName" => named.push("display_name"),
            "maxInFlight" => named.push("max_in_flight"),
            path => match EDITABLE.into_iter().find(|known| *known == path) {
                Some(known) => named.push(known),
                None => {
                    let words = "can name display_name, tier, max_in_flight and secret; the state is changed by \
                                 disable, enable and recover";
                    return Err(Failure::invalid("update_mask", words));
                }
            },
        }
    }
    Ok(named)
}

fn secret(text: &str, kind: Option<Kind>) -> Result<(Kind, Secret), Failure> {
    if text.is_empty() {
        return Err(Failure::invalid("credential.secret", "is required"));
    }
    let invalid = |words: String| Failure::invalid("credential.secret", words);
    let (found, secret) = import::secret(text, kind)
        .map_err(invalid)?
        .ok_or_else(|| invalid("is the placeholder of the example file".to_owned()))?;
    match kind {
        Some(kind) if kind != found => {
            Err(Failure::invalid("credential.kind", format!("the secret looks like {}", found.name())))
        }
        _ => Ok((found, secret)),
    }
}

/// A secret of a kind that is not looked at.
fn checked_secret(text: &str) -> Result<Secret, Failure> {
    let parsed = import::secret(text, None).map_err(|words| Failure::invalid("credential.secret", words))?;
    parsed.map(|_| Secret::new(text)).ok_or_else(|| Failure::invalid("credential.secret", "is a placeholder"))
}

fn label(name: &str) -> Result<String, Failure> {
    let name = name.trim();
    if name.is_empty() || is_label(name) {
        return Ok(name.to_owned());
    }
    let words = "must be at most 64 letters, digits, spaces or . _ - @ +, and not look like a token";
    Err(Failure::invalid("credential.display_name", words))
}

fn max_in_flight(number: i32) -> Result<Option<u32>, Failure> {
    match u32::try_from(number) {
        Ok(0) => Ok(None),
        Ok(most) if number <= MAX_IN_FLIGHT => Ok(Some(most)),
        _ => Err(Failure::invalid("credential.max_in_flight", "must be between 0 and 10000")),
    }
}

fn chosen_id(text: &str) -> Result<Option<CredentialId>, Failure> {
    if text.is_empty() {
        return Ok(None);
    }
    let id = CredentialId::parse(text).filter(|id| is_label(id.as_str()));
    let words = "must be 1 to 63 of a-z, 0-9 and -, without - at its ends, and not look like a token";
    id.map(Some).ok_or_else(|| Failure::invalid("credential_id", words))
}

fn checked_request_id(text: String) -> Result<Option<String>, Failure> {
    if text.chars().count() > MAX_REQUEST_ID {
        return Err(Failure::invalid("request_id", "must not have more than 128 characters"));
    }
    Ok(Some(text).filter(|text| !text.is_empty()))
}
