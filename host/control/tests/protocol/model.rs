//! Nodes, leases and wishes: all that can happen next in a state.
//!
//! A lease is current until a wish supersedes it; then its holder may not write, and nobody else may begin before it gives it back or it
//! runs out. Two things are taken for granted, and nothing else of time: work stops before a lease runs out that could not be renewed (but a
//! result may still be on its way), and whoever has lost a lease may hear of it at any moment later.

use larder_domain::{AddonState, Next, Step};

use crate::events::{Said, WISHES, answers};
use crate::machine::{Machine, Moved, Number};

/// A rule that is left out, to see what it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// Results are written without a look at the lease.
    NoFence,
    /// Work goes on under a lease that could not be renewed.
    NoStop,
    /// A wish takes the lease away at once.
    WishEndsLease,
    /// Work whose lease has run out goes on with the next step.
    GoesOn,
    /// A lease that runs out takes what was planned along.
    LeaseForgets,
    /// A lease of a node that died never runs out.
    NeverExpires,
}

/// What a node does for an addon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Doing {
    Nothing,
    /// It is about to do this.
    Told(Step),
    /// It does it just now: an effect.
    Calling(Step),
    /// It has this to write.
    Answered(Said),
}

/// A node's work for an addon, and whether the lease that stands in the store is that work's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Work {
    pub(crate) doing: Doing,
    is_holder: bool,
}

/// A lease as it stands in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Lease {
    node: u8,
    is_current: bool,
    has_run_out: bool,
}

/// An addon with its work.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Piece {
    pub(crate) addon: Number,
    /// Whether its app sees its variables.
    attached: bool,
    /// Whether work is planned, and who holds it.
    row: Option<Option<Lease>>,
    pub(crate) nodes: Vec<Work>,
    /// How many wishes users still have.
    wishes: u8,
    /// Whether its grace is over.
    is_late: bool,
}

/// All of it.
pub(crate) type State = Vec<Piece>;

/// A result that is not to be written.
const NOBODYS: Said = Said::StillPending;

const IDLE: Work = Work { doing: Doing::Nothing, is_holder: false };

/// The rules.
pub(crate) struct Model {
    pub(crate) machine: Machine,
    nodes: usize,
    addons: usize,
    /// How many wishes there are about the first addon.
    wishes: u8,
    flaw: Option<Flaw>,
}

impl Model {
    pub(crate) fn new(nodes: usize, addons: usize, wishes: u8, flaw: Option<Flaw>) -> Self {
        Self { machine: Machine::default(), nodes, addons, wishes, flaw }
    }

    pub(crate) fn first(&self) -> State {
        let addon = self.machine.new_addon();
        let nodes = vec![IDLE; self.nodes];
        // Wishes about a part are fewer, or there would be too much to look at.
        let piece = |at: usize| Piece {
            addon,
            attached: false,
            row: Some(None),
            nodes: nodes.clone(),
            wishes: if at == 0 { self.wishes } else { 1 },
            is_late: false,
        };
        (0..self.addons).map(piece).collect()
    }

    /// Every state that can come next, or the rule that is broken on the way there.
    pub(crate) fn next(&self, state: &[Piece], found: &mut Vec<Result<State, String>>) {
        for at in 0..state.len() {
            for node in 0..self.nodes {
                self.node_acts(state, at, node, found);
            }
            self.users_act(state, at, found);
            let piece = &state[at];
            let kept = self.machine.facts(piece.addon).has_grace;
            if kept && !piece.is_late {
                found.push(Ok(changed(state, at, |piece| piece.is_late = true)));
            }
            if let Some(Some(lease)) = piece.row
                && !lease.has_run_out
                && self.may_run_out(piece.nodes[usize::from(lease.node)])
            {
                found.push(Ok(changed(state, at, |piece| {
                    let run_out = Some(Lease { has_run_out: true, ..lease });
                    piece.row = (self.flaw != Some(Flaw::LeaseForgets)).then_some(run_out);
                })));
            }
        }
    }

    /// Of two addons, a call begins when it is told of, and its result is written when it ends: what lies between is looked at with one.
    const fn is_coarse(&self) -> bool {
        self.addons > 1
    }

    const fn told(&self, step: Step) -> Doing {
        if self.is_coarse() { Doing::Calling(step) } else { Doing::Told(step) }
    }

    fn may_run_out(&self, holder: Work) -> bool {
        let works = holder.is_holder && matches!(holder.doing, Doing::Told(_) | Doing::Calling(_));
        match self.flaw {
            Some(Flaw::NoStop) => true,
            Some(Flaw::NeverExpires) => false,
            _ => !works,
        }
    }

    fn node_acts(&self, state: &[Piece], at: usize, node: usize, found: &mut Vec<Result<State, String>>) {
        let piece = &state[at];
        let work = piece.nodes[node];
        let is_free = |lease: Option<Lease>| lease.is_none_or(|lease| lease.has_run_out);
        if piece.row.is_some_and(is_free) {
            for said in [Said::Woken, Said::WokenLate] {
                found.extend(self.lease(state, at, node, said).map(Ok));
            }
        }
        if work.doing == Doing::Nothing {
            return;
        }
        // It dies, or is cut off for so long that it stops, and tells nobody.
        found.push(Ok(changed(state, at, |piece| piece.nodes[node] = IDLE)));
        let is_current = matches!(piece.row, Some(Some(lease)) if lease.is_current);
        if !(work.is_holder && is_current) {
            // It hears that it has lost the lease.
            found.push(Ok(changed(state, at, |piece| give_back(piece, node))));
        }
        match work.doing {
            Doing::Nothing => {}
            Doing::Told(step) => {
                found.push(Ok(changed(state, at, |piece| piece.nodes[node].doing = Doing::Calling(step))))
            }
            Doing::Calling(step) => {
                // Whatever comes of it then, it is not written.
                let lost = vec![NOBODYS];
                for said in if work.is_holder && is_current { self.answers(state, at, step) } else { lost } {
                    let answered = changed(state, at, |piece| piece.nodes[node].doing = Doing::Answered(said));
                    found.push(if self.is_coarse() { self.write(&answered, at, node, said) } else { Ok(answered) });
                }
            }
            Doing::Answered(said) => found.push(self.write(state, at, node, said)),
        }
    }

    /// What may come of a step; of one that needs another addon, as that is doing.
    fn answers(&self, state: &[Piece], at: usize, step: Step) -> Vec<Said> {
        if at == 0 || !matches!(step, Step::Begin | Step::Complete) {
            let all = answers(step).into_iter();
            // Of two, only what makes a difference to the other, or there would be too much to look at.
            return all.filter(|said| self.addons == 1 || said.is_decisive()).collect();
        }
        match (self.machine.facts(state[0].addon).state, step) {
            (AddonState::Ready, Step::Begin) => vec![Said::Begun],
            (AddonState::Ready, _) => vec![Said::Configured, Said::HostFailed(step)],
            (AddonState::WaitingForProvision | AddonState::Provisioned, Step::Begin) => vec![Said::AwaitingParent],
            (AddonState::WaitingForProvision | AddonState::Provisioned, _) => vec![Said::HostFailed(step)],
            (AddonState::Deprovisioned | AddonState::Error, _) => vec![Said::ParentLost],
        }
    }

    /// A node takes due work: the intent is stored with the lease.
    fn lease(&self, state: &[Piece], at: usize, node: usize, said: Said) -> Option<State> {
        let piece = &state[at];
        let moved = self.machine.apply(piece.addon, said, piece.is_late)?;
        let mut next = self.moved(state, at, moved);
        let piece = &mut next[at];
        // Whoever held it holds it no more, and this node's own earlier work ends before this begins.
        piece.nodes.iter_mut().for_each(lose);
        match moved.next {
            Next::Do(step) => {
                let lease = Lease { node: u8::try_from(node).unwrap(), is_current: true, has_run_out: false };
                piece.row = Some(Some(lease));
                piece.nodes[node] = Work { doing: self.told(step), is_holder: true };
            }
            Next::At(_) => piece.row = Some(None),
            Next::Rest | Next::Unchanged => piece.row = None,
        }
        Some(next)
    }

    /// A node writes a result, if it may.
    fn write(&self, state: &[Piece], at: usize, node: usize, said: Said) -> Result<State, String> {
        let piece = &state[at];
        let is_current = matches!(piece.row, Some(Some(lease)) if lease.is_current);
        let may = piece.nodes[node].is_holder && is_current;
        if !may && self.flaw != Some(Flaw::NoFence) {
            return Ok(changed(state, at, |piece| give_back(piece, node)));
        }
        if !may {
            return Err(format!("a late write: {said:?}"));
        }
        let Some(moved) = self.machine.apply(piece.addon, said, piece.is_late) else {
            return Err(format!("an illegal result: {said:?}"));
        };
        let has_run_out = piece.row.flatten().is_some_and(|lease| lease.has_run_out);
        let mut next = self.moved(state, at, moved);
        let piece = &mut next[at];
        match moved.next {
            // It was told to stop before that: what it had was written, and nothing more is begun.
            Next::Do(_) if has_run_out && self.flaw != Some(Flaw::GoesOn) => give_back(piece, node),
            Next::Do(step) => piece.nodes[node].doing = self.told(step),
            Next::Unchanged => piece.nodes[node].doing = Doing::Nothing,
            Next::At(_) => (piece.row, piece.nodes[node]) = (Some(None), IDLE),
            Next::Rest => (piece.row, piece.nodes[node]) = (None, IDLE),
        }
        Ok(next)
    }

    fn users_act(&self, state: &[Piece], at: usize, found: &mut Vec<Result<State, String>>) {
        let piece = &state[at];
        if piece.wishes == 0 {
            return;
        }
        for wish in WISHES {
            let Some(moved) = self.machine.apply(piece.addon, wish, piece.is_late) else { continue };
            let mut next = self.moved(state, at, moved);
            next[at].wishes -= 1;
            self.plan(&mut next[at], moved.next);
            found.push(Ok(next));
        }
    }

    /// Plans what a wish asks for, and takes the right to write from whoever has it.
    fn plan(&self, piece: &mut Piece, next: Next) {
        let ends = self.flaw == Some(Flaw::WishEndsLease);
        let superseded = piece.row.flatten().filter(|_| !ends).map(|lease| Lease { is_current: false, ..lease });
        if !matches!(next, Next::Unchanged) {
            piece.nodes.iter_mut().for_each(forget);
        }
        match next {
            Next::Unchanged => {}
            Next::At(_) | Next::Do(_) => piece.row = Some(superseded),
            // Under a lease it stays: whoever leases it next finds that there is nothing to do.
            Next::Rest => piece.row = superseded.filter(|lease| !lease.has_run_out).map(Some),
        }
    }

    /// The addon as it is then, and what that means for its part, all in one transaction.
    fn moved(&self, state: &[Piece], at: usize, moved: Moved) -> State {
        let before = self.machine.facts(state[at].addon).state;
        let mut next = changed(state, at, |piece| {
            piece.addon = moved.to;
            piece.attached = moved.attached.unwrap_or(piece.attached);
            piece.is_late &= !moved.is_kept_anew && self.machine.facts(moved.to).has_grace;
        });
        let after = self.machine.facts(moved.to).state;
        if at == 0 && next.len() > 1 && before == after && moved.is_given_anew {
            let child = self.machine.facts(next[1].addon);
            if !child.state.is_terminal()
                && let Some(told) = self.machine.apply(next[1].addon, Said::Outdated, next[1].is_late)
            {
                next = self.moved(&next, 1, told);
                self.plan(&mut next[1], told.next);
            }
        }
        if at == 0 && next.len() > 1 && before != after && after.is_terminal() {
            let child = self.machine.facts(next[1].addon);
            if (!child.state.is_terminal() || child.is_kept)
                && let Some(lost) = self.machine.apply(next[1].addon, Said::ParentLost, next[1].is_late)
            {
                next = self.moved(&next, 1, lost);
                self.plan(&mut next[1], lost.next);
            }
        }
        next
    }

    /// What is looked at in each state, in the order of [`Self::broken`].
    pub(crate) const RULES: [&str; 7] = [
        "calls_never_overlap",
        "no_effect_without_an_intent",
        "variables_are_those_of_what_is_ready",
        "somebody_drives_what_is_under_way",
        "what_lives_is_not_cleaned_up",
        "what_began_is_cleaned_up",
        "operations_are_on_what_is_ready",
    ];

    /// What is wrong with a state.
    pub(crate) fn broken(&self, state: &[Piece]) -> Option<String> {
        state.iter().find_map(|piece| {
            let addon = self.machine.facts(piece.addon);
            let calls = piece.nodes.iter().filter(|work| matches!(work.doing, Doing::Calling(_))).count();
            let is_begun_unintended = piece.nodes.iter().any(|work| work.doing == Doing::Calling(Step::Begin))
                && !addon.begin_intended
                && addon.state == AddonState::WaitingForProvision;
            let is_open = !self.is_settled(piece);
            let rules = [
                (calls > 1, "calls overlap"),
                (is_begun_unintended, "an effect without an intent"),
                (piece.attached != (addon.state == AddonState::Ready), "variables that are not those of what is ready"),
                (is_open && piece.row.is_none(), "nobody drives what is under way"),
                (!addon.state.is_terminal() && addon.is_cleaned_up, "what lives is cleaned up"),
                (addon.state.is_terminal() && addon.begin_intended && !addon.is_cleaned_up, "what began is left"),
                (addon.is_operated && addon.state != AddonState::Ready, "an operation on what is not ready"),
            ];
            let rule = rules.into_iter().find_map(|(is_broken, rule)| is_broken.then_some(rule))?;
            Some(format!("{rule}: {:?} {piece:?}", self.machine.addon(piece.addon)))
        })
    }

    fn is_settled(&self, piece: &Piece) -> bool {
        self.machine.facts(piece.addon).is_settled
    }

    /// Whether nothing is under way.
    pub(crate) fn is_at_rest(&self, state: &[Piece]) -> bool {
        let is_idle = |piece: &Piece| piece.nodes.iter().all(|work| work.doing == Doing::Nothing);
        state.iter().all(|piece| self.is_settled(piece) && is_idle(piece))
    }

    /// The same state, whichever node is called first.
    pub(crate) fn in_order(&self, mut state: State) -> State {
        let holds = |piece: &Piece, node| piece.row.flatten().is_some_and(|lease| usize::from(lease.node) == node);
        let mut order: Vec<usize> = (0..self.nodes).collect();
        order.sort_by_cached_key(|node| {
            let has = |piece: &Piece| (piece.nodes[*node], holds(piece, *node));
            state.iter().map(has).collect::<Vec<_>>()
        });
        let place = |lease: Lease| {
            let at = order.iter().position(|node| *node == usize::from(lease.node)).unwrap();
            Lease { node: u8::try_from(at).unwrap(), ..lease }
        };
        for piece in &mut state {
            piece.nodes = order.iter().map(|node| piece.nodes[*node]).collect();
            piece.row = piece.row.map(|lease| lease.map(place));
        }
        state
    }
}

/// A node's work loses its lease.
fn lose(work: &mut Work) {
    work.is_holder = false;
    forget(work);
}

/// What it has to write will not be written, whatever it is.
fn forget(work: &mut Work) {
    if let Doing::Answered(said) = &mut work.doing {
        *said = NOBODYS;
    }
}

/// A node's work ends, and it says so.
fn give_back(piece: &mut Piece, node: usize) {
    if piece.nodes[node].is_holder && matches!(piece.row, Some(Some(_))) {
        piece.row = Some(None);
    }
    piece.nodes[node] = IDLE;
}

fn changed(state: &[Piece], at: usize, change: impl FnOnce(&mut Piece)) -> State {
    let mut next = state.to_vec();
    change(&mut next[at]);
    next
}
