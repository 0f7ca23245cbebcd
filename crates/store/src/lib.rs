//! The store role: materialised timelines and cursors.
