//! One thread of work: one piece runs, one waits, and the newest takes the place of the one that waits.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use tokio::sync::oneshot;

use super::answer::{Answer, Refusal};
use crate::error::{Error, Place};

/// Whether to go on.
pub(super) type Stops<'a> = dyn Fn() -> bool + Sync + 'a;

/// What is to be done.
pub(super) type Work = Box<dyn FnOnce(&Stops<'_>) -> Answer + Send>;

struct Piece {
    client: String,
    work: Work,
    answer: oneshot::Sender<Answer>,
    stop: Arc<AtomicBool>,
}

#[derive(Default)]
struct State {
    waiting: Option<Piece>,
    running: Option<(String, Arc<AtomicBool>)>,
    closed: bool,
}

/// A thread of work.
pub(super) struct Lane {
    state: Mutex<State>,
    wake: Condvar,
}

impl Lane {
    /// Starts the thread; its work has the threads of the pool.
    pub(super) fn start(pool: Arc<rayon::ThreadPool>) -> Result<Arc<Self>, Error> {
        let lane = Arc::new(Self { state: Mutex::default(), wake: Condvar::new() });
        let own = Arc::clone(&lane);
        thread::Builder::new()
            .name("lane".into())
            .spawn(move || own.work(&pool))
            .map_err(|error| Error::failed(Place::default(), error.to_string()))?;
        Ok(lane)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has something done, unless something newer comes first.
    pub(super) async fn run(&self, client: &str, work: Work) -> Answer {
        let (answer, answered) = oneshot::channel();
        let stop = Arc::new(AtomicBool::new(false));
        let piece = Piece { client: client.to_owned(), work, answer, stop };
        let older = {
            let mut state = self.lock();
            if state.closed {
                return Err(Refusal::closing());
            }
            state.waiting.replace(piece)
        };
        if let Some(older) = older {
            // Whoever asked may have gone away.
            let _ = older.answer.send(Err(Refusal::superseded()));
        }
        self.wake.notify_one();
        answered.await.unwrap_or_else(|_| Err(Refusal::closing()))
    }

    /// Cancels earlier requests of this client.
    pub(super) fn give_up(&self, client: &str) {
        let mut state = self.lock();
        if let Some((_, stop)) = state.running.as_ref().filter(|(own, _)| own == client) {
            stop.store(true, Ordering::Relaxed);
        }
        if state.waiting.as_ref().is_some_and(|piece| piece.client == client)
            && let Some(older) = state.waiting.take()
        {
            let _ = older.answer.send(Err(Refusal::superseded()));
        }
    }

    /// Gives up everything and ends the thread.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.waiting = None;
        if let Some((_, stop)) = &state.running {
            stop.store(true, Ordering::Relaxed);
        }
        self.wake.notify_all();
    }

    fn work(&self, pool: &rayon::ThreadPool) {
        while let Some(Piece { work, answer, stop, .. }) = self.next() {
            // Nobody waits for the answer to a request that was broken off.
            let stops = || stop.load(Ordering::Relaxed) || answer.is_closed();
            let done = catch_unwind(AssertUnwindSafe(|| pool.install(|| work(&stops))));
            let done = if stop.load(Ordering::Relaxed) {
                Err(Refusal::superseded())
            } else {
                done.unwrap_or_else(|_| Err(Refusal::broken()))
            };
            self.lock().running = None;
            let _ = answer.send(done);
        }
    }

    /// Returns the next piece; none once the lane is closed.
    fn next(&self) -> Option<Piece> {
        let mut state = self.lock();
        loop {
            if state.closed {
                return None;
            }
            if let Some(piece) = state.waiting.take() {
                state.running = Some((piece.client.clone(), Arc::clone(&piece.stop)));
                return Some(piece);
            }
            state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Clients whose turns are remembered.
const MOST_CLIENTS: usize = 32;

/// The newest generation of each client.
#[derive(Default)]
pub(super) struct Turns(Mutex<Vec<(String, u64)>>);

impl Turns {
    /// Notes a request; false when a newer one of the same client has come before it.
    pub(super) fn admit(&self, client: &str, generation: u64) -> bool {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let newest = match known.iter().position(|(own, _)| own == client) {
            Some(place) => known.remove(place).1,
            None => 0,
        };
        if known.len() >= MOST_CLIENTS {
            known.remove(0);
        }
        known.push((client.to_owned(), newest.max(generation)));
        generation >= newest
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    fn lane() -> Arc<Lane> {
        Lane::start(Arc::new(rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap()))
            .unwrap()
    }

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap()
    }

    #[allow(clippy::unnecessary_wraps, reason = "what a piece of work comes to")]
    fn text(answer: &str) -> Answer {
        Ok(answer.as_bytes().to_vec())
    }

    #[test]
    fn the_newest_takes_the_place_of_the_one_that_waits() {
        let (lane, runtime) = (lane(), runtime());
        let (begun, has_begun) = mpsc::channel();
        let (free, freed) = mpsc::channel::<()>();
        let ask = |work: Work| {
            let lane = Arc::clone(&lane);
            runtime.spawn(async move { lane.run("a", work).await })
        };
        let first = ask(Box::new(move |_| {
            begun.send(()).unwrap();
            freed.recv().unwrap();
            text("first")
        }));
        has_begun.recv().unwrap();
        let second = ask(Box::new(|_| text("second")));
        while lane.lock().waiting.is_none() {
            thread::yield_now();
        }
        let third = ask(Box::new(|_| text("third")));
        // The second is answered while the first still runs.
        let refused = runtime.block_on(second).unwrap().unwrap_err();
        assert_eq!(refused.status.as_u16(), 409);
        free.send(()).unwrap();
        assert_eq!(runtime.block_on(first).unwrap().unwrap(), b"first");
        assert_eq!(runtime.block_on(third).unwrap().unwrap(), b"third");
    }

    #[test]
    fn what_a_client_gives_up_is_stopped_and_a_panic_ends_nothing() {
        let (lane, runtime) = (lane(), runtime());
        let (begun, has_begun) = mpsc::channel();
        let own = Arc::clone(&lane);
        let running = runtime.spawn(async move {
            let work: Work = Box::new(move |stops| {
                begun.send(()).unwrap();
                while !stops() {
                    thread::yield_now();
                }
                text("stopped")
            });
            own.run("a", work).await
        });
        has_begun.recv().unwrap();
        lane.give_up("another client");
        assert!(!running.is_finished());
        lane.give_up("a");
        assert_eq!(runtime.block_on(running).unwrap().unwrap_err().status.as_u16(), 409);
        let broken = runtime.block_on(lane.run("a", Box::new(|_| panic!("as asked"))));
        assert_eq!(broken.unwrap_err().status.as_u16(), 500);
        let fine = runtime.block_on(lane.run("a", Box::new(|_| text("fine"))));
        assert_eq!(fine.unwrap(), b"fine");
        lane.close();
        let closed = runtime.block_on(lane.run("a", Box::new(|_| text("late"))));
        assert_eq!(closed.unwrap_err().status.as_u16(), 503);
    }

    #[test]
    fn each_client_has_its_own_turns() {
        let turns = Turns::default();
        assert!(turns.admit("a", 5) && turns.admit("b", 1));
        assert!(!turns.admit("a", 4) && turns.admit("a", 5) && turns.admit("a", 6));
        for client in 0..100 {
            turns.admit(&client.to_string(), 1);
        }
        assert_eq!(turns.0.lock().unwrap().len(), MOST_CLIENTS);
    }
}
