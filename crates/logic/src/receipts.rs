//! Receipts: what tells a sender which private messages have reached their reader.

use std::sync::Arc;

use bytes::Bytes;
use halley_core::clock::Now;
use halley_core::command::Receipt;
use halley_core::event::receipt_content;
use halley_core::message::{Content, Conversation, EntryKind, Message};
use halley_core::ports::PortError;
use halley_core::record::{Record, Targets};

use crate::append::append_durable;
use crate::service::Ports;

impl Ports {
    /// Puts a receipt into the inbox of the messages' sender.
    pub(crate) async fn append_receipt(self, receipt: Receipt, now: Now) -> Result<(), PortError> {
        let message = Message {
            id: self.ids.next(now.wall_ms),
            app: receipt.app,
            conversation: Conversation::User(receipt.reader),
            from: receipt.reader,
            kind: EntryKind::RECEIPT,
            content: Content { kind: 0, bytes: receipt_content(&receipt.messages) },
            ext: Bytes::new(),
            client_id: Bytes::new(),
            time_ms: now.wall_ms,
            device: Bytes::new(),
        };
        let record = Arc::new(Record { message, targets: Targets::new(vec![receipt.sender], None) });
        append_durable(&*self.journal, &record).await?;
        Ok(())
    }
}
