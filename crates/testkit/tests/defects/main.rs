//! The defects of the original (txchat spec, section 9), each as a test named after its number that fails when the defect
//! comes back: the real server, black box, as its clients see it. What cannot exist here, and shows nothing to test, has
//! its reason in `docs/design`. A failure means that clients meet an old fault again.

mod answer;
mod gateway;
mod logic;
mod store;
mod support;
