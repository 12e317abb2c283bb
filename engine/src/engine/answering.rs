//! How the supervisor answers: each piece of work runs in a task of its own and ends as an event.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::catalog::Entry;
use super::job::Answer;
use super::supervisor::Supervisor;
use crate::api::{Error, ErrorCode, Event, InstanceId, RequestId, Result};
use crate::monitor::task::Order;

/// A monitor that is in the middle of a look answers within this.
const REPLY_LIMIT: Duration = Duration::from_secs(15);

impl Supervisor {
    /// Waits for a monitor's reply in a task of its own and makes an event of it.
    pub(super) fn answer_later<T: 'static>(
        &self,
        request: RequestId,
        answer: impl Future<Output = Result<Result<T>, oneshot::error::RecvError>> + 'static,
        event: impl FnOnce(T) -> Event + 'static,
    ) {
        let events = self.events.clone();
        tokio::task::spawn_local(async move {
            let late =
                || Error::new(ErrorCode::QueryTimeout, "the instance did not answer in time");
            let outcome = match tokio::time::timeout(REPLY_LIMIT, answer).await {
                Ok(Ok(outcome)) => outcome,
                _ => Err(late()),
            };
            let told = match outcome {
                Ok(value) => event(value),
                Err(error) => Event::Refused { request, error },
            };
            let _ = events.send(told).await;
        });
    }

    /// Runs work in a task of its own and makes an event of its result.
    pub(super) fn answer<T: 'static>(
        &self,
        request: RequestId,
        work: impl Future<Output = Result<T>> + 'static,
        event: impl FnOnce(T) -> Event + 'static,
    ) {
        let events = self.events.clone();
        tokio::task::spawn_local(async move {
            let told = match work.await {
                Ok(value) => event(value),
                Err(error) => Event::Refused { request, error },
            };
            let _ = events.send(told).await;
        });
    }

    /// Runs a short operation in a task of its own; the instance is looked at again after it.
    pub(super) fn operation(
        &self,
        request: RequestId,
        instance: InstanceId,
        work: impl Future<Output = Result<String>> + 'static,
    ) {
        let events = self.events.clone();
        let orders = self.catalog.get(&instance).map(|entry| entry.orders.clone()).ok();
        tokio::task::spawn_local(async move {
            let told = match work.await {
                Ok(text) => Event::Done { request, text },
                Err(error) => Event::Refused { request, error },
            };
            if let Some(orders) = orders {
                let _ = orders.try_send(Order::Recheck);
            }
            let _ = events.send(told).await;
        });
    }

    /// Runs a job in a task of its own; the instance is looked at again after it.
    pub(super) fn tracked<F: Future<Output = ()> + 'static>(
        &self,
        request: RequestId,
        entry: &Entry,
        work: impl FnOnce(mpsc::Sender<Answer>) -> F,
    ) {
        let (told, answers) = mpsc::channel(4);
        let work = work(told);
        let pass_on = pass_on(answers, request, self.events.clone());
        let orders = entry.orders.clone();
        tokio::task::spawn_local(async move {
            let ((), ()) = tokio::join!(work, pass_on);
            let _ = orders.try_send(Order::Recheck);
        });
    }
}

/// Makes events of what a job tells.
async fn pass_on(
    mut answers: mpsc::Receiver<Answer>,
    request: RequestId,
    events: mpsc::Sender<Event>,
) {
    while let Some(answer) = answers.recv().await {
        let event = match answer {
            Answer::Accepted(job) => Event::Accepted { request, job },
            Answer::Refused(error) => Event::Refused { request, error },
            Answer::Ended(job, outcome) => Event::JobEnded { job, outcome },
            Answer::Said(event) => *event,
        };
        let _ = events.send(event).await;
    }
}
