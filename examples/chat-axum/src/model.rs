//! The model that answers.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use tokio::sync::mpsc;

/// Why a model broke off.
pub type ModelError = Box<dyn std::error::Error + Send + Sync>;

/// A model that streams its answers.
pub trait Model: Send + Sync + 'static {
    /// The words of an answer as they are made, at most so many. A reader who leaves drops the stream:
    /// the model stops.
    fn words(&self, prompt: &str, most: usize) -> Words;
}

/// The words of an answer.
pub struct Words(mpsc::Receiver<Result<String, ModelError>>);

impl Stream for Words {
    type Item = Result<String, ModelError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(context)
    }
}

impl From<mpsc::Receiver<Result<String, ModelError>>> for Words {
    fn from(words: mpsc::Receiver<Result<String, ModelError>>) -> Words {
        Words(words)
    }
}

/// Stands for a real model, and needs no key: it repeats the prompt, word by word. The real one
/// goes here: call your provider's API with streaming, and send what arrives.
pub struct Parrot {
    /// How long a word takes.
    pub pace: Duration,
}

impl Model for Parrot {
    fn words(&self, prompt: &str, most: usize) -> Words {
        let said: Vec<String> = prompt.split_whitespace().map(|word| format!("{word} ")).collect();
        let pace = self.pace;
        let (sends, words) = mpsc::channel(1);
        tokio::spawn(async move {
            for word in said.into_iter().cycle().take(most) {
                tokio::time::sleep(pace).await;
                // Nobody listens any more.
                if sends.send(Ok(word)).await.is_err() {
                    return;
                }
            }
        });
        Words(words)
    }
}
