//! What can be written after `warp2api tokens`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use warp2api_proto::token_pool::v1::{CredentialKind, CredentialState, CredentialTier};

use crate::operate::TrustArgs;

/// Looks after the credentials of the pool.
#[derive(Debug, Args)]
#[command(after_help = "\
It talks to the service at --grpc-addr (W2A_GRPC_ADDR), with the key of W2A_ADMIN_KEY where one is set. Where no service
runs there, it opens the pool's store in this process; it says which of the two it did.

Examples:
  warp2api tokens add --name work < key.txt
  warp2api tokens list
  warp2api tokens check work
  warp2api tokens import .env --dry-run")]
pub struct TokensArgs {
    /// What to do.
    #[command(subcommand)]
    pub(super) command: Command,
    /// Print JSON instead of tables: the messages of the contract, a list as one array.
    #[arg(long, global = true)]
    pub(super) json: bool,
    /// Whom to trust.
    #[command(flatten)]
    pub(crate) trust: TrustArgs,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Adds a credential; its secret comes from standard input, a prompt, or a variable.
    Add(AddArgs),
    /// Lists the credentials, those used first at the top.
    List(ListArgs),
    /// Shows everything that is known of a credential, but its secret.
    Show(NameArgs),
    /// Asks the upstream how credentials are and what quota is left; never calls a model. All of them without a name.
    Check(AnyNamesArgs),
    /// Switches credentials off until they are enabled or recovered.
    Disable(DisableArgs),
    /// Switches credentials on again that were disabled by hand.
    Enable(NamesArgs),
    /// Makes credentials active again, whatever they were; what is held against them is forgotten.
    Recover(NamesArgs),
    /// Exchanges refresh tokens for new access tokens now.
    Refresh(NamesArgs),
    /// Changes a credential, or gives it another secret.
    Update(UpdateArgs),
    /// Removes credentials for good.
    Remove(RemoveArgs),
    /// Adds the credentials of a `.env` file or of a JSON list. What is there already stays as it is.
    Import(ImportArgs),
    /// Prints the credentials without their secrets, in the form that `import` reads.
    Export,
    /// Signs in as a guest, once for an installation, or shows the guest there is.
    Guest,
    /// Shows who changed what, the newest first.
    Audit(AuditArgs),
    /// Counts the pool: each tier, and the endpoints it depends on.
    Status,
    /// Seals the secrets in the store with a new key.
    RotateKey,
}

impl Command {
    /// Whether it changes nothing and asks nobody.
    pub(super) fn only_looks(&self) -> bool {
        matches!(self, Self::List(_) | Self::Show(_) | Self::Export | Self::Audit(_) | Self::Status)
    }
}

/// A new credential.
#[derive(Debug, Args)]
#[command(after_help = "\
The secret is never an argument, since others of the machine see those. Examples:
  warp2api tokens add --name work                        # asks for it
  warp2api tokens add --tier shared < refresh_token.txt
  KEY=wk-... warp2api tokens add --secret-env KEY")]
pub(super) struct AddArgs {
    /// What the secret is. Without it, what it looks like.
    #[arg(long)]
    pub(super) kind: Option<Kind>,
    /// When it is used: personal ones first, anonymous ones last.
    #[arg(long, default_value = "personal")]
    pub(super) tier: Tier,
    /// What people are to call it.
    #[arg(long, value_name = "LABEL")]
    pub(super) name: Option<String>,
    /// The id it is to have, of a-z, 0-9 and -. Without it, one made of a digest of the secret.
    #[arg(long)]
    pub(super) id: Option<String>,
    /// How many chats it may serve at once. Without it, as many as W2A_MAX_IN_FLIGHT says.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(i32).range(1..=10_000))]
    pub(super) leases: Option<i32>,
    /// The variable of the environment that holds the secret.
    #[arg(long, value_name = "NAME")]
    pub(super) secret_env: Option<String>,
}

/// Which credentials.
#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// Those of this tier.
    #[arg(long)]
    pub(super) tier: Option<Tier>,
    /// Those in this state.
    #[arg(long)]
    pub(super) state: Option<State>,
}

/// A credential.
#[derive(Debug, Args)]
pub(super) struct NameArgs {
    /// Its id or its name.
    pub(super) credential: String,
}

/// Some credentials.
#[derive(Debug, Args)]
pub(super) struct NamesArgs {
    /// Their ids or names.
    #[arg(required = true, value_name = "CREDENTIAL")]
    pub(super) credentials: Vec<String>,
}

/// Some credentials, or all.
#[derive(Debug, Args)]
pub(super) struct AnyNamesArgs {
    /// Their ids or names.
    #[arg(value_name = "CREDENTIAL")]
    pub(super) credentials: Vec<String>,
}

/// What to switch off.
#[derive(Debug, Args)]
pub(super) struct DisableArgs {
    #[command(flatten)]
    pub(super) which: NamesArgs,
    /// Why, for those who see it.
    #[arg(long, default_value = "")]
    pub(super) reason: String,
}

/// What is to be different.
#[derive(Debug, Args)]
pub(super) struct UpdateArgs {
    #[command(flatten)]
    pub(super) which: NameArgs,
    /// What people are to call it; empty for its id.
    #[arg(long, value_name = "LABEL")]
    pub(super) name: Option<String>,
    /// When it is used.
    #[arg(long)]
    pub(super) tier: Option<Tier>,
    /// How many chats it may serve at once; 0 for as many as W2A_MAX_IN_FLIGHT says.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(i32).range(0..=10_000))]
    pub(super) leases: Option<i32>,
    /// Give it another secret of the same kind, from standard input or a prompt.
    #[arg(long)]
    pub(super) secret: bool,
    /// The variable of the environment that holds its new secret.
    #[arg(long, value_name = "NAME")]
    pub(super) secret_env: Option<String>,
}

/// What to remove.
#[derive(Debug, Args)]
pub(super) struct RemoveArgs {
    #[command(flatten)]
    pub(super) which: NamesArgs,
    /// Do not ask.
    #[arg(long, short)]
    pub(super) yes: bool,
}

/// What to import.
#[derive(Debug, Args)]
#[command(after_help = "\
A .env file: WARP_API_KEY, WARP_JWT, WARP_REFRESH_TOKEN, WARP_PERSONAL_TOKENS, WARP_SHARED_TOKENS and
WARP_ANONYMOUS_TOKEN, each a token or a list of them, each perhaps name=token. Other variables are passed over.
A JSON list: of tokens, or of objects with `secret` (or refresh_token, api_key, jwt, ...) and perhaps `tier`, `kind`,
`display_name`, `name`. What `export` prints is one, without the secrets.")]
pub(super) struct ImportArgs {
    /// The file, or `-` for standard input.
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
    /// The tier of those in a JSON list that do not say.
    #[arg(long, default_value = "personal")]
    pub(super) tier: Tier,
    /// Change nothing; say what would come of it.
    #[arg(long)]
    pub(super) dry_run: bool,
}

/// Which part of the trail.
#[derive(Debug, Args)]
pub(super) struct AuditArgs {
    /// What was done to this credential, by its id or name. One that was removed is known by its id.
    #[arg(long)]
    pub(super) credential: Option<String>,
    /// At most so many lines; 0 for all that are kept.
    #[arg(long, default_value_t = 50)]
    pub(super) limit: usize,
}

/// When a credential is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Tier {
    Personal,
    Shared,
    Anonymous,
}

/// What a secret is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Kind {
    ApiKey,
    RefreshToken,
    #[value(alias = "static-jwt")]
    Jwt,
}

/// Where a credential stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum State {
    Active,
    CoolingDown,
    Exhausted,
    Disabled,
    Blocked,
}

impl From<Tier> for CredentialTier {
    fn from(tier: Tier) -> Self {
        match tier {
            Tier::Personal => Self::Personal,
            Tier::Shared => Self::Shared,
            Tier::Anonymous => Self::Anonymous,
        }
    }
}

impl From<Tier> for warp2api_token_pool::Tier {
    fn from(tier: Tier) -> Self {
        match tier {
            Tier::Personal => Self::Personal,
            Tier::Shared => Self::Shared,
            Tier::Anonymous => Self::Anonymous,
        }
    }
}

impl From<Kind> for CredentialKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::ApiKey => Self::ApiKey,
            Kind::RefreshToken => Self::RefreshToken,
            Kind::Jwt => Self::StaticJwt,
        }
    }
}

impl From<State> for CredentialState {
    fn from(state: State) -> Self {
        match state {
            State::Active => Self::Active,
            State::CoolingDown => Self::CoolingDown,
            State::Exhausted => Self::Exhausted,
            State::Disabled => Self::Disabled,
            State::Blocked => Self::Blocked,
        }
    }
}
