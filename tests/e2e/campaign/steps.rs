//! The moments of an addon's life at which a host is killed, and how each is known when it comes: by a request to the engine, which is
//! then held, or by a line in the addon's history.

use serde_json::Value;

use crate::support::Random;
use crate::support::When::{self, After, Before};

use Asks::{
    Attach, Image, List, Make, MakeNetwork, MakeStream, MakeVolume, Remove, RemoveNetwork, RemoveStream, RemoveVolume,
    Start, StartStream, State, Stop,
};
use Kind::{Files, Own, Part, Slow};
use Moment::{Asks as Asking, Called, Says};
use Wish::{Create, Delete, Export, Resize, Rotate};

/// So many rounds make one end of everything.
const ROUNDS_TO_AN_END: usize = 25;

/// What kind of addon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// A Redis of its own: a container, a volume and a port.
    Own,
    /// A user of a common Redis.
    Part,
    /// A volume without a container.
    Files,
    /// None on any engine, by a provider that takes its time in each call.
    Slow,
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    Create,
    Resize,
    Rotate,
    Export,
    Delete,
}

/// How the moment is known.
#[derive(Debug, Clone, Copy)]
pub(super) enum Moment {
    /// A request to the engine.
    Asks(Asks, When),
    /// A line of the history, by its kind.
    Says(&'static str),
    /// A line of the history about this call.
    Called(&'static str),
}

/// Requests to an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asks {
    List,
    Image,
    MakeVolume,
    Make,
    Start,
    State,
    Stop,
    Remove,
    RemoveVolume,
    MakeStream,
    Attach,
    StartStream,
    RemoveStream,
    MakeNetwork,
    RemoveNetwork,
}

/// A moment of one kind of wish.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step {
    pub(super) kind: Kind,
    pub(super) wish: Wish,
    pub(super) moment: Moment,
}

/// All of them, by what they are moments of.
const MOMENTS: &[(Kind, Wish, &[Moment])] = &[
    (
        Own,
        Create,
        &[
            Says("created"),
            Called("begin-provision"),
            Asking(List, Before),
            Asking(Image, Before),
            Asking(MakeVolume, Before),
            Asking(MakeVolume, After),
            Asking(Make, Before),
            Asking(Make, After),
            Asking(Start, Before),
            Asking(Start, After),
            Asking(State, After),
            Called("provision-complete"),
            Says("provisioned"),
            Says("ready"),
        ],
    ),
    (
        Own,
        Resize,
        &[
            Says("operation_requested"),
            Called("begin-update"),
            Asking(Stop, Before),
            Asking(Stop, After),
            Asking(Remove, Before),
            Asking(Remove, After),
            Asking(Make, Before),
            Asking(Make, After),
            Asking(Start, Before),
            Asking(Start, After),
            Called("provision-complete"),
            Says("operation_succeeded"),
        ],
    ),
    (
        Own,
        Rotate,
        &[
            Says("operation_requested"),
            Called("begin-rotation"),
            Called("provision-complete"),
            Says("rotated"),
            Says("operation_succeeded"),
        ],
    ),
    (
        Own,
        Export,
        &[
            Asking(MakeStream, Before),
            Asking(MakeStream, After),
            Asking(Attach, After),
            Asking(StartStream, Before),
            Asking(StartStream, After),
            Asking(RemoveStream, Before),
            Asking(RemoveStream, After),
        ],
    ),
    (
        Own,
        Delete,
        &[
            Says("deprovisioned"),
            Asking(Stop, Before),
            Asking(Remove, Before),
            Asking(Remove, After),
            Asking(RemoveVolume, Before),
            Asking(RemoveVolume, After),
            Called("deprovision"),
        ],
    ),
    (Files, Create, &[Asking(MakeVolume, Before), Asking(MakeVolume, After), Says("ready")]),
    (Files, Export, &[Asking(MakeStream, After)]),
    (Files, Delete, &[Asking(RemoveVolume, Before), Asking(RemoveVolume, After)]),
    (Part, Create, &[Called("begin-provision"), Says("provisioned")]),
    (Part, Rotate, &[Says("rotated")]),
    (Part, Delete, &[Says("deprovisioned"), Called("deprovision")]),
    // Within the call that follows.
    (Slow, Create, &[Says("created"), Called("begin-provision")]),
    (Slow, Delete, &[Says("deprovisioned")]),
];

/// The network comes with the first container and goes with the last.
const ENDS: [(Moment, Moment); 2] = [
    (Asking(MakeNetwork, Before), Asking(RemoveNetwork, Before)),
    (Asking(MakeNetwork, After), Asking(RemoveNetwork, After)),
];

/// Which comes when: all equally often, and now and then all that there is goes and something new begins.
pub(super) fn plan(rounds: u64, random: &mut Random) -> Vec<Step> {
    let (mut plan, mut to_come) = (vec![], vec![]);
    let own = |wish, moment| Step { kind: Own, wish, moment };
    for (first, last) in ENDS.iter().cycle().copied() {
        plan.push(own(Create, first));
        for _ in 2..ROUNDS_TO_AN_END {
            if to_come.is_empty() {
                to_come = all();
                random.shuffle(&mut to_come);
            }
            plan.extend(to_come.pop());
        }
        plan.push(own(Delete, last));
        if plan.len() as u64 >= rounds {
            break;
        }
    }
    plan.truncate(usize::try_from(rounds).unwrap());
    plan
}

/// All of them but those of the network.
pub(super) fn all() -> Vec<Step> {
    let steps = |(kind, wish, moments): &(Kind, Wish, &'static [Moment])| {
        let (kind, wish) = (*kind, *wish);
        moments.iter().map(move |moment| Step { kind, wish, moment: *moment })
    };
    MOMENTS.iter().flat_map(steps).collect()
}

impl Asks {
    /// Whether a request is one of these.
    pub(super) fn is(self, method: &str, path: &str, body: &str) -> bool {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        // `/v1.41/containers/NAME/start`: without what the version is.
        let words: Vec<&str> = path.split('/').skip(2).collect();
        // Containers for streams are called after an addon and an operation.
        let has_operation = body.replace(r#""larder.transfer":"""#, "").contains("larder.transfer");
        let is_stream = has_operation || words.get(1).is_some_and(|name| name.len() > 70);
        match (method, words.as_slice()) {
            ("GET", ["containers", "json"]) => self == Self::List && query.contains("larder.addon"),
            ("GET", ["images", ..]) => self == Self::Image,
            ("POST", ["volumes", "create"]) => self == Self::MakeVolume,
            ("POST", ["containers", "create"]) => self == if is_stream { Self::MakeStream } else { Self::Make },
            ("POST", ["containers", _, "start"]) => self == if is_stream { Self::StartStream } else { Self::Start },
            ("GET", ["containers", _, "json"]) => self == Self::State && !is_stream,
            ("POST", ["containers", _, "stop"]) => self == Self::Stop && !is_stream,
            ("DELETE", ["containers", _]) => self == if is_stream { Self::RemoveStream } else { Self::Remove },
            ("DELETE", ["volumes", _]) => self == Self::RemoveVolume,
            ("POST", ["containers", _, "attach"]) => self == Self::Attach,
            ("POST", ["networks", "create"]) => self == Self::MakeNetwork,
            ("DELETE", ["networks", _]) => self == Self::RemoveNetwork,
            _ => false,
        }
    }

    /// Whether a request of this kind names no addon.
    pub(super) fn is_nobodys(self) -> bool {
        matches!(self, Self::Image | Self::MakeNetwork | Self::RemoveNetwork)
    }

    /// Whether it comes only when nothing else is left.
    pub(super) fn needs_an_end(self) -> bool {
        self == Self::RemoveNetwork
    }
}

impl Moment {
    /// Whether a line of a history is this one.
    pub(super) fn is(self, line: &Value) -> bool {
        match self {
            Self::Says(kind) => line["kind"] == kind,
            Self::Called(call) => line["data"]["call"] == call,
            Self::Asks(..) => false,
        }
    }

    /// What a kill at this moment is called.
    pub(super) const fn fault(self) -> &'static str {
        match self {
            Self::Asks(_, Before) => "kill_before_an_engine_acts",
            Self::Asks(_, After) => "kill_after_an_engine_acted",
            Self::Says(_) | Self::Called(_) => "kill_after_a_line_of_history",
        }
    }
}
