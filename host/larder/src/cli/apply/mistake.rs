//! What is wrong with a file, line by line: all of it is told at once, under the code that the API has for it.

use crate::cli::failure::{Failure, Kind};
use crate::cli::text;

/// How many mistakes one message lists.
const LISTED_MAX: usize = 20;

/// What sort of mistake it is. The codes are the API's wherever it would refuse the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Code {
    InvalidFile,
    AddonDiffers,
    AmbiguousService,
    EngineUnfit,
    InvalidEngine,
    InvalidParameters,
    InvalidShare,
    NoInitialData,
    NotSupported,
    Protected,
    ProvisionTypeNotOffered,
    UnknownOwner,
    UnknownPlan,
    UnknownProvider,
    UnknownService,
    VariableOwnedByAddon,
    VariableTaken,
}

impl Code {
    const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidFile => "invalid_file",
            Self::AddonDiffers => "addon_differs",
            Self::AmbiguousService => "ambiguous_service",
            Self::EngineUnfit => "engine_unfit",
            Self::InvalidEngine => "invalid_engine",
            Self::InvalidParameters => "invalid_parameters",
            Self::InvalidShare => "invalid_share",
            Self::NoInitialData => "no_initial_data",
            Self::NotSupported => "not_supported",
            Self::Protected => "protected",
            Self::ProvisionTypeNotOffered => "provision_type_not_offered",
            Self::UnknownOwner => "unknown_owner",
            Self::UnknownPlan => "unknown_plan",
            Self::UnknownProvider => "unknown_provider",
            Self::UnknownService => "unknown_service",
            Self::VariableOwnedByAddon => "variable_owned_by_addon",
            Self::VariableTaken => "variable_taken",
        }
    }

    const fn advice(self) -> &'static str {
        match self {
            Self::InvalidFile | Self::InvalidShare | Self::NotSupported => "correct the file",
            Self::AddonDiffers => {
                "this can't be changed while the addon is there: delete it with `larder addon delete APP/NAME`, then apply again"
            }
            Self::AmbiguousService => "name one of them in `provider`",
            Self::EngineUnfit => "see the engines and their labels with `larder engine list`",
            Self::InvalidEngine => "wish for an engine by its name, or by labels like disk=ssd,zone=a",
            Self::InvalidParameters => "`larder catalog --json` shows the plan's schema",
            Self::NoInitialData => "put the data there, or leave `initial_data_source` out",
            Self::Protected => "delete it by itself with `larder addon delete --force`",
            Self::ProvisionTypeNotOffered | Self::UnknownPlan | Self::UnknownProvider | Self::UnknownService => {
                "see what can be had with `larder catalog`"
            }
            Self::UnknownOwner => "create the experiment whose resource it shares first",
            Self::VariableOwnedByAddon => "an addon sets this variable: use another name",
            Self::VariableTaken => "attach one of them under another name with `attach_as`",
        }
    }
}

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mistake {
    /// 0 for what stands in no line.
    pub(crate) line: usize,
    pub(crate) code: Code,
    pub(crate) what: String,
}

impl Mistake {
    /// The file doesn't say what it has to.
    pub(crate) fn new(line: usize, what: impl Into<String>) -> Self {
        Self { line, code: Code::InvalidFile, what: what.into() }
    }
}

/// All that were found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Mistakes(Vec<Mistake>);

impl Mistakes {
    /// The file doesn't say what it has to.
    pub(crate) fn add(&mut self, line: usize, what: impl Into<String>) {
        self.0.push(Mistake::new(line, what));
    }

    /// Something that the API would refuse.
    pub(crate) fn add_as(&mut self, code: Code, line: usize, what: impl Into<String>) {
        self.0.push(Mistake { line, code, what: what.into() });
    }

    /// Keeps the value of a success.
    pub(crate) fn keep<T>(&mut self, result: Result<T, Mistake>) -> Option<T> {
        result.map_err(|mistake| self.0.push(mistake)).ok()
    }

    /// The value, unless there was a mistake.
    ///
    /// # Errors
    /// Every mistake, as `FILE:LINE: what`, in the order of the lines.
    pub(crate) fn or<T>(mut self, file: &str, value: T) -> Result<T, Failure> {
        self.0.sort_by_key(|mistake| mistake.line);
        let Some(first) = self.0.first() else { return Ok(value) };
        let line = |Mistake { line, what, .. }: &Mistake| match line {
            0 => format!("{file}: {}", text::line(what)),
            line => format!("{file}:{line}: {}", text::line(what)),
        };
        let mut lines: Vec<String> = self.0.iter().take(LISTED_MAX).map(line).collect();
        if self.0.len() > LISTED_MAX {
            lines.push(format!("and {} more", self.0.len() - LISTED_MAX));
        }
        let mut advice: Vec<&str> = Vec::new();
        for mistake in &self.0 {
            if !advice.contains(&mistake.code.advice()) {
                advice.push(mistake.code.advice());
            }
        }
        let advice = format!("{}; nothing was changed", advice.join("; "));
        Err(Failure::new(Kind::Failed, first.code.as_str(), lines.join("\n")).or_help(advice))
    }
}

/// Names in a message: `a`, `b`; at most as many as a person reads.
pub(crate) fn names<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.into_iter().collect();
    let more = if names.len() > LISTED_MAX { " and others" } else { "" };
    if names.is_empty() {
        return "none".to_owned();
    }
    format!("{}{more}", names[..names.len().min(LISTED_MAX)].join(", "))
}
