//! What goes on although its caller went away.

use std::future::Future;
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Counts tasks that must end before the program does.
#[derive(Clone)]
pub(crate) struct Tasks(Arc<watch::Sender<usize>>);

/// One of them, until it is dropped.
pub(crate) struct Counted(Tasks);

impl Default for Tasks {
    fn default() -> Tasks {
        Tasks(Arc::new(watch::Sender::new(0)))
    }
}

impl Tasks {
    /// Runs a task to its end, whether or not anybody waits for it.
    pub(crate) fn spawn<T: Send + 'static>(
        &self,
        runtime: &Handle,
        task: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        let counted = self.count();
        runtime.spawn(async move {
            let _counted = counted;
            task.await
        })
    }

    pub(crate) fn count(&self) -> Counted {
        self.0.send_modify(|count| *count += 1);
        Counted(self.clone())
    }

    pub(crate) async fn finish(&self) {
        // The sender is here, so that it cannot be gone.
        let _ = self.0.subscribe().wait_for(|count| *count == 0).await;
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.0.send_modify(|count| *count -= 1);
    }
}
