//! Lists that come in pages, read to their end.

use serde_json::Value;

use super::Api;
use super::call::Call;
use crate::cli::failure::{Failure, Kind, Result};
use crate::cli::model::id_text;

const PAGE_ENTRIES: &str = "1000";
const PAGES_MAX: usize = 1000;

impl Api {
    /// The whole list `name`, in the form of one page that has no next.
    pub(crate) async fn list(&self, name: &str, call: impl Fn() -> Call) -> Result<Value> {
        self.list_after(name, "", call).await
    }

    /// The list `name` from behind the entry `after` on.
    pub(crate) async fn list_after(&self, name: &str, after: &str, call: impl Fn() -> Call) -> Result<Value> {
        let mut whole: Option<Value> = None;
        let mut after = after.to_owned();
        for _ in 0..PAGES_MAX {
            let from = Some(after.clone()).filter(|after| !after.is_empty());
            let page = call().query("limit", PAGE_ENTRIES).query_if("after", from);
            let page = self.call(page).await?.body;
            let next = page.get("next").map(id_text).unwrap_or_default();
            whole = Some(match whole {
                None => page,
                Some(whole) => join(whole, page, name),
            });
            if next.is_empty() || next == after {
                break;
            }
            after = next;
        }
        whole.ok_or_else(|| Failure::new(Kind::Failed, "bad_answer", "the server sent no list"))
    }
}

fn join(mut whole: Value, mut page: Value, name: &str) -> Value {
    let more = page.get_mut(name).and_then(Value::as_array_mut).map(std::mem::take).unwrap_or_default();
    if let Some(entries) = whole.get_mut(name).and_then(Value::as_array_mut) {
        entries.extend(more);
    }
    if let (Some(next), Some(last)) = (whole.get_mut("next"), page.get("next")) {
        *next = last.clone();
    }
    whole
}
