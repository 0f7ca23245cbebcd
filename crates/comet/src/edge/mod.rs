//! Translation between what clients say and the neutral vocabulary. One folder a dialect; nothing behind the edge
//! knows a frame, and nothing in the edge decides anything.

pub(crate) mod txchat;
