//! The driver's part: everything is sealed anew, step by step. There is nothing to remember between them: whoever takes over begins with the
//! first, and two who do it at once do each other no harm, since values are replaced only where the old one still stands.

use std::collections::BTreeSet;
use std::sync::Arc;

use larder_domain::NodeName;
use larder_domain::audit::{Action, Actor};
use larder_domain::ports::StoreError;
use serde_json::json;

use super::refuse::refuse_others;
use super::row::{Row, without};
use crate::KeyfileSealer;
use crate::sealer::KeyError;
use crate::sql::error::{Result as Outcome, Stop};
use crate::sql::nodes::Own;
use crate::sql::tx::Tx;
use crate::sql::{Resealing, SqlStore, audit};

/// Passes until nothing is found any more. The second finds what was on its way during the first.
const PASSES_MAX: u32 = 100;

/// A rotation that this node drives.
pub struct KeyDriving<'a> {
    store: &'a SqlStore,
    sealer: Arc<KeyfileSealer>,
    key: String,
    stage: Stage,
    /// How many values were sealed anew here, and the furthest stage of all.
    resealed: u64,
    furthest: u64,
    /// What was compacted already, and since when nobody may still see what was there before.
    pub(super) compacted: BTreeSet<&'static str>,
    pub(super) compacting_since: Option<String>,
}

enum Stage {
    /// Until all living nodes seal with the new key.
    Wait,
    Count,
    Reseal(Passes),
    Refuse,
    Search,
    /// The search has found something: what came between the last pass and the refusal, or what nobody knows.
    ResealFound(Passes),
    End,
    Forget,
    Compact,
}

impl Stage {
    const fn number(&self) -> u64 {
        match self {
            Self::Wait => 0,
            Self::Count => 1,
            Self::Reseal(_) => 2,
            Self::Refuse => 3,
            Self::Search => 4,
            Self::ResealFound(_) => 5,
            Self::End => 6,
            Self::Forget => 7,
            Self::Compact => 8,
        }
    }
}

#[derive(Default)]
struct Passes {
    pass: Option<Place>,
    found: u64,
    count: u32,
    is_settled: bool,
}

/// Where a pass is.
type Place = crate::sql::reseal::Place;

/// What a step has come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Driven {
    /// There is more to do.
    Goes,
    /// These nodes have to learn the new key first.
    Waits(Vec<NodeName>),
    /// What was sealed before all had the new key is given a moment to come.
    Settles,
    /// Some tables were not compacted: they are in use, or too large.
    Compacts,
    /// All was done.
    Done,
    /// Another node does it now.
    Elsewhere,
}

/// Why a rotation can't go on. Both keys are still there.
#[derive(Debug, thiserror::Error)]
pub enum KeyStop {
    /// The database failed, or something can't be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// This node's file can't be written.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// In a column that is not in this version's list, or with a key that is not here.
    #[error(
        "values in {0} are not sealed with the new key and can't be sealed anew: this version does not know the column, or the key that they need is not here"
    )]
    Unknown(String),
}

impl<'a> KeyDriving<'a> {
    pub(super) fn new(store: &'a SqlStore, sealer: Arc<KeyfileSealer>, key: String, is_live: bool) -> Self {
        let stage = if is_live { Stage::Wait } else { Stage::Forget };
        Self { store, sealer, key, stage, resealed: 0, furthest: 0, compacted: BTreeSet::new(), compacting_since: None }
    }

    /// The name of the new key.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Does the next step. One that failed may be tried again.
    ///
    /// # Errors
    /// It can't be done, now or ever.
    pub async fn step(&mut self) -> Result<Driven, KeyStop> {
        let (own, key, now) = (self.store.own.id.0, self.key.clone(), self.store.clock.now());
        let row = self.store.readers.read(move |conn| Row::read(conn, now)).await?;
        if !row.is_some_and(|row| row.key == key && row.driver == own && row.is_unfinished()) {
            return Ok(Driven::Elsewhere);
        }
        match std::mem::replace(&mut self.stage, Stage::Wait) {
            Stage::Wait => self.wait().await,
            Stage::Count => self.count().await,
            Stage::Reseal(passes) => self.reseal(passes).await,
            Stage::Refuse => {
                // Its tables may be in use: all that was done before need not be done again.
                self.stage = Stage::Refuse;
                self.refuse().await
            }
            Stage::Search => self.search(None).await,
            Stage::ResealFound(passes) => self.search(Some(passes)).await,
            Stage::End => self.end().await,
            Stage::Forget => {
                self.stage = Stage::Forget;
                self.sealer.drop_old_keys(&self.key)?;
                self.goes(Stage::Compact)
            }
            Stage::Compact => {
                self.stage = Stage::Compact;
                self.compact().await
            }
        }
    }

    /// Says why it does not go on, to all who ask; none if it does. Once it has stopped, somebody has to ask for it again.
    ///
    /// # Errors
    /// The database failed.
    pub async fn note(&self, trouble: Option<String>, has_stopped: bool) -> Result<(), StoreError> {
        let (own, key) = (self.store.own.clone(), self.key.clone());
        let job = move |tx: &mut Tx<'_>| {
            let sql = "UPDATE key_rotation SET trouble = ?, stopped = ? WHERE key = ? AND driver = ?";
            tx.execute(sql, (trouble.as_deref(), has_stopped, key.as_str(), own.id.0.as_bytes())).map(drop)
        };
        self.store.writer.run(job).await
    }

    /// Grows with whatever brings it nearer to its end. Steps that are done again because another one has failed do not.
    #[must_use]
    pub const fn progress(&self) -> u64 {
        self.resealed + self.furthest
    }

    fn goes(&mut self, next: Stage) -> Result<Driven, KeyStop> {
        self.furthest = self.furthest.max(next.number());
        self.stage = next;
        Ok(Driven::Goes)
    }

    async fn wait(&mut self) -> Result<Driven, KeyStop> {
        let (key, now) = (self.key.clone(), self.store.clock.now());
        let waits = self.store.readers.read(move |conn| without(conn, now, &key)).await?;
        if !waits.is_empty() {
            return Ok(Driven::Waits(waits));
        }
        self.goes(Stage::Count)
    }

    async fn count(&mut self) -> Result<Driven, KeyStop> {
        let left: u64 = self.store.count_old_keys(&self.sealer).await?.iter().map(|(_, count)| count).sum();
        let key = self.key.clone();
        let sql = "UPDATE key_rotation SET total = resealed + ?, trouble = NULL WHERE key = ?";
        self.store.writer.run(move |tx| tx.execute(sql, (left, key.as_str())).map(drop)).await?;
        self.goes(Stage::Reseal(Passes::default()))
    }

    /// Passes until one finds nothing, and after a moment once more.
    async fn reseal(&mut self, mut passes: Passes) -> Result<Driven, KeyStop> {
        if self.has_ended(&mut passes).await? {
            if passes.is_settled {
                return self.goes(Stage::Refuse);
            }
            self.stage = Stage::Reseal(Passes { is_settled: true, ..Passes::default() });
            return Ok(Driven::Settles);
        }
        self.goes(Stage::Reseal(passes))
    }

    /// Looks at some rows more. Whether a whole pass has found nothing; or so many have found something that the search is to decide.
    async fn has_ended(&mut self, passes: &mut Passes) -> Result<bool, KeyStop> {
        let mut pass = Resealing::from(self.store, &self.sealer, passes.pass.take().unwrap_or_default());
        match pass.step().await? {
            Some(count) => {
                passes.found += count;
                self.resealed += count;
                passes.pass = Some(pass.place());
                Ok(false)
            }
            None => {
                passes.count += 1;
                Ok(std::mem::take(&mut passes.found) == 0 || passes.count >= PASSES_MAX)
            }
        }
    }

    async fn refuse(&mut self) -> Result<Driven, KeyStop> {
        let (own, key, sealer) = (self.store.own.clone(), self.key.clone(), Arc::clone(&self.sealer));
        let job = move |tx: &mut Tx<'_>| -> Outcome<bool> {
            let is_own = is_driven_here(tx, &own, &key)?;
            if is_own {
                refuse_others(tx.conn, &[sealer.prefix()])?;
            }
            Ok(is_own)
        };
        match self.store.writer.run(job).await? {
            true => self.goes(Stage::Search),
            false => Ok(Driven::Elsewhere),
        }
    }

    /// Looks for what the old key has sealed in all columns that there are, and seals it anew as far as it is known. What is left then is not.
    async fn search(&mut self, passes: Option<Passes>) -> Result<Driven, KeyStop> {
        let has_sealed_nothing = match passes {
            Some(mut passes) => {
                let before = passes.found;
                if !self.has_ended(&mut passes).await? {
                    return self.goes(Stage::ResealFound(passes));
                }
                before == 0
            }
            None => false,
        };
        let left = self.store.count_old_keys(&self.sealer).await?;
        if left.is_empty() {
            return self.goes(Stage::End);
        }
        if has_sealed_nothing {
            let columns: Vec<_> = left.into_iter().map(|(column, _)| column).collect();
            return Err(KeyStop::Unknown(columns.join(", ")));
        }
        self.goes(Stage::ResealFound(Passes::default()))
    }

    async fn end(&mut self) -> Result<Driven, KeyStop> {
        let (own, key, old) = (self.store.own.clone(), self.key.clone(), self.sealer.key_ids().split_off(1));
        match self.store.writer.attempt(move |tx| end(tx, &own, &key, &old)).await? {
            Ok(()) => self.goes(Stage::Forget),
            // Somebody came with the old key alone: what they have sealed was refused, and they learn the new one.
            Err(Ended::Waits(nodes)) => Ok(Driven::Waits(nodes)),
            Err(Ended::Elsewhere) => Ok(Driven::Elsewhere),
        }
    }

    async fn compact(&mut self) -> Result<Driven, KeyStop> {
        if !self.compact_tables().await? {
            return Ok(Driven::Compacts);
        }
        let key = self.key.clone();
        let sql = "UPDATE key_rotation SET remnants = FALSE, trouble = NULL WHERE key = ? AND sealed IS NULL";
        self.store.writer.run(move |tx| tx.execute(sql, [key.as_str()]).map(drop)).await?;
        Ok(Driven::Done)
    }

    pub(super) const fn store(&self) -> &'a SqlStore {
        self.store
    }
}

/// Why a rotation does not end yet.
enum Ended {
    Waits(Vec<NodeName>),
    Elsewhere,
}

fn is_driven_here(tx: &Tx<'_>, own: &Own, key: &str) -> Outcome<bool> {
    Ok(Row::read(tx.conn, tx.now)?.is_some_and(|row| row.key == key && row.is_live() && row.driver == own.id.0))
}

fn end(tx: &mut Tx<'_>, own: &Own, key: &str, old: &[String]) -> Outcome<(), Stop<Ended>> {
    if !is_driven_here(tx, own, key)? {
        return Err(Stop::Refused(Ended::Elsewhere));
    }
    let waits = without(tx.conn, tx.now, key)?;
    if !waits.is_empty() {
        return Err(Stop::Refused(Ended::Waits(waits)));
    }
    tx.execute("UPDATE key_rotation SET sealed = NULL, remnants = TRUE, trouble = NULL", ())?;
    audit::note_of_all(tx, Actor::Host, Action::KeyRotated, &json!({ "key": key, "old": old }))?;
    Ok(())
}

/// Counts what was sealed anew, for all who ask how far it is.
pub(in crate::sql) fn note_resealed(tx: &Tx<'_>, key: &str, count: u64) -> Outcome<()> {
    tx.write("UPDATE key_rotation SET resealed = resealed + ? WHERE key = ? AND sealed IS NOT NULL", (count, key))
}
