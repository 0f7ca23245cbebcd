//! A port's answer that is often here already.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// A boxed future as ports give it.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send + 'static>>;

/// What a port answers: at once (the embedded backends on a hot path, without an allocation), or later.
/// It is a future: awaiting a [`Reply::Ready`] costs nothing and never yields.
#[must_use = "a reply does nothing until it is awaited or matched"]
pub enum Reply<T> {
    /// The answer is here.
    Ready(T),
    /// The answer comes.
    Later(BoxFuture<T>),
    /// The answer was taken; polling again is a bug of the caller.
    Taken,
}

impl<T> Reply<T> {
    /// A reply that comes.
    pub fn later(future: impl Future<Output = T> + Send + 'static) -> Self {
        Self::Later(Box::pin(future))
    }
}

impl<T> Unpin for Reply<T> {}

impl<T> Future for Reply<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        if let Self::Later(future) = &mut *self {
            let value = std::task::ready!(future.as_mut().poll(context));
            *self = Self::Taken;
            return Poll::Ready(value);
        }
        match std::mem::replace(&mut *self, Self::Taken) {
            Self::Ready(value) => Poll::Ready(value),
            Self::Later(_) | Self::Taken => Poll::Pending,
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for Reply<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready(value) => f.debug_tuple("Ready").field(value).finish(),
            Self::Later(_) => f.write_str("Later"),
            Self::Taken => f.write_str("Taken"),
        }
    }
}
