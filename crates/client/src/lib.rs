//! Client library of the dialects.
