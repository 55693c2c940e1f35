//! Between how many threads a batch is shared.

use std::time::{Duration, Instant};

use super::machine::Pushes;
use crate::core::Job;
use crate::frame::polars_internals::RAYON;

/// Decides for each push.
///
/// Batches that are read meanwhile leave the cores to the threads that decode them, unless the push hardly ever waits
/// for these: two threads that pushed beside two that decoded took a tenth longer than one. Whether the rows of a push
/// are worth more than one thread is decided where they are known ([`Machines`](super::machines::Machines)).
pub struct Threads {
    /// Whether batches continue one input.
    is_input: bool,
    waited: Duration,
    pushed: Duration,
    /// The end of the push before.
    idle_since: Option<Instant>,
}

impl Threads {
    /// Nothing was pushed yet.
    pub fn new(pushes: Pushes) -> Self {
        let is_input = pushes == Pushes::Continued;
        Self { is_input, waited: Duration::ZERO, pushed: Duration::ZERO, idle_since: None }
    }

    /// Begins a push: the number of threads, at most those of Polars (`POLARS_MAX_THREADS`), and when it began.
    pub fn begin(&mut self) -> (usize, Instant) {
        let now = Instant::now();
        self.waited += self.idle_since.map_or(Duration::ZERO, |since| now - since);
        let leaves_cores = self.is_input && self.pushed < 4 * self.waited;
        let threads = if leaves_cores { 1 } else { RAYON.current_num_threads() };
        (threads, now)
    }

    /// Ends a push that began then.
    pub fn end(&mut self, begun: Instant) {
        let now = Instant::now();
        self.pushed += now - begun;
        self.idle_since = Some(now);
    }
}

/// Runs jobs on all threads of Polars.
pub fn side_by_side(jobs: &mut [Job], run: &(dyn Fn(&mut Job) + Sync)) {
    // Some take a hundred times as long as others: many small shares, which threads take as they come.
    let share = jobs.len().div_ceil(64 * RAYON.current_num_threads()).max(1);
    RAYON.scope(|scope| {
        for jobs in jobs.chunks_mut(share) {
            scope.spawn(move |_| jobs.iter_mut().for_each(run));
        }
    });
}
