//! Everything that can be refused, with a stable code. The API turns these into problem documents; nothing here knows HTTP.

use larder_domain::ports::{Storage, StoreError};
use larder_domain::provider::Refusal;
use larder_domain::quota::{Quota, QuotaExceeded};
use larder_domain::{NameError, variables::VariableNameError};

macro_rules! codes {
    ($($variant:ident $text:literal $status:literal $advice:literal),+ $(,)?) => {
        /// A stable name for what went wrong.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code { $(#[doc = $advice] $variant),+ }

        impl Code {
            /// Every code.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The name that programs see.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }

            /// The class of the failure, as the number that HTTP has for it (RFC 9110, section 15).
            #[must_use]
            pub const fn status(self) -> u16 {
                match self { $(Self::$variant => $status),+ }
            }

            /// What the person can do.
            #[must_use]
            pub const fn advice(self) -> &'static str {
                match self { $(Self::$variant => $advice),+ }
            }
        }
    };
}

codes! {
    InvalidJson "invalid_json" 400 "Send a body that is valid JSON and has the types that the message names.",
    UnknownField "unknown_field" 400 "Remove the field or correct its name; the message lists the ones that exist.",
    InvalidName "invalid_name" 400 "Names are 1 to 63 of a-z, 0-9 and '-', not beginning with '-'.",
    InvalidAttachAs "invalid_attach_as" 400 "Use letters, digits and '_', beginning with a letter, or leave attach_as out.",
    InvalidEngine "invalid_engine" 400 "Wish for an engine by its name, or by labels like disk=ssd,zone=a.",
    InvalidNetwork "invalid_network" 400 "Name the network as `docker network ls` shows it, or `null` for none.",
    InvalidVariable "invalid_variable" 400 "Choose another name for the variable; the message says what is wrong with it.",
    InvalidShare "invalid_share" 400 "Name the experiment in `shared_experiment_name`, and its app in `shared_app_name` if it is another one's.",
    InvalidQuery "invalid_query" 400 "Correct the query parameter or header that the message names.",
    Unauthorized "unauthorized" 401 "Send `Authorization: Bearer TOKEN`; the admin token is in the file admin.token of the data directory.",
    Forbidden "forbidden" 403 "Send the request to the address that the server listens on.",
    NotFound "not_found" 404 "There is no such route; see docs/api.md for the ones there are.",
    UnknownNode "unknown_node" 404 "`larder node list` shows the nodes.",
    UnknownEngine "unknown_engine" 404 "See the engines and how they do with `larder engine list`.",
    UnknownApp "unknown_app" 404 "Create it with `larder app create NAME`, or list those there are with `larder app list`.",
    UnknownAddon "unknown_addon" 404 "List the addons there are with `larder addon list --app APP`.",
    UnknownProvider "unknown_provider" 404 "List the providers there are with `larder provider list`.",
    UnknownOwner "unknown_owner" 404 "Create the addon that is to be shared first, under the same name in the experiment that is named.",
    UnknownVersion "unknown_version" 404 "List a provider's versions with `larder provider show NAME`.",
    UnknownService "unknown_service" 404 "List what can be had with `larder catalog`.",
    UnknownPlan "unknown_plan" 404 "Choose one of the plans that the message names.",
    MethodNotAllowed "method_not_allowed" 405 "See docs/api.md for the methods of this route.",
    RequestTimeout "request_timeout" 408 "Send the body without long pauses.",
    NameTaken "name_taken" 409 "Choose another name, or delete the addon that has it; an addon that is had back needs its own.",
    VariableTaken "variable_taken" 409 "Attach the addon under another name with `attach_as`, or delete what has the variable.",
    VariableOwnedByAddon "variable_owned_by_addon" 409 "An addon sets this variable: delete the addon, or use another name.",
    AmbiguousService "ambiguous_service" 409 "Several providers offer it: name one of them in `provider`.",
    QuotaExceeded "quota_exceeded" 409 "Delete an addon that is not needed any more, or have the operator raise the quota, as the message says. Those that are there can still be changed.",
    NotReady "not_ready" 409 "Wait until the addon is ready (`larder addon wait`), then ask again.",
    OperationInProgress "operation_in_progress" 409 "Wait until the operation has ended (`larder addon wait`), then ask again.",
    Protected "protected" 409 "If it is really to go, delete it by itself with `force=true` (`larder addon delete --force`), or unprotect it first (`larder addon unprotect`).",
    AddonInUse "addon_in_use" 409 "Delete first the addons that the message names; the owner of a shared resource goes with `force=true` too, and then they end in error. One that can still be had back needs what it uses until then: delete it with `now=true`.",
    NotInGrace "not_in_grace" 409 "Create the addon anew. `larder addon list --deleted` shows those that can be had back, and until when.",
    ParentGone "parent_gone" 409 "Create the addon anew: what it was a part of can't be used any more.",
    AddonOver "addon_over" 409 "Nothing can be changed about an addon that is deleted or in error; create another one.",
    AppInUse "app_in_use" 409 "Delete the app's addons first, or delete with `cascade=true`.",
    ProviderInUse "provider_in_use" 409 "Delete the provider's addons first, or remove it with `force=true`.",
    ApprovalNeeded "approval_needed" 409 "Grant first what the message names, then repeat the change.",
    EngineInUse "engine_in_use" 409 "Delete the addons on it for good (`larder addon delete --now`), and take the engine out of what `larder serve` is started with, if it stands there.",
    EngineTaken "engine_taken" 409 "Choose another name or url, or give up an engine first; `larder engine list` shows those there are.",
    EngineUnfit "engine_unfit" 409 "See the engines and their labels with `larder engine list`; wish for one that there is, or for none.",
    NetworkUnfit "network_unfit" 409 "Make a network for the app on the engine that its addons are on (`docker network create NAME`), and name that.",
    VersionNotUsable "version_not_usable" 409 "Only a version that passed its checks can be activated.",
    RotationRefused "rotation_refused" 409 "Do what the message says about the node that it names, then rotate again. No key was given up.",
    NotSupported "not_supported" 409 "This can't be done here; the detail says what is missing for it.",
    RevisionChanged "revision_changed" 412 "Read the provider again, and repeat the change with the ETag that it has now.",
    TooLarge "body_too_large" 413 "Send less; the message names the limit.",
    UnsupportedMediaType "unsupported_media_type" 415 "Send the content type that the message names.",
    InvalidParameters "invalid_parameters" 422 "Correct the parameters; `larder catalog --json` shows their schema.",
    ProvisionTypeNotOffered "provision_type_not_offered" 422 "Choose one of the provision types that the message names.",
    InvalidOverlap "invalid_overlap" 422 "Choose an overlap within the bounds that the message names.",
    InvalidOptions "invalid_options" 422 "Correct the options as the message says; `larder provider show NAME --json` has their schema.",
    InvalidGrant "invalid_grant" 422 "Write what is granted as the manifest asks for it; `larder provider show NAME` prints the commands.",
    InvalidLimit "invalid_limit" 422 "Set the limit within the bounds that the message names; `larder provider show NAME` lists all.",
    InvalidDefinition "invalid_definition" 422 "Correct what is said of the engine as the message says; docs/engines.md lists all that can be.",
    EngineUnusable "engine_unusable" 422 "Mend what the message says, then add the engine again.",
    TooManyGrants "too_many_grants" 422 "Grant a range or a wildcard in the place of many single ones.",
    IdempotencyMismatch "idempotency_mismatch" 422 "Use a new Idempotency-Key for a new request.",
    TooManyVariables "too_many_variables" 422 "Unset variables that the app no longer needs.",
    RevisionNeeded "revision_needed" 428 "Send If-Match with the ETag of the provider as you know it.",
    Overloaded "overloaded" 429 "Try again after as many seconds as Retry-After says.",
    TransferFailed "transfer_failed" 502 "See what the message says; `larder addon events` and `larder addon logs` may say more. An import that failed may have changed a part of the data.",
    EngineUnavailable "engine_unavailable" 503 "See what `larder doctor` says of the Docker engine.",
    NotServing "not_serving" 503 "Ask another node. The message and the server's log say what is the matter with this one.",
    StoreUnavailable "store_unavailable" 503 "Try again in a moment, with the same Idempotency-Key if something was to be made: what was asked may have been done. `larder node list` and the server's log say more.",
    StorageFailed "storage_failed" 507 "Free space on the host's disk, or mend it; then try again.",
    StorageDamaged "storage_damaged" 500 "Stop the server and restore a backup (`larder restore`); what is on other pages of the database can be used until then.",
    Internal "internal" 500 "The host failed; its log has the cause under the request's X-Request-Id. Try again, then tell the operator.",
}

/// A use case that was refused or failed.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The caller can mend it.
    #[error("{message}")]
    Refused {
        /// What kind of refusal.
        code: Code,
        /// What was found and what was expected.
        message: String,
    },
    /// A component that can't be a provider.
    #[error(transparent)]
    Component(#[from] Refusal),
    /// As many live addons are there as there may be.
    #[error("{0}; {hint}", hint = make_room(.0))]
    Quota(#[from] QuotaExceeded),
    /// The store failed. The cause is for the log only.
    #[error("the store failed")]
    Store(#[source] StoreError),
}

/// What helps where there is no place left.
fn make_room(full: &QuotaExceeded) -> String {
    let raise = match &full.quota {
        Quota::App(app) => format!("larder app quota {app} COUNT"),
        Quota::Plan(provider, plan) => format!("larder provider quota {provider} {plan}=COUNT"),
    };
    format!("delete one that is not needed, or have the quota raised with `{raise}`")
}

impl ControlError {
    /// A refusal.
    pub fn refused(code: Code, message: impl Into<String>) -> Self {
        Self::Refused { code, message: message.into() }
    }
}

impl From<StoreError> for ControlError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Busy => Self::refused(Code::Overloaded, "the store has more to write than it can take"),
            // Why is the operator's to know; it is in the log.
            StoreError::Unreachable(_) => Self::refused(Code::StoreUnavailable, "the host can't reach its database"),
            StoreError::Quota(full) => full.into(),
            StoreError::Missing("addon") => Self::refused(Code::UnknownAddon, "there is no such addon"),
            // Gone since the use case looked.
            StoreError::Missing("app") => Self::refused(Code::UnknownApp, "there is no such app any more"),
            StoreError::Missing("provider") => {
                Self::refused(Code::UnknownProvider, "there is no such provider any more")
            }
            StoreError::Missing("version") => Self::refused(Code::UnknownVersion, "there is no such version any more"),
            StoreError::Storage(Storage::Damaged) => {
                Self::refused(Code::StorageDamaged, "a part of the database that this needs is damaged")
            }
            StoreError::Storage(storage) => {
                Self::refused(Code::StorageFailed, format!("nothing was stored: {storage}"))
            }
            other => Self::Store(other),
        }
    }
}

impl From<NameError> for ControlError {
    fn from(error: NameError) -> Self {
        Self::refused(Code::InvalidName, error.to_string())
    }
}

impl From<VariableNameError> for ControlError {
    fn from(error: VariableNameError) -> Self {
        Self::refused(Code::InvalidVariable, error.to_string())
    }
}
