//! Which behaviour is due: the first, then the next, then the last for ever.

use larder_sdk::{Addon, Failure, state};
use serde_json::Value;

use crate::behaviour::{Answer, Behaviour};

/// Does what the addon's parameters say for this call of this function.
pub(crate) fn play(addon: &Addon, function: &str) -> Result<Answer, Failure> {
    let parameters: Value = addon.parameters()?;
    let behaviours = match parameters.get(function) {
        None => return Ok(Answer::Plain),
        Some(Value::Array(list)) => list.clone(),
        Some(one) => vec![one.clone()],
    };
    let key = format!("calls/{function}");
    let calls: usize = state::get_json(&key)?.unwrap_or(0);
    // Before acting, so that a checkpoint counts the call even if it traps afterwards.
    state::set_json(&key, &(calls + 1))?;
    let due = behaviours.get(calls).or(behaviours.last()).cloned().unwrap_or(Value::Null);
    let behaviour: Behaviour = serde_json::from_value(due).map_err(|error| Failure::rejected(error.to_string()))?;
    behaviour.act()
}
