//! Business servers, written for the original or for the admin API, against the real server. A failure means that what such a
//! server pushed is lost, changed on the way, reaches somebody else, or that it is told something else than what happened.

mod connections;
mod groups;
mod refusals;
mod shop;
mod support;
mod system;
mod users;
