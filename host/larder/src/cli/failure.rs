//! What can go wrong for a command, in the form that people and programs get it.
//!
//! Each failure has a stable code and an exit code. What the server says is passed on as it came.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::text;

/// The result of a step of a command.
pub(crate) type Result<T, E = Failure> = std::result::Result<T, E>;

/// What sort of failure it is; decides the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The server refused it, or it went wrong here.
    Failed,
    /// The command line makes no sense.
    Usage,
    /// No server, or the connection broke.
    Unreachable,
    /// The addon that was waited for did not become ready.
    AddonFailed,
    /// The time to wait was over.
    TimedOut,
    /// The server wants another token.
    Unauthorized,
    /// A command is there and can't be executed.
    NotExecutable,
    /// There is no such command.
    CommandMissing,
    /// Whoever read our output went away; nobody is left to be told.
    ReaderGone,
}

impl Kind {
    /// The process's exit code.
    pub(crate) const fn exit_code(self) -> u8 {
        match self {
            Self::ReaderGone => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Unreachable => 3,
            Self::AddonFailed => 4,
            Self::TimedOut => 5,
            Self::Unauthorized => 6,
            Self::NotExecutable => 126,
            Self::CommandMissing => 127,
        }
    }
}

/// Why a command did not do what it was asked.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Failure {
    pub(crate) kind: Kind,
    /// Stable: the server's code, or one of ours.
    pub(crate) code: String,
    /// What was found.
    pub(crate) detail: String,
    /// What to do next.
    pub(crate) advice: Option<String>,
    /// The server's own problem document.
    problem: Option<Box<Value>>,
}

impl Failure {
    /// A failure of ours.
    pub(crate) fn new(kind: Kind, code: &str, detail: impl Into<String>) -> Self {
        Self { kind, code: code.to_owned(), detail: detail.into(), advice: None, problem: None }
    }

    /// A command line that makes no sense.
    pub(crate) fn usage(detail: impl Into<String>) -> Self {
        Self::new(Kind::Usage, "usage", detail)
    }

    /// What the server answered instead of a result; none if `body` is no problem document.
    pub(crate) fn from_problem(status: u16, body: &Value) -> Option<Self> {
        let field = |name| body.get(name).and_then(Value::as_str);
        let code = field("code")?.to_owned();
        let detail = field("detail").or_else(|| field("title"))?.to_owned();
        let advice = field("advice").filter(|advice| !advice.is_empty()).map(str::to_owned);
        let kind = if matches!(status, 401 | 403) { Kind::Unauthorized } else { Kind::Failed };
        Some(Self { kind, code, detail, advice, problem: Some(Box::new(body.clone())) })
    }

    /// The same with advice, unless it has some already.
    pub(crate) fn or_help(mut self, advice: impl Into<String>) -> Self {
        self.advice.get_or_insert_with(|| advice.into());
        self
    }

    /// The same with other advice, if it has this code: the server's speaks of requests, not of options.
    pub(crate) fn help_for(mut self, code: &str, advice: &str) -> Self {
        if self.code == code {
            self.advice = Some(advice.to_owned());
        }
        self
    }

    /// The process's exit code.
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.kind.exit_code())
    }

    /// For people: what, code, advice, a line each.
    pub(crate) fn for_people(&self) -> String {
        let mut lines = format!("error: {}\n", indented(&self.detail));
        if self.kind != Kind::Usage {
            lines.push_str(&format!("  code: {}\n", text::line(&self.code)));
        }
        if let Some(advice) = &self.advice {
            lines.push_str(&format!("  help: {}\n", indented(advice)));
        }
        lines
    }

    /// For programs: a problem document, the server's own if it sent one.
    pub(crate) fn for_programs(&self) -> Value {
        if let Some(problem) = &self.problem {
            return (**problem).clone();
        }
        let mut problem = json!({
            "type": format!("urn:larder:error:{}", self.code),
            "title": self.code.replace('_', " "),
            "code": self.code,
            "detail": self.detail,
        });
        if let (Some(advice), Some(fields)) = (&self.advice, problem.as_object_mut()) {
            fields.insert("advice".into(), advice.as_str().into());
        }
        problem
    }
}

/// Keeps the lines of a long text together under their label.
fn indented(detail: &str) -> String {
    text::block(detail.trim_end()).replace('\n', "\n    ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_documented_exit_code() {
        let kinds = [
            Kind::ReaderGone,
            Kind::Failed,
            Kind::Usage,
            Kind::Unreachable,
            Kind::AddonFailed,
            Kind::TimedOut,
            Kind::Unauthorized,
            Kind::NotExecutable,
            Kind::CommandMissing,
        ];
        assert_eq!(kinds.map(Kind::exit_code), [0, 1, 2, 3, 4, 5, 6, 126, 127]);
    }

    #[test]
    fn a_problem_is_passed_on_as_it_came() {
        let body = json!({"type": "urn:larder:error:name_taken", "title": "Name taken", "status": 409,
            "code": "name_taken", "detail": "`web` has an addon `redis`\nsince yesterday", "advice": "pass --name"});
        let failure = Failure::from_problem(409, &body).unwrap();
        assert_eq!(failure.kind, Kind::Failed);
        assert_eq!(failure.for_programs(), body);
        assert_eq!(
            failure.for_people(),
            "error: `web` has an addon `redis`\n    since yesterday\n  code: name_taken\n  help: pass --name\n"
        );
    }

    #[test]
    fn refused_tokens_have_their_own_exit_code() {
        let body = json!({"code": "unauthorized", "title": "Unauthorized"});
        for status in [401, 403] {
            assert_eq!(Failure::from_problem(status, &body).unwrap().kind, Kind::Unauthorized);
        }
        assert_eq!(Failure::from_problem(500, &json!({"message": "no problem document"})), None);
        assert_eq!(Failure::from_problem(500, &json!("text")), None);
    }

    #[test]
    fn advice_can_be_put_in_terms_of_options() {
        let body = json!({"code": "app_in_use", "detail": "it has addons", "advice": "use `cascade=true`"});
        let failure = Failure::from_problem(409, &body).unwrap();
        assert_eq!(failure.clone().help_for("other", "no"), failure);
        let failure = failure.help_for("app_in_use", "use `--cascade`");
        assert_eq!(failure.advice.as_deref(), Some("use `--cascade`"));
        assert_eq!(failure.for_programs(), body);
    }

    #[test]
    fn our_own_failures_are_problem_documents_too() {
        let failure = Failure::new(Kind::Unreachable, "unreachable", "no server").or_help("start one").or_help("no");
        let expected = json!({"type": "urn:larder:error:unreachable", "title": "unreachable",
            "code": "unreachable", "detail": "no server", "advice": "start one"});
        assert_eq!(failure.for_programs(), expected);
    }

    #[test]
    fn escape_codes_in_a_reason_are_shown_and_not_obeyed() {
        let failure = Failure::new(Kind::Failed, "x", "\u{1b}[2Jgone");
        assert_eq!(failure.for_people(), "error: \\u{1b}[2Jgone\n  code: x\n");
    }
}
