//! Work that waits: which is due first, of each provider and on each engine.

use std::collections::VecDeque;

use larder_domain::work::{Subject, WorkKind};
use larder_domain::{AddonId, ProviderName, StoreTime};

use crate::sql::database::Conn;
use crate::sql::error::Result;
use crate::sql::rows::Columns;
use crate::sql::tx::list;

/// When the earliest piece can be leased of a provider's work about addons on one engine, or on none.
pub(super) struct Head {
    pub(super) provider: ProviderName,
    pub(super) engine: String,
    pub(super) open_at: StoreTime,
}

/// A piece of work.
pub(super) struct Piece {
    pub(super) provider: ProviderName,
    pub(super) open_at: StoreTime,
    pub(super) kind: WorkKind,
    pub(super) subject: Subject,
    pub(super) poked: bool,
}

impl Piece {
    /// The addon whose step it is.
    pub(super) const fn addon(&self) -> Option<AddonId> {
        match (&self.subject, self.kind) {
            (Subject::Addon(id), WorkKind::Addon) => Some(*id),
            _ => None,
        }
    }
}

/// A provider's work, as far as it was read.
pub(super) struct Queue {
    pub(super) provider: ProviderName,
    /// What a node may lease now, the earliest first.
    pub(super) due: VecDeque<Piece>,
    /// When the first of the rest can be leased.
    rest: Option<StoreTime>,
}

impl Queue {
    /// When the earliest piece can be leased, by whichever node.
    pub(super) fn earliest(&self) -> Option<StoreTime> {
        let due = self.due.front().map(|piece| piece.open_at);
        due.into_iter().chain(self.rest).min()
    }

    pub(super) fn may_have_more(&self, now: StoreTime) -> bool {
        self.earliest().is_some_and(|time| time <= now)
    }
}

/// One seek for each provider, for each of its engines, and for the earliest piece there.
pub(super) fn heads(conn: &Conn) -> Result<Vec<Head>> {
    let sql = "WITH RECURSIVE
             served (provider) AS (
                 SELECT min(work.provider) FROM work
                 UNION ALL SELECT (SELECT min(work.provider) FROM work WHERE work.provider > served.provider)
                     FROM served WHERE served.provider IS NOT NULL),
             place (provider, engine) AS (
                 SELECT served.provider, (SELECT min(work.engine) FROM work WHERE work.provider = served.provider)
                     FROM served WHERE served.provider IS NOT NULL
                 UNION ALL SELECT place.provider,
                     (SELECT min(work.engine) FROM work WHERE work.provider = place.provider AND work.engine > place.engine)
                     FROM place WHERE place.engine IS NOT NULL)
         SELECT place.provider, place.engine,
             (SELECT min(work.open_at) FROM work WHERE work.provider = place.provider AND work.engine = place.engine)
             FROM place WHERE place.engine IS NOT NULL ORDER BY place.provider, place.engine";
    list(conn, sql, (), |row| {
        Ok(Head { provider: row.parsed("a provider's name")?, engine: row.take()?, open_at: row.time()? })
    })
}

/// The engines that these providers have work on, each with the provider's place in the list. `heads` are all there are, if they were just
/// read.
pub(super) fn places(
    conn: &Conn,
    providers: &[ProviderName],
    heads: Option<Vec<Head>>,
) -> Result<Vec<(usize, String)>> {
    if let Some(heads) = heads {
        let place = |head: Head| Some((providers.iter().position(|it| *it == head.provider)?, head.engine));
        return Ok(heads.into_iter().filter_map(place).collect());
    }
    let sql = "WITH RECURSIVE place (engine) AS (
                 SELECT min(work.engine) FROM work WHERE work.provider = ?1
                 UNION ALL SELECT (SELECT min(work.engine) FROM work WHERE work.provider = ?1 AND work.engine > place.engine)
                     FROM place WHERE place.engine IS NOT NULL)
         SELECT place.engine FROM place WHERE place.engine IS NOT NULL ORDER BY place.engine";
    let named: Vec<_> = providers.iter().map(|provider| [provider.as_str()]).collect();
    let mut places = vec![];
    conn.each_row_of_all(sql, &named, |at, row| {
        places.push((at, row.take()?));
        Ok(())
    })?;
    Ok(places)
}

/// The queues of these providers, each as long as `share` at least if there is so much due.
pub(super) fn of_all(
    conn: &Conn,
    providers: &[ProviderName],
    places: &[(usize, String)],
    elsewhere: &[String],
    now: StoreTime,
    share: usize,
) -> Result<Vec<Queue>> {
    let are_others = |engine: &String| elsewhere.contains(engine);
    // One more than can be taken, and the first that is not due: so it is known when to look again.
    let wanted = |engine: &String| if are_others(engine) { 1 } else { share + 1 };
    let sql =
        "SELECT open_at, kind, subject, poked FROM work WHERE provider = ?1 AND engine = ?2 AND open_at <= coalesce(
                   (SELECT min(later.open_at) FROM work AS later
                    WHERE later.provider = ?1 AND later.engine = ?2 AND later.open_at > ?3), ?3)
               ORDER BY open_at, subject, kind LIMIT ?4";
    let asked: Vec<_> =
        places.iter().map(|(at, engine)| (providers[*at].as_str(), engine.as_str(), now.0, wanted(engine))).collect();
    let mut queues: Vec<_> = providers
        .iter()
        .map(|provider| Queue { provider: provider.clone(), due: VecDeque::new(), rest: None })
        .collect();
    let mut read = vec![0; places.len()];
    conn.each_row_of_all(sql, &asked, |at, row| {
        let (of, engine) = &places[at];
        let piece = read_piece(&providers[*of], row)?;
        let queue = &mut queues[*of];
        read[at] += 1;
        if piece.open_at <= now && read[at] <= share && !are_others(engine) {
            queue.due.push_back(piece);
        } else {
            queue.rest = queue.rest.into_iter().chain([piece.open_at]).min();
        }
        Ok(())
    })?;
    for queue in &mut queues {
        queue.due.make_contiguous().sort_by_key(|piece| piece.open_at);
    }
    Ok(queues)
}

fn read_piece(provider: &ProviderName, row: &mut Columns<'_>) -> Result<Piece> {
    Ok(Piece {
        provider: provider.clone(),
        open_at: row.time()?,
        kind: row.named("a kind of work", WorkKind::from_name)?,
        subject: row.parsed("a subject of work")?,
        poked: row.take()?,
    })
}
