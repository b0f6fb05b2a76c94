//! Somebody who listens to all that happens, over every crash: goes on with the last line that came, so nothing may be missed, nothing
//! may come twice, and nothing that was told may be untold.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use futures_util::StreamExt as _;
use reqwest::Method;
use serde_json::Value;
use tokio::task::JoinHandle;

use crate::support::{Host, Tally, until};

/// Lines of a page.
const PAGE: usize = 1_000;

/// A line as it was told: its number, its addon, the place in that addon's history, and what happened.
#[derive(Debug, Clone, PartialEq)]
struct Line {
    id: u64,
    addon: String,
    seq: u64,
    kind: String,
    message: String,
}

impl Line {
    fn of(event: &Value) -> Option<Self> {
        let text = |field: &str| event[field].as_str().map(str::to_owned);
        let (id, seq) = (event["id"].as_u64()?, event["seq"].as_u64()?);
        Some(Self { id, addon: text("addon")?, seq, kind: text("kind")?, message: text("message")? })
    }
}

/// What came.
#[derive(Default)]
pub(super) struct Heard {
    lines: Arc<Mutex<Vec<Line>>>,
    listener: Option<JoinHandle<()>>,
    /// Up to which line it was compared with the history.
    compared: u64,
    /// The last place of each addon's history.
    places: HashMap<String, u64>,
}

impl Heard {
    /// Listens until the host is gone, which the one before is.
    pub(super) async fn listen(&mut self, host: &Host) {
        if let Some(before) = self.listener.take() {
            before.await.unwrap();
        }
        let last = self.lines.lock().unwrap().last().map_or(self.compared, |line| line.id);
        let request = host.request(Method::GET, "/v1/events").header("accept", "text/event-stream");
        let (request, lines) = (request.header("last-event-id", last), Arc::clone(&self.lines));
        self.listener = Some(tokio::spawn(async move {
            let Ok(response) = request.send().await else { return };
            let (mut stream, mut bytes) = (response.bytes_stream(), vec![]);
            while let Some(Ok(more)) = stream.next().await {
                bytes.extend_from_slice(&more);
                while let Some(end) = bytes.windows(2).position(|two| two == b"\n\n") {
                    let event: Vec<u8> = bytes.drain(..end + 2).collect();
                    let event = String::from_utf8(event).unwrap();
                    let data: String = event.lines().filter_map(|line| line.strip_prefix("data:")).collect();
                    let line = serde_json::from_str(&data).ok().as_ref().and_then(Line::of);
                    lines.lock().unwrap().extend(line);
                }
            }
        }));
    }

    /// Now that nothing happens any more: what came is the history, and that has no gap.
    pub(super) async fn compare(&mut self, host: &Host, tally: &mut Tally) {
        let mut told = vec![];
        loop {
            let after = told.last().map_or(self.compared, |line: &Line| line.id);
            let page = host.get(&format!("/v1/events?after={after}&limit={PAGE}")).await.expect(200);
            let lines: Vec<Line> = page["events"].as_array().unwrap().iter().filter_map(Line::of).collect();
            if lines.is_empty() {
                break;
            }
            told.extend(lines);
        }
        let Some(last) = told.last().map(|line| line.id) else { return };
        let is_there = async || self.lines.lock().unwrap().last().is_some_and(|line| line.id >= last).then_some(());
        until("the stream to come to the end of the history", is_there).await;
        let lines = std::mem::take(&mut *self.lines.lock().unwrap());
        let differs = (0..lines.len().max(told.len())).find(|at| lines.get(*at) != told.get(*at));
        tally.holds("what_is_told_stays_and_nothing_is_missed", differs.is_none(), || {
            let at = differs.unwrap_or_default();
            format!("heard {:?}, and the history has {:?}", lines.get(at), told.get(at))
        });
        for line in told {
            let place = self.places.entry(line.addon.clone()).or_default();
            tally.holds("histories_have_no_gap", line.seq == *place + 1, || format!("{line:?} comes after {place}"));
            *place = line.seq;
        }
        self.compared = last;
    }
}
