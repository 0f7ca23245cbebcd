//! The admin API as its callers see it. Method: the router driven in-process over in-memory test doubles of the ports (`support`); the
//! listener over loopback sockets. A failure means that a documented answer, limit or shape has changed.

mod apps;
mod backups;
mod devices;
mod groups;
mod hostile;
mod members;
mod messages;
mod openapi;
mod operation;
mod operators;
mod relations;
mod server;
mod sessions;
mod shapes;
mod support;
mod system;
mod timelines;
mod tokens;
