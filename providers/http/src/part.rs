//! How an instance or a binding is made and removed. Each function asks the broker once, and tells where that has come to.
//!
//! A request may be repeated: with the same id and the same body, the broker must answer as it did. So one that timed out is
//! simply repeated until the addon's deadline, since a host waits less for an answer than brokers may take; then, as after an answer
//! that leaves open what was made, it is removed. After an answer that says no, there is nothing to remove.

use std::time::Duration;

use larder_sdk::Failure;
use larder_sdk::http::{Error, Response};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::answer::{self, AGAIN_AFTER, LastOperation, OperationState, again_after};
use crate::broker::{Broker, Thing};
use crate::record::{Part, Record};

/// For the person who waits, when the broker's answer to how it is doing is none.
const UNTOLD: &str = "The broker does not tell how it is doing";

/// How long to wait before the next thing is begun.
pub(crate) const AT_ONCE: Duration = Duration::from_millis(250);

/// What one question has come to.
pub(crate) enum Outcome {
    /// It is as wanted; what the broker said, if it said so at once.
    Done(Option<Map<String, Value>>),
    /// Ask again.
    Pending(Duration, String),
}

/// The part of an answer that says that it takes longer.
#[derive(Deserialize)]
struct Accepted {
    operation: Option<String>,
}

/// An instance or a binding of an addon.
pub(crate) struct Work<'a> {
    pub(crate) broker: &'a Broker,
    pub(crate) thing: Thing,
    pub(crate) id: &'a str,
    pub(crate) record: &'a mut Record,
}

impl Work<'_> {
    fn part(&mut self) -> &mut Part {
        match self.thing {
            Thing::Instance => &mut self.record.instance,
            Thing::Binding(generation) => self.record.binding(generation),
        }
    }

    /// A step towards its being there.
    pub(crate) fn make(&mut self, body: &Value) -> Result<Outcome, Failure> {
        match self.part().clone() {
            Part::Made => Ok(Outcome::Done(None)),
            Part::Making(operation) => self.poll(operation.as_deref(), Part::Made),
            // What a failed rotation has left goes first: it can't be asked for again while it is removed.
            Part::Removing(operation) => Ok(match self.poll(operation.as_deref(), Part::None)? {
                Outcome::Done(_) => Outcome::Pending(AT_ONCE, format!("The old {} is removed", self.thing.name())),
                pending @ Outcome::Pending(..) => pending,
            }),
            before @ (Part::None | Part::Unsure) => self.ask_for(body, before),
        }
    }

    /// A step towards its not being there.
    pub(crate) fn remove(&mut self) -> Result<Outcome, Failure> {
        match self.part().clone() {
            Part::None => Ok(Outcome::Done(None)),
            Part::Removing(operation) => self.poll(operation.as_deref(), Part::None),
            Part::Unsure | Part::Making(_) | Part::Made => self.ask_to_remove(),
        }
    }

    /// Asks for another form of what is there. How it is doing then is asked as if it were made.
    pub(crate) fn change(&mut self, body: &Value) -> Result<Outcome, Failure> {
        let answer = self.broker.patch(self.thing, self.id, body)?;
        match answer.status {
            200 => Ok(Outcome::Done(None)),
            202 => {
                *self.part() = Part::Making(understood::<Accepted>(answer.json())?.operation);
                Ok(self.waits(&answer))
            }
            _ => Err(answer::refusal(&answer)),
        }
    }

    fn ask_for(&mut self, body: &Value, before: Part) -> Result<Outcome, Failure> {
        *self.part() = Part::Unsure;
        self.record.save_now()?;
        let answer = match self.broker.put(self.thing, self.id, body) {
            Ok(answer) => answer,
            Err(error) => {
                if !error.may_have_arrived() {
                    *self.part() = before;
                }
                return Err(error.into());
            }
        };
        match answer.status {
            200 | 201 => {
                let said = understood(answer.json())?;
                *self.part() = Part::Made;
                Ok(Outcome::Done(Some(said)))
            }
            202 => {
                *self.part() = Part::Making(understood::<Accepted>(answer.json())?.operation);
                Ok(self.waits(&answer))
            }
            _ => {
                if answer::is_without_effect(&answer) {
                    *self.part() = before;
                }
                Err(answer::refusal(&answer))
            }
        }
    }

    fn ask_to_remove(&mut self) -> Result<Outcome, Failure> {
        let answer = self.broker.delete(self.thing, self.id, self.record)?;
        match answer.status {
            // By the API's letter it is 410, but not every broker says so.
            200 | 404 | 410 => {
                *self.part() = Part::None;
                Ok(Outcome::Done(None))
            }
            202 => {
                *self.part() = Part::Removing(understood::<Accepted>(answer.json())?.operation);
                Ok(self.waits(&answer))
            }
            500.. => Err(Failure::retry_after(again_after(&answer), answer::refusal(&answer).to_string())),
            _ => Err(answer::refusal(&answer)),
        }
    }

    /// Asks how the operation is doing that leads to `end`. Whatever is no answer to that is no end of it either.
    fn poll(&mut self, operation: Option<&str>, end: Part) -> Result<Outcome, Failure> {
        let answer = match self.broker.last_operation(self.thing, self.id, self.record, operation) {
            Ok(answer) => answer,
            Err(error) => return not_told(&error),
        };
        let is_removal = end == Part::None;
        match (answer.status, answer.json::<LastOperation>()) {
            (200, Ok(told)) => match told.state {
                OperationState::InProgress => {
                    Ok(Outcome::Pending(again_after(&answer), told.words("The broker is at it")))
                }
                OperationState::Succeeded => self.ended(end),
                OperationState::Failed => self.failed(is_removal, &told.words("it does not say why")),
            },
            (410, _) if is_removal => self.ended(end),
            // It does not know of it: whether it is gone will be its answer when it is asked to remove it again.
            (404, _) if is_removal => self.failed(is_removal, "it has forgotten about it"),
            (200, Err(error)) => not_told(&error),
            _ => Ok(Outcome::Pending(again_after(&answer), format!("{UNTOLD}: {}", answer::refusal(&answer)))),
        }
    }

    fn ended(&mut self, end: Part) -> Result<Outcome, Failure> {
        *self.part() = end;
        Ok(Outcome::Done(None))
    }

    fn failed(&mut self, is_removal: bool, words: &str) -> Result<Outcome, Failure> {
        *self.part() = Part::Unsure;
        let name = self.thing.name();
        if is_removal {
            return Err(Failure::retry_after(AGAIN_AFTER, format!("the broker could not remove the {name}: {words}")));
        }
        let what = if self.record.change.is_some() { "change" } else { "make" };
        Err(Failure::failed(format!("the broker could not {what} the {name}: {words}")))
    }

    fn waits(&self, answer: &Response) -> Outcome {
        Outcome::Pending(again_after(answer), format!("The broker is at the {}", self.thing.name()))
    }
}

fn not_told(error: &Error) -> Result<Outcome, Failure> {
    Ok(Outcome::Pending(AGAIN_AFTER, format!("{UNTOLD}: {error}")))
}

fn understood<T>(read: Result<T, Error>) -> Result<T, Failure> {
    read.map_err(|error| Failure::failed(format!("the broker's answer can't be used: {error}")))
}
