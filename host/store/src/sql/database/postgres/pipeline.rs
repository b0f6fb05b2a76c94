//! Several statements on their way at once.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use futures_util::future::{MaybeDone, maybe_done};
use tokio::time::timeout;
use tokio_postgres::{Client, Error, Statement};

use super::alike::Alike;
use super::as_parameters;
use crate::sql::database::value::Owned;

/// A statement that nobody waits for.
pub(super) enum Later {
    Words(&'static str),
    Prepared(Statement, Vec<Owned>),
    Alike(Alike),
}

impl Later {
    async fn run(&self, client: &Client) -> Result<(), Error> {
        match self {
            Self::Words(sql) => client.batch_execute(sql).await,
            Self::Prepared(statement, values) => client.execute(statement, &as_parameters(values)).await.map(drop),
            Self::Alike(alike) => alike.run(client).await.map(drop),
        }
    }
}

/// Why there are no answers.
pub(super) enum Broken {
    /// What the first one failed of.
    Refused(Error),
    Silent,
}

/// Sends first what waits and then what is asked, and then hears all answers in that order, each within so long.
pub(super) async fn all_answers<T, F: Future<Output = Result<T, Error>>>(
    client: &Client,
    later: &[Later],
    asked: impl IntoIterator<Item = F>,
    wait: Duration,
) -> Result<Vec<T>, Broken> {
    let mut first: Vec<_> = later.iter().map(|it| Box::pin(maybe_done(it.run(client)))).collect();
    let mut asked: Vec<_> = asked.into_iter().map(|it| Box::pin(maybe_done(it))).collect();
    poll_fn(|cx| {
        // What can't even be sent is followed by nothing: a `COMMIT` behind it would keep the half of a transaction.
        let all_sent = first.iter_mut().all(|it| is_sent(it, cx));
        if all_sent {
            let _ = asked.iter_mut().all(|it| is_sent(it, cx));
        }
        Poll::Ready(())
    })
    .await;
    for it in &mut first {
        answer(it, wait).await?;
    }
    let mut answers = Vec::with_capacity(asked.len());
    for it in &mut asked {
        answers.push(answer(it, wait).await?);
    }
    Ok(answers)
}

/// Begins with it. False if it has failed already.
fn is_sent<T, F: Future<Output = Result<T, Error>>>(
    it: &mut Pin<Box<MaybeDone<F>>>,
    cx: &mut std::task::Context<'_>,
) -> bool {
    let _ = it.as_mut().poll(cx);
    !matches!(&**it, MaybeDone::Done(Err(_)))
}

async fn answer<T, F: Future<Output = Result<T, Error>>>(
    it: &mut Pin<Box<MaybeDone<F>>>,
    wait: Duration,
) -> Result<T, Broken> {
    timeout(wait, it.as_mut()).await.map_err(|_| Broken::Silent)?;
    it.as_mut().take_output().ok_or(Broken::Silent)?.map_err(Broken::Refused)
}
