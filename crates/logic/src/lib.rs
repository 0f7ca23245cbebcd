//! The logic role: authentication, message ids, directory, business sends.
