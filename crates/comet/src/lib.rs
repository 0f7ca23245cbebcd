//! The gateway role: everything that holds a client socket.
